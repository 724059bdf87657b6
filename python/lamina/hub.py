"""Files of weights from the network, kept in a folder and read without running anything in them.

What PyTorch's ``torch.hub`` does besides, running the code of a repository, is absent."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import urllib.request
from typing import Any
from urllib.parse import urlparse

from lamina.io import load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]+)\.")  # resnet18-5c106cde.pth: the digest begins so
_dir: str | None = None


def get_dir() -> str:
    """The folder in which downloads are kept.

    It is that of ``set_dir``, else ``$TORCH_HOME/hub``, else ``torch/hub`` in the user's cache, so that what
    PyTorch fetched is found."""
    if _dir is not None:
        return _dir
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep downloads in the folder ``d`` from now on."""
    global _dir
    _dir = os.path.expanduser(os.fspath(d))


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Write what ``url`` holds to the file ``dst``, which appears only when it is whole.

    With ``hash_prefix`` the SHA-256 of the content must begin so; ``progress`` says on stderr how far it is.

    Raises:
        RuntimeError: the content has another digest.
        OSError: the address cannot be read, or the file not be written.
    """
    dst = os.path.expanduser(dst)
    digest = hashlib.sha256()
    request = urllib.request.Request(url, headers={"User-Agent": "lamina.hub"})
    folder = os.path.dirname(dst) or "."
    with urllib.request.urlopen(request) as source:
        total = source.headers.get("Content-Length")
        number, part = tempfile.mkstemp(suffix=".partial", dir=folder)
        try:
            with os.fdopen(number, "wb") as out:
                done = 0
                while chunk := source.read(1 << 20):
                    out.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    if progress:
                        sys.stderr.write(f"\r{done / 2**20:.1f} of {int(total or 0) / 2**20:.1f} MB")
            if progress:
                sys.stderr.write("\n")
            found = digest.hexdigest()
            if hash_prefix is not None and not found.startswith(hash_prefix):
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
            shutil.move(part, dst)
        finally:
            if os.path.exists(part):
                os.unlink(part)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict[str, Any]:
    """The state dict in the file at ``url``, fetched unless it lies in ``model_dir`` already.

    ``model_dir`` is ``checkpoints`` in ``get_dir()`` by default, ``file_name`` the last part of the address.
    With ``check_hash`` the digits after the dash in the name must begin the content's SHA-256.

    Raises:
        RuntimeError: the content has another digest.
        OSError: the address cannot be read.
        FileFormatError: the file holds no weights.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        if progress:
            sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        digits = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, digits.group(1) if digits else None, progress)
    return load(path, map_location=map_location, weights_only=weights_only)
