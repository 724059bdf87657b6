"""What ops compute, written again in plain NumPy: slow, obvious, and without a line of the library's code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray
Dims = Any

erf = np.vectorize(math.erf, otypes=[float])
erfc = np.vectorize(math.erfc, otypes=[float])
lgamma = np.vectorize(lambda x: math.lgamma(x) if x > 0 or x != int(x) else math.inf, otypes=[float])


def erfinv(x: Array) -> Array:
    """Newton's method on erf."""
    y = np.zeros_like(x)
    for _ in range(60):
        y = y - (erf(y) - x) * np.sqrt(np.pi) / 2 * np.exp(y * y)
    return y


def digamma_at(x: float) -> float:
    """Up by the recurrence, then Stirling's series."""
    result = 0.0
    while x < 10:
        result -= 1 / x
        x += 1
    tail = 1 / (12 * x**2) - 1 / (120 * x**4) + 1 / (252 * x**6) - 1 / (240 * x**8) + 1 / (132 * x**10)
    return result + math.log(x) - 1 / (2 * x) - tail


digamma = np.vectorize(digamma_at, otypes=[float])


def polygamma(n: int, x: Array) -> Array:
    """Its series, the rest by the formula of Euler and Maclaurin."""
    head, s, a = sum((x + k) ** -(n + 1.0) for k in range(500)), n + 1.0, x + 500
    rest = a ** (1 - s) / (s - 1) + a**-s / 2 + s * a ** (-s - 1) / 12
    return (-1) ** (n + 1) * math.factorial(n) * (head + rest)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gelu(x: Array, approximate: str = "none") -> Array:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def softplus(x: Array, beta: float = 1, threshold: float = 20) -> Array:
    return np.where(x * beta > threshold, x, np.log1p(np.exp(np.minimum(x * beta, threshold))) / beta)


def clamp(x: Array, min: Any = None, max: Any = None) -> Array:
    x = x if min is None else np.maximum(x, min)
    return x if max is None else np.minimum(x, max)


def prelu(x: Array, weight: Array) -> Array:
    shape = [1] * x.ndim
    if weight.size > 1:
        shape[1] = weight.size
    return np.where(x > 0, x, x * weight.reshape(shape if x.ndim else ()))


def softmax(x: Array, dim: int) -> Array:
    power = np.exp(x - x.max(dim, keepdims=True))
    return power / power.sum(dim, keepdims=True)


def logsumexp(x: Array, dim: Dims, keepdim: bool = False) -> Array:
    return np.log(np.exp(x).sum(dim, keepdims=keepdim))


def axis(dim: Dims) -> Any:
    """PyTorch's list of dimensions as NumPy's; an empty one is all."""
    if isinstance(dim, (list, tuple)):
        return tuple(dim) or None
    return dim


def over(function: Any) -> Any:
    """A reduction of NumPy with PyTorch's arguments."""

    def reduce(x: Array, dim: Dims = None, keepdim: bool = False, **options: Any) -> Any:
        return function(x, axis=axis(dim), keepdims=keepdim, **options)

    return reduce


def variance(x: Array, dim: Dims = None, keepdim: bool = False, correction: float = 1) -> Array:
    return np.var(x, axis=axis(dim), keepdims=keepdim, ddof=correction)


def vector_norm(
    x: Array, ord: float = 2, dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Array:
    a = np.abs(x)
    where = {"axis": axis(dim), "keepdims": keepdim}
    if ord == 0:
        return (a != 0).sum(**where).astype(x.dtype)
    if math.isinf(ord):
        return a.max(**where) if ord > 0 else a.min(**where)
    return (a**ord).sum(**where) ** (1 / ord)


def extreme(largest: bool) -> Any:
    """Values and the first place of each, along one dimension."""

    def pick(x: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
        at = np.expand_dims((x.argmax if largest else x.argmin)(dim), dim)
        values = np.take_along_axis(x, at, dim)
        return (values, at) if keepdim else (values.squeeze(dim), at.squeeze(dim))

    return pick


def running(largest: bool) -> Any:
    """Running extremes and the latest place of each."""

    def scan(x: Array, dim: int) -> tuple[Array, Array]:
        values = (np.maximum if largest else np.minimum).accumulate(x, dim)
        places = np.arange(x.shape[dim]).reshape([-1 if d == dim % x.ndim else 1 for d in range(x.ndim)])
        return values, np.maximum.accumulate(np.where(x == values, places, 0), dim)

    return scan


def sort(x: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> tuple[Array, Array]:
    order = np.argsort(-x if descending else x, dim, kind="stable")
    return np.take_along_axis(x, order, dim), order


def topk(x: Array, k: int, dim: int = -1, largest: bool = True) -> tuple[Array, Array]:
    values, order = sort(x, dim, largest)
    part = [slice(None)] * x.ndim
    part[dim] = slice(k)
    return values[tuple(part)], order[tuple(part)]


def logcumsumexp(x: Array, dim: int) -> Array:
    return np.log(np.cumsum(np.exp(x), dim))


def nll_loss(
    logp: Array, target: Array, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Array:
    """logp (n, c, ...), target (n, ...)."""
    moved = np.moveaxis(logp, 1, -1).reshape(-1, logp.shape[1])
    flat = target.reshape(-1)
    keep = flat != ignore_index
    chosen = np.where(keep, flat, 0)
    scale = np.where(keep, 1.0 if weight is None else weight[chosen], 0)
    losses = -moved[np.arange(flat.size), chosen] * scale
    if reduction == "none":
        return losses.reshape(target.shape)
    return losses.sum() if reduction == "sum" else losses.sum() / scale.sum()


def cross_entropy(
    x: Array,
    target: Array,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """With smoothing, the mean divides by the weights of the targets all the same."""
    logp = np.log(softmax(x, 1))
    own = nll_loss(logp, target, weight, ignore_index, reduction)
    w = np.ones(x.shape[1]) if weight is None else weight
    keep = target != ignore_index
    even = -(np.moveaxis(logp, 1, -1) @ w) * keep / x.shape[1]
    if reduction != "none":
        even = even.sum() / (w[target[keep]].sum() if reduction == "mean" else 1)
    return (1 - label_smoothing) * own + label_smoothing * even


def scatter(x: Array, dim: int, index: Array, src: Any, reduce: str | None = None) -> Array:
    y, values = x.copy(), np.broadcast_to(src, index.shape) if np.isscalar(src) else src
    for at in np.ndindex(index.shape):
        to = list(at)
        to[dim] = index[at]
        place = tuple(to)
        if reduce is None:
            y[place] = values[at]
        elif reduce in ("add", "sum"):
            y[place] += values[at]
        elif reduce in ("multiply", "prod"):
            y[place] *= values[at]
        else:
            y[place] = (max if reduce == "amax" else min)(y[place], values[at])
    return y


def index_add(x: Array, dim: int, index: Array, source: Array, alpha: float = 1) -> Array:
    y = np.moveaxis(x.copy(), dim, 0)
    for i, at in enumerate(index):
        y[at] += alpha * np.moveaxis(source, dim, 0)[i]
    return np.moveaxis(y, 0, dim)


def unfold(x: Array, dim: int, size: int, step: int) -> Array:
    starts = range(0, x.shape[dim] - size + 1, step)
    parts = [np.moveaxis(np.take(x, range(s, s + size), dim), dim, -1) for s in starts]
    return np.stack(parts, dim)


def put(x: Array, indices: tuple[Any, ...], values: Array, accumulate: bool = False) -> Array:
    y, key = x.copy(), tuple(slice(None) if i is None else i for i in indices)
    if accumulate:
        np.add.at(y, key, values)
    else:
        y[key] = values
    return y


# ---- images: x (n, c, h, w) or (c, h, w)


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)  # type: ignore[return-value]


def windows(
    x: Array, kernel: Any, stride: Any, padding: Any, dilation: Any, fill: float, ceil: bool = False
) -> Array:
    """(n, c, oh, ow, kh, kw): what each output sees."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = pair(kernel), pair(stride), pair(padding), pair(dilation)
    sizes = []
    for size, k, s, p, d in zip(x.shape[2:], (kh, kw), (sh, sw), (ph, pw), (dh, dw), strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil else room // s) + 1
        if ceil and (count - 1) * s >= size + p:
            count -= 1
        sizes.append(count)
    padded = np.pad(
        x, [(0, 0), (0, 0), (ph, ph + kh * dh + sh), (pw, pw + kw * dw + sw)], constant_values=fill
    )
    out = np.empty((*x.shape[:2], *sizes, kh, kw))
    for i, j, a, b in np.ndindex(*sizes, kh, kw):
        out[:, :, i, j, a, b] = padded[:, :, i * sh + a * dh, j * sw + b * dw]
    return out


def conv2d(
    x: Array,
    weight: Array,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    if x.ndim == 3:
        return conv2d(x[None], weight, bias, stride, padding, dilation, groups)[0]
    seen = windows(x, weight.shape[2:], stride, padding, dilation, 0)
    share_in, share_out = x.shape[1] // groups, weight.shape[0] // groups
    parts = [
        np.einsum(
            "ncijab,ocab->noij",
            seen[:, g * share_in : (g + 1) * share_in],
            weight[g * share_out : (g + 1) * share_out],
        )
        for g in range(groups)
    ]
    y = np.concatenate(parts, 1)
    return y if bias is None else y + bias[:, None, None]


def max_pool2d(
    x: Array, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Array, Array]:
    """Values, and their places in the plane (h * w)."""
    steps = stride or kernel
    seen = windows(x, kernel, steps, padding, dilation, -np.inf, ceil_mode)
    plane = np.arange(x.shape[2] * x.shape[3], dtype=float).reshape(1, 1, *x.shape[2:])
    places = windows(np.broadcast_to(plane, x.shape), kernel, steps, padding, dilation, -1, ceil_mode)
    flat = seen.reshape(*seen.shape[:4], -1)
    at = flat.argmax(-1)[..., None]
    where = np.take_along_axis(places.reshape(flat.shape), at, -1)[..., 0]
    return np.take_along_axis(flat, at, -1)[..., 0], where.astype(np.int64)


def avg_pool2d(
    x: Array,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    steps = stride or kernel
    total = windows(x, kernel, steps, padding, 1, 0, ceil_mode).sum((-1, -2))
    if divisor_override:
        return total / divisor_override
    inside = np.ones_like(x)
    if count_include_pad:  # padding counts, what ceil_mode adds behind it does not
        p = pair(padding)
        inside = np.pad(inside, [(0, 0), (0, 0), (p[0],) * 2, (p[1],) * 2], constant_values=1)
        padding = 0
    count = windows(inside, kernel, steps, padding, 1, 0, ceil_mode).sum((-1, -2))
    return total / count[..., : total.shape[2], : total.shape[3]]


# ---- normalisation


def layer_norm(x: Array, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Array:
    dims = tuple(range(x.ndim - len(shape), x.ndim))
    y = (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def scaled_dot_product_attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    scale: float | None = None,
    grouped: bool = False,
) -> Array:
    assert dropout == 0.0
    if grouped:
        k, v = (x.repeat(q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    if mask is not None:
        scores = scores + (np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask)
    top = scores.max(-1, keepdims=True)
    powers = np.exp(scores - np.where(np.isinf(top), 0.0, top))
    return powers / np.maximum(powers.sum(-1, keepdims=True), 1e-300) @ v


def rms_norm(x: Array, shape: Any, weight: Any = None, eps: float = 1e-6) -> Array:
    dims = tuple(range(x.ndim - len(shape), x.ndim))
    y = x / np.sqrt((x * x).mean(dims, keepdims=True) + eps)
    return y if weight is None else y * weight


def per_channel(values: Array, ndim: int) -> Array:
    return values.reshape([-1 if d == 1 else 1 for d in range(ndim)])


def group_norm(x: Array, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Array:
    apart = x.reshape(x.shape[0], groups, -1)
    y = (apart - apart.mean(-1, keepdims=True)) / np.sqrt(apart.var(-1, keepdims=True) + eps)
    y = y.reshape(x.shape)
    y = y if weight is None else y * per_channel(weight, x.ndim)
    return y if bias is None else y + per_channel(bias, x.ndim)


def batch_norm(
    x: Array, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float
) -> Array:
    dims = tuple(d for d in range(x.ndim) if d != 1)
    if training:
        mean, var = x.mean(dims), x.var(dims)
    y = (x - per_channel(mean, x.ndim)) / np.sqrt(per_channel(var, x.ndim) + eps)
    y = y if weight is None else y * per_channel(weight, x.ndim)
    return y if bias is None else y + per_channel(bias, x.ndim)


def interpolate(x: Array, mode: str, size: Any, steps: Any, align_corners: bool = False) -> Array:
    for axis, count, step in zip(range(-len(size), 0), size, steps, strict=True):
        old, i = x.shape[axis], np.arange(count)
        if mode == "mean":
            edges = zip(i * old // count, -(-(i + 1) * old // count), strict=True)
            parts = [x.take(np.arange(low, high), axis).mean(axis) for low, high in edges]
            x = np.stack(parts, axis)
        elif mode == "linear":
            places = i * step if align_corners else (i + 0.5) * step - 0.5
            low = np.clip(np.floor(places), 0, old - 1).astype(int)
            share = np.clip(places, 0, old - 1) - low
            share = share.reshape(-1, *[1] * (-1 - axis))
            x = x.take(low, axis) * (1 - share) + x.take(np.minimum(low + 1, old - 1), axis) * share
        else:
            half = 0.5 if mode == "nearest-exact" else 0.0
            x = x.take(np.minimum(np.floor((i + half) * step), old - 1).astype(int), axis)
    return x


def pad_from_inside(x: Array, mode: str, before: Any, after: Any) -> Array:
    widths = [(0, 0)] * (x.ndim - len(before)) + list(zip(before, after, strict=True))
    return np.pad(x, widths, {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])
