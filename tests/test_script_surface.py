"""What scripts ask for around their mathematics: devices that are not here, processes, paths of modules."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina import nn


def test_what_a_script_asks_of_cuda() -> None:
    cuda = lamina.cuda
    assert not cuda.is_bf16_supported() and lamina.version.cuda is None
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == 0
    for word in ("synchronize", "get_device_name", "set_device", "current_device"):
        with pytest.raises(AssertionError, match=f"{word}: lamina has no CUDA"):
            getattr(cuda, word)(0)


def test_data_parallel_is_the_module_with_pytorchs_names() -> None:
    net = nn.Linear(3, 2)
    wrapped = nn.DataParallel(net)
    x = lamina.ones(4, 3)
    np.testing.assert_array_equal(wrapped(x).detach().numpy(), net(x).detach().numpy())
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"] and wrapped.module is net
    y = nn.parallel.data_parallel(net, x)
    np.testing.assert_array_equal(y.detach().numpy(), net(x).detach().numpy())
    with pytest.raises(RuntimeError, match="no devices"):
        nn.DataParallel(net, device_ids=[0, 1])
    with pytest.raises(RuntimeError, match="one process"):
        nn.parallel.DistributedDataParallel(net)


def test_there_is_one_process() -> None:
    distributed = importlib.import_module("lamina.distributed")
    assert not distributed.is_available() and not distributed.is_initialized()
    with pytest.raises(RuntimeError, match="one process"):
        distributed.init_process_group("gloo")
    for word in ("get_rank", "get_world_size", "barrier", "destroy_process_group"):
        with pytest.raises(ValueError, match=word):
            getattr(distributed, word)()


@pytest.mark.parametrize("shuffle", [False, True])
def test_distributed_sampler_parts_cover_the_data_evenly(shuffle: bool) -> None:
    data = lamina.utils.data
    parts = [data.DistributedSampler(range(10), 4, rank, shuffle, seed=3) for rank in range(4)]
    read = [list(part) for part in parts]
    assert {len(part) for part in read} == {3} and {i for part in read for i in part} == set(range(10))
    if shuffle:
        parts[0].set_epoch(1)
        assert list(parts[0]) != read[0]
    cut = [list(data.DistributedSampler(range(10), 4, rank, shuffle, drop_last=True)) for rank in range(4)]
    assert [len(part) for part in cut] == [2] * 4 and len({i for part in cut for i in part}) == 8
    with pytest.raises(RuntimeError, match="num_replicas"):
        data.DistributedSampler(range(3))
    with pytest.raises(ValueError, match="rank 2"):
        data.DistributedSampler(range(3), 2, 2)


def test_scaled_dot_product_attention_may_be_told_its_way() -> None:
    from lamina.nn.attention import SDPBackend, sdpa_kernel

    x = lamina.ones(1, 2, 3, 4)
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        assert nn.functional.scaled_dot_product_attention(x, x, x).shape == (1, 2, 3, 4)
    with pytest.raises(RuntimeError, match="no available kernel"), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        pass


def test_switches_of_libraries_that_are_not_here() -> None:
    cudnn = importlib.import_module("lamina.backends.cudnn")
    cudnn.benchmark = True
    assert lamina.backends.cudnn.benchmark and not cudnn.is_available() and cudnn.version() is None
    lamina.backends.cuda.matmul.allow_tf32 = True
    for word in ("mps", "mkl", "mkldnn", "openmp"):
        assert not getattr(lamina.backends, word).is_available()
    assert lamina.backends.cpu.get_cpu_capability() in ("SCALAR", "AVX2", "AVX512", "NEON")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("lamina.utils.data.dataloader", "DataLoader"),
        ("lamina.utils.data.dataset", "Dataset"),
        ("lamina.utils.data.sampler", "Sampler"),
        ("lamina.utils.data.distributed", "DistributedSampler"),
        ("lamina.nn.modules", "Linear"),
        ("lamina.utils.model_zoo", "load_url"),
        ("lamina.nn.modules.module", "Module"),
        ("lamina.nn.modules.loss", "CrossEntropyLoss"),
        ("lamina.nn.modules.loss", "TripletMarginLoss"),
        ("lamina.nn.modules.conv", "ConvTranspose2d"),
        ("lamina.nn.modules.rnn", "LSTMCell"),
        ("lamina.nn.modules.upsampling", "Upsample"),
        ("lamina.nn.modules.activation", "MultiheadAttention"),
        ("lamina.nn.modules.linear", "LazyLinear"),
        ("lamina.nn.parallel", "DistributedDataParallel"),
        ("lamina.nn.parameter", "Parameter"),
        ("lamina.cuda.amp", "autocast"),
        ("lamina.distributions.normal", "Normal"),
    ],
)
def test_pytorchs_paths_lead_to_the_names(path: str, name: str) -> None:
    found = getattr(importlib.import_module(path), name)
    short = path.split(".modules")[0] if ".modules" in path else path.rsplit(".", 1)[0]
    assert getattr(importlib.import_module(short), name, found) is found
    with pytest.raises(AttributeError):
        _ = nn.modules.NoSuchLayer


def test_curves_for_tensorboard(tmp_path) -> None:
    pytest.importorskip("tensorboardX")
    from lamina.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", lamina.tensor(0.5, requires_grad=True), 1)
        writer.add_histogram("weights", lamina.randn(10), 1)
    assert any(path.stat().st_size > 50 for path in tmp_path.iterdir())


def test_processes_run_a_function_each() -> None:
    import math

    mp = importlib.import_module("lamina.multiprocessing")
    assert mp.Process is importlib.import_module("multiprocessing").Process
    assert mp.spawn(math.isqrt, nprocs=2) is None
    with pytest.raises(RuntimeError, match="exit code 1"):
        mp.spawn(math.factorial, args=(1, 2), nprocs=1)


def test_every_layer_is_found_under_pytorchs_path() -> None:
    torch = pytest.importorskip("torch")
    for name, item in vars(torch.nn).items():
        if isinstance(item, type) and item.__module__.startswith("torch.nn.modules") and hasattr(nn, name):
            module = importlib.import_module("lamina" + item.__module__.removeprefix("torch"))
            assert getattr(module, name) is getattr(nn, name), name


def test_nothing_moves_to_a_gpu() -> None:
    for thing in (lamina.ones(2), nn.Linear(2, 2)):
        with pytest.raises(RuntimeError, match="no device cuda"):
            thing.cuda()
    assert nn.ReLU().cuda().__class__ is nn.ReLU and not issubclass(MemoryError, lamina.cuda.OutOfMemoryError)


def test_the_version_is_an_interface_and_a_release() -> None:
    version = pytest.importorskip("packaging.version")
    said = version.parse(lamina.__version__)
    assert said >= version.parse("2.0") and said.local == f"lamina.{lamina.version.lamina}"
    assert lamina.__version__ > "2.4" and lamina.__version__ >= (2, 0) and not lamina.__version__ < "1.13.1"
    assert lamina.__version__ <= "3" and [int(part) for part in lamina.__version__.split(".")[:2]] == [2, 13]


def test_views_have_one_storage() -> None:
    x = lamina.arange(6, dtype=lamina.int16).reshape(2, 3)
    bytes_, elements = x[1].untyped_storage(), x[1, 1:].storage()
    assert bytes_.data_ptr() == x.data_ptr() == elements.data_ptr() != x[1].data_ptr()
    assert (bytes_.nbytes(), len(bytes_), elements.nbytes(), elements.size()) == (12, 12, 12, 6)
    assert list(elements) == elements.tolist() == [0, 1, 2, 3, 4, 5] and elements[-1] == 5
    assert bytes(bytes_.tolist()) == np.arange(6, dtype=np.int16).tobytes()
    assert elements == x.storage() and elements != x.clone().storage()


def test_nothing_is_traced_or_cut_over_processes() -> None:
    fsdp = importlib.import_module("lamina.distributed.fsdp")
    assert not isinstance(lamina.ones(1), lamina.fx.Proxy)
    with pytest.raises(RuntimeError, match="tracer"):
        lamina.fx.Proxy()
    with pytest.raises(RuntimeError, match="one process"):
        fsdp.FullyShardedDataParallel(nn.ReLU())
    optim = importlib.import_module("lamina.distributed.optim")
    with pytest.raises(RuntimeError, match="one process"):
        optim.ZeroRedundancyOptimizer([lamina.ones(1)], lamina.optim.SGD)
    assert not lamina._dynamo.is_compiling() and lamina._dynamo.config.__doc__
    assert not hasattr(importlib.import_module("lamina._inductor.config"), "coordinate_descent_tuning")


def test_a_class_of_ones_own_is_a_nest_when_registered() -> None:
    class Output(dict):
        pass

    pytree = importlib.import_module("lamina.utils._pytree")
    pytree.register_pytree_node(
        Output, lambda o: (list(o.values()), list(o)), lambda v, k: Output(zip(k, v, strict=True))
    )
    leaves, form = pytree.tree_flatten([Output(a=1, b=(2, 3)), 4])
    assert leaves == [1, 2, 3, 4]
    back = pytree.tree_unflatten([5, 6, 7, 8], form)
    assert back == [{"a": 5, "b": (6, 7)}, 8] and type(back[0]) is Output
    assert pytree.tree_flatten(back)[1] == form
    with pytest.raises(ValueError, match="already"):
        pytree.register_pytree_node(Output, list, Output)


def test_layers_of_vision_under_their_paths() -> None:
    ops = lamina.vision.ops
    boxes, misc = (importlib.import_module(f"lamina.vision.ops.{word}") for word in ("boxes", "misc"))
    assert boxes.nms is ops.nms and boxes.box_area is ops.box_area
    assert misc.FrozenBatchNorm2d is ops.FrozenBatchNorm2d and misc.SqueezeExcitation is ops.SqueezeExcitation
    assert misc.Conv2dNormActivation is ops.Conv2dNormActivation


def test_networks_of_vision_under_torchvisions_paths() -> None:
    script = (
        "from lamina.vision.models.resnet import ResNet\nimport lamina.vision.models as models, lamina\n"
        "assert ResNet is lamina.models.vision.resnet.ResNet and models is lamina.models.vision\n"
        "assert lamina.vision.models is models\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_layers_of_vgg_from_a_list() -> None:
    made = importlib.import_module("lamina.models.vision.vgg").make_layers([8, "M", 16], batch_norm=True)
    kinds = "Conv2d BatchNorm2d ReLU MaxPool2d Conv2d BatchNorm2d ReLU".split()
    assert [type(layer).__name__ for layer in made] == kinds
    assert made(lamina.ones(1, 3, 4, 4)).shape == (1, 16, 2, 2)


def test_ways_of_attention_under_their_older_name() -> None:
    kernel = importlib.import_module("lamina.backends.cuda").sdp_kernel
    with kernel(enable_math=False, enable_mem_efficient=False):
        assert nn.functional.scaled_dot_product_attention(*[lamina.ones(1, 2, 3)] * 3).shape == (1, 2, 3)
    with pytest.raises(RuntimeError, match="no available kernel"), kernel(False, False, True, True):
        pass
