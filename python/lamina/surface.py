"""The tables that put functions on Tensor, and the core's functions and dtypes into the package."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from lamina import (
    _core,
    argument,
    calculus,
    combination,
    elementwise,
    in_place,
    indexing,
    matrix,
    order_statistic,
    partition,
    parts,
    query,
    random,
    reduction,
    search,
    shape,
    tensor_method,
)
from lamina._core import Generator, Tensor
from lamina.device_type import CPU
from lamina.dtype_info import ALIASES, TYPES

# Functions whose first argument is the tensor, as methods.
METHODS: dict[Any, str] = {
    shape: "broadcast_to flatten fliplr flipud moveaxis movedim ravel repeat repeat_interleave roll rot90 "
    "tile unflatten",
    partition: "chunk dsplit hsplit split tensor_split unsafe_chunk unsafe_split "
    "unsafe_split_with_sizes vsplit",
    indexing: "argwhere diagonal_scatter index_copy index_fill masked_scatter nonzero put scatter_reduce "
    "select_scatter slice_scatter take take_along_dim",
    elementwise: "allclose clamp_max clamp_min deg2rad equal heaviside isclose isreal ldexp logit "
    "nan_to_num positive rad2deg",
    calculus: "diff",
    reduction: "aminmax corrcoef cov dist nanmean nansum norm",
    order_statistic: "kthvalue median mode msort nanmedian nanquantile quantile",
    search: "bincount histc unique unique_consecutive",
    combination: "diag diag_embed diagflat",
    matrix: "addbmm addmv addr bmm cross dot ger inner kron mm mv outer trace vdot",
    random: "bernoulli multinomial",
    query: "get_device is_nonzero is_same_size is_signed",
}
# Those of them that also write over the tensor.
IN_PLACE: dict[Any, str] = {
    indexing: "index_copy index_fill masked_scatter put scatter_reduce",
    elementwise: "clamp_max clamp_min deg2rad heaviside ldexp logit nan_to_num rad2deg",
    matrix: "addbmm addmv addr",
    _core: "addmm baddbmm",
}
VIEWS_IN_PLACE = "as_strided squeeze swapaxes swapdims t transpose unsqueeze"
# Functions of lamina whose module is loaded when they are first asked for.
LATER: dict[str, str] = {
    "amp": "GradScaler autocast",
    "amp.autocast_mode": "clear_autocast_cache get_autocast_cpu_dtype get_autocast_dtype "
    "get_autocast_gpu_dtype is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled "
    "set_autocast_cache_enabled set_autocast_dtype set_autocast_enabled",
    "autograd.anomaly": "is_anomaly_check_nan_enabled is_anomaly_enabled",
    "fft.short_time": "istft stft",
    "func": "vmap",
    "binning": "histogram histogramdd",
    "io": "load save",
    "linalg.classic": "cholesky cholesky_inverse cholesky_solve det geqrf inverse logdet lu lu_solve "
    "lu_unpack matrix_exp matrix_power orgqr ormqr pca_lowrank pinverse qr slogdet svd svd_lowrank "
    "triangular_solve",
    "nn.functional": "adaptive_avg_pool1d avg_pool1d bilinear channel_shuffle conv1d conv3d "
    "conv_transpose1d conv_transpose3d cosine_similarity max_pool1d max_pool2d max_pool3d pairwise_distance "
    "pixel_shuffle pixel_unshuffle rrelu rrelu_ threshold_",
    "native": "adaptive_max_pool1d affine_grid_generator alpha_dropout alpha_dropout_ dropout_ "
    "feature_alpha_dropout feature_alpha_dropout_ feature_dropout feature_dropout_ grid_sampler "
    "grid_sampler_2d grid_sampler_3d max_pool1d_with_indices native_batch_norm native_dropout "
    "native_group_norm native_layer_norm norm_except_dim",
    "number": "adjoint frexp gcd lcm unravel_index",
    "printing": "set_printoptions",
    "rewriting": "as_strided_scatter constant_pad_nd fill index_reduce nonzero_static renorm",
    "signal.windows": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
    "special": "i0",
    "special.gamma": "igamma igammac mvlgamma",
    "copied_view": "alias_copy as_strided_copy detach_copy diagonal_copy expand_copy narrow_copy "
    "permute_copy select_copy slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy transpose_copy "
    "unbind_copy unfold_copy unsqueeze_copy view_copy",
}
WHERE = {name: module for module, names in LATER.items() for name in names.split()}
# Those of them that are methods too, and other methods whose module is loaded by the first call.
METHODS_LATER = (
    "adjoint as_strided_scatter cholesky cholesky_inverse cholesky_solve det frexp "
    "gcd geqrf histogram i0 igamma igammac index_reduce inverse istft lcm logdet lu lu_solve "
    "matrix_exp matrix_power mvlgamma narrow_copy nonzero_static orgqr ormqr pinverse qr renorm "
    "slogdet stft svd triangular_solve"
)
IN_PLACE_LATER = "gcd i0 igamma igammac index_reduce lcm mvlgamma renorm"
# Methods that are functions of lamina too.
FUNCTIONS = (
    "addmv_ as_strided_ clamp_max_ clamp_min_ deg2rad_ detach detach_ gcd_ i0_ index_put_ "
    "lcm_ ldexp_ logit_ nan_to_num_ rad2deg_ resize_as_ round_ xlogy_"
)
MEMORY = "is_pinned is_shared new_empty_strided resize_ resize_as_ share_memory_"
EXTRAS: tuple[tuple[type, str, Any], ...] = (
    (Tensor, "fill_diagonal_", in_place.fill_diagonal_),
    (Generator, "get_state", random.get_state),
    (Generator, "set_state", random.set_state),
    (Generator, "device", property(lambda self: CPU)),
)
# Names of the core that are not PyTorch's, or whose form there is another one, written in Python.
HIDDEN = frozenset(
    "interpolate pad_from_inside "
    "HookHandle Node set_size_type slice to vector_norm nll_loss cross_entropy linear gelu silu silu_ mish "
    "mish_ relu6 relu6_ softsign hardsigmoid hardsigmoid_ hardswish hardswish_ tanhshrink logsigmoid "
    "leaky_relu leaky_relu_ elu elu_ softplus hardtanh hardtanh_ threshold_ softshrink avg_pool2d "
    "max_pool2d from_buffer to_bytes backward grad_enabled set_grad_enabled inference_mode "
    "set_inference_mode record_function num_threads use_isa isa isas sgd_step adam_step rmsprop_step "
    "adagrad_step anomaly set_anomaly autocast_mode set_autocast_mode push_saved_tensors_hooks "
    "pop_saved_tensors_hooks walking_for_inputs recurrent quantized_linear scaled_dot_product_attention "
    "Decoder current_generator use_generator".split()
)


def _later(module: str, name: str) -> Callable[..., Any]:
    """A function that stands for another, whose module is loaded by the first call."""

    def call(*args: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*args, **options)

    call.__name__ = name
    call.__doc__ = f"``{module}.{name}``."
    return argument.takes_tensors(call, Tensor.__module__)


def _inherit() -> None:
    """Give Tensor what is written in Python."""
    for module, names in METHODS.items():
        for name in names.split():
            setattr(Tensor, name, argument.offered(getattr(module, name), Tensor.__module__))
    for module, names in IN_PLACE.items():
        for name in names.split():
            setattr(Tensor, f"{name}_", in_place.in_place(getattr(module, name)))
    for name in VIEWS_IN_PLACE.split():
        setattr(Tensor, f"{name}_", in_place.reshaped_in_place(getattr(Tensor, name)))
    for name in METHODS_LATER.split():
        setattr(Tensor, name, _later(f"lamina.{WHERE[name]}", name))
    for name in IN_PLACE_LATER.split():
        setattr(Tensor, f"{name}_", in_place.in_place(_later(f"lamina.{WHERE[name]}", name)))
    for name in MEMORY.split():
        setattr(Tensor, name, _later("lamina.tensor_memory", name))
    for name in ("storage", "untyped_storage"):
        setattr(Tensor, name, _later("lamina.storage", name))
    for method in tensor_method.METHODS:
        setattr(Tensor, method.__name__, method)
    for name, target in tensor_method.CONVERSIONS.items():
        setattr(Tensor, name, tensor_method.conversion(name, target))
    for name, made in tensor_method.NEW.items():
        setattr(Tensor, name, made)
    for name, getter in tensor_method.PROPERTIES.items():
        setattr(Tensor, name, property(getter))
    for name, part in parts.PARTS.items():
        setattr(Tensor, name, property(part, parts.setter(name)))
    for kind, name, value in EXTRAS:
        setattr(kind, name, value)


def public() -> dict[str, Any]:
    """The names of the package that are not written out in ``__init__``."""
    _inherit()
    core = {
        name: getattr(_core, name) for name in dir(_core) if not name.startswith("_") and name not in HIDDEN
    }
    methods = {name: getattr(Tensor, name) for name in FUNCTIONS.split()}
    return {**core, **methods, **ALIASES, **TYPES}
