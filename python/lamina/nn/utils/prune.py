"""Pruning: some numbers of a parameter are held at zero by a mask, which is computed by one of several rules.

A pruned parameter ``weight`` becomes ``weight_orig``; the buffer ``weight_mask`` stands beside it, and before
each forward ``weight`` is their product. Pruned again, the mask can only lose numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter

Amount = int | float


class BasePruningMethod(ABC):
    """A rule that says which numbers stay; derive from it and write ``compute_mask``.

    ``PRUNING_TYPE`` is "unstructured" (single numbers), "structured" (slices along ``dim``) or "global".
    """

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask, of the shape of ``t``, whose values or importance decide; where ``default_mask`` is 0 it
        stays 0."""

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module: Module) -> Tensor:
        """The original parameter times the mask."""
        mask, original = (getattr(module, f"{self._tensor_name}_{part}") for part in ("mask", "orig"))
        return mask.to(original.dtype) * original

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """``t`` times the mask of this rule; no module is involved.

        Raises:
            ShapeError: ``importance_scores`` has another shape than ``t``.
        """
        scores = _scores(t, importance_scores)
        mask = lamina.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> Any:
        """Prune the parameter ``name`` of ``module`` by a rule made with the other arguments."""
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        before = _method_of(module, name)
        if before is None:
            original = getattr(module, name)
            if not isinstance(original, Parameter):
                raise TypeError(f"prune: expected the name of a parameter, got {name!r}")
            mask = lamina.ones_like(original)
        else:
            original, mask = getattr(module, f"{name}_orig"), getattr(module, f"{name}_mask")
        scores = _scores(original, importance_scores)
        rule = method
        if before is not None:
            rule = before[1] if isinstance(before[1], PruningContainer) else PruningContainer(before[1])
            rule.add_pruning_method(method)
        found = rule.compute_mask(scores.detach(), default_mask=mask)
        if before is None:
            del module._parameters[name]
            module.register_parameter(f"{name}_orig", original)
        else:
            del module._forward_pre_hooks[before[0]]
        module.register_buffer(f"{name}_mask", found.detach().to(original.dtype))
        setattr(module, name, rule.apply_mask(module))
        module.register_forward_pre_hook(rule)
        return method

    def remove(self, module: Module) -> None:
        """Make the product a parameter again; what was pruned stays zero, and the hook's mask goes."""
        name = self._tensor_name
        parameter = getattr(module, f"{name}_orig")
        with lamina.no_grad():
            parameter.copy_(self.apply_mask(module))
        if hasattr(module, name):
            delattr(module, name)
        delattr(module, f"{name}_orig")
        delattr(module, f"{name}_mask")
        setattr(module, name, parameter)


class PruningContainer(BasePruningMethod):
    """Several rules for one parameter, one after the other; each decides among what the earlier ones left."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Let ``method`` come last.

        Raises:
            TypeError: it is no rule.
            ShapeError: it prunes another parameter.
        """
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method._tensor_name != self._tensor_name:
            raise _core.ShapeError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to this container, got '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the last rule on what ``default_mask``, of the others, left."""
        method = self._pruning_methods[-1]
        left = default_mask.to(t.dtype)
        if method.PRUNING_TYPE == "unstructured":
            rows: Any = left == 1
        elif method.PRUNING_TYPE == "structured":
            dim = getattr(method, "dim", 0) % t.ndim
            kept = left.sum([axis for axis in range(t.ndim) if axis != dim]) != 0
            rows = (slice(None),) * dim + (kept,)
        elif method.PRUNING_TYPE == "global":
            rows = (slice(None),) * t.ndim
        else:
            raise _core.ShapeError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        mask = left.clone()
        mask[rows] = method.compute_mask(t[rows], default_mask=left[rows]).to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """Prunes ``amount`` of the numbers, drawn at random."""

    def __init__(self, amount: Amount) -> None:
        self.amount = _checked(amount)

    def _scores(self, t: Tensor) -> Tensor:
        return lamina.rand(t.numel())

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        mask = default_mask.clone()
        count = _count(self.amount, t.numel())
        if count:
            least = lamina.topk(self._scores(t), count, largest=False).indices
            mask.view(-1)[least] = 0
        return mask


class L1Unstructured(RandomUnstructured):
    """Prunes ``amount`` of the numbers, those nearest to zero."""

    def _scores(self, t: Tensor) -> Tensor:
        return t.abs().reshape(-1)


class RandomStructured(BasePruningMethod):
    """Prunes ``amount`` of the slices along ``dim``, drawn at random."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Amount, dim: int = -1) -> None:
        self.amount, self.dim = _checked(amount), dim

    def _scores(self, t: Tensor) -> Tensor:
        return lamina.rand(t.shape[self.dim])

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim < 2:
            raise _core.ShapeError(f"Structured pruning expects at least 2 dimensions, got shape {t.shape}")
        if not -t.ndim <= self.dim < t.ndim:
            raise _core.BoundsError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        mask = default_mask.clone()
        count = _count(self.amount, t.shape[self.dim])
        if count:
            least = lamina.topk(self._scores(t), count, largest=False).indices
            mask[(slice(None),) * (self.dim % t.ndim) + (least,)] = 0
        return mask


class LnStructured(RandomStructured):
    """Prunes ``amount`` of the slices along ``dim``, those of least norm of order ``n``."""

    def __init__(self, amount: Amount, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: Tensor) -> Tensor:
        rest = [axis for axis in range(t.ndim) if axis != self.dim % t.ndim]
        return lamina.norm(t, p=self.n, dim=rest)


class CustomFromMask(BasePruningMethod):
    """Prunes where ``mask`` is 0."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise _core.ShapeError(
                f"custom_from_mask: the mask has shape {self.mask.shape}, expected {default_mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """Give the parameter ``name`` a mask of ones; every function here returns ``module``."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: Amount) -> Module:
    """Hold ``amount`` (a share of 1, or a count) of the numbers, drawn at random, at zero."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: Amount, importance_scores: Tensor | None = None
) -> Module:
    """Hold ``amount`` (a share of 1, or a count) of the numbers at zero: those of least absolute value.

    >>> net = lamina.nn.utils.prune.l1_unstructured(lamina.nn.Linear(4, 2), "weight", amount=3)
    >>> int((net.weight == 0).sum())
    3
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: Amount, dim: int) -> Module:
    """Hold ``amount`` of the slices along ``dim``, drawn at random, at zero."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: Amount, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Hold ``amount`` of the slices along ``dim`` at zero: those of least norm of order ``n``."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Hold the numbers at zero where ``mask``, of the parameter's shape, is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: Mapping[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune parameters of several modules together: the rule sees the numbers of all in one row.

    Args:
        parameters: pairs of module and name.
        pruning_method: the class of an unstructured rule.
        importance_scores: what decides instead of the values, by pair.
        kwargs: for the rule, such as ``amount``.

    Raises:
        TypeError: the rule is none of single numbers.
    """
    pairs = list(parameters)
    scores = importance_scores or {}
    masks, rows = [], []
    for module, name in pairs:
        values = getattr(module, f"{name}_orig" if _method_of(module, name) else name)
        rows.append(_scores(values, scores.get((module, name))).detach().reshape(-1))
        masks.append(getattr(module, f"{name}_mask", lamina.ones_like(values)).reshape(-1))
    method: Any = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(f'global_unstructured: expected an "unstructured" rule, got {pruning_method}')
    method._tensor_name = "all"
    container = PruningContainer(method)
    found = container.compute_mask(lamina.cat(rows), lamina.cat(masks))
    for (module, name), part in zip(pairs, found.split([len(row) for row in rows]), strict=True):
        custom_from_mask(module, name, part.view(getattr(module, name).shape))


def remove(module: Module, name: str) -> Module:
    """End the pruning of ``name``: it is a parameter again, with zeros where it was pruned.

    Raises:
        ShapeError: it is not pruned.
    """
    found = _method_of(module, name)
    if found is None:
        raise _core.ShapeError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    found[1].remove(module)
    del module._forward_pre_hooks[found[0]]
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one below it, is pruned.

    >>> lamina.nn.utils.prune.is_pruned(lamina.nn.Linear(2, 2))
    False
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for each in module.modules()
        for hook in each._forward_pre_hooks.values()
    )


def _method_of(module: Module, name: str) -> tuple[int, Any] | None:
    """The hook by which ``name`` is pruned, and the key of it."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None


def _scores(t: Tensor, importance: Tensor | None) -> Tensor:
    if importance is None:
        return t
    if importance.shape != t.shape:
        raise _core.ShapeError(f"importance_scores: expected shape {t.shape}, got {importance.shape}")
    return importance


def _checked(amount: Any) -> Amount:
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (isinstance(amount, float) and amount > 1):
        raise _core.ShapeError(
            f"amount={amount} should either be a float in the range [0.0, 1.0] or a non-negative integer"
        )
    return amount


def _count(amount: Amount, size: int) -> int:
    count = amount if isinstance(amount, int) else round(amount * size)
    if count > size:
        raise _core.ShapeError(f"amount={amount} should be smaller than the number to prune={size}")
    return count
