"""SummaryWriter: curves and pictures of a training for TensorBoard, written by the package tensorboardX."""

from __future__ import annotations

from typing import Any

from lamina._core import Tensor


def _plain(value: Any) -> Any:
    """Tensors as arrays, inside of lists, tuples and dicts too."""
    if isinstance(value, Tensor):
        return value.detach().float().numpy() if value.is_floating_point() else value.numpy()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


class SummaryWriter:
    """A writer of tensorboardX, whose methods (``add_scalar``, ``add_histogram``, ``add_image``, ...) take
    tensors too.

    Raises:
        ImportError: tensorboardX is not installed.

    >>> writer = lamina.utils.tensorboard.SummaryWriter("runs/first")
    >>> writer.add_scalar("loss", lamina.tensor(0.5), 1)
    """

    def __init__(self, log_dir: str | None = None, *args: Any, **kwargs: Any) -> None:
        try:
            import tensorboardX
        except ImportError as error:
            raise ImportError('SummaryWriter needs tensorboardX: pip install "lamina[train]"') from error
        self._writer = tensorboardX.SummaryWriter(log_dir, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._writer, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return found(*map(_plain, args), **_plain(kwargs))

        return call

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()
