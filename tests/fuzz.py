"""Feeds a reader of files with what atheris makes of good ones; anything but FileFormatError is a find.

python tests/fuzz.py READER [options of libFuzzer, such as -max_total_time=60]

Readers: safetensors, zip, stream, pickle, gguf, npy, npz, onnx. Needs ``pip install atheris``. The bytes of a
find go into FINDS of test_io_fuzz.py, which also feeds every reader without atheris.
"""

from __future__ import annotations

import io
import pickle
import sys
import tempfile
from argparse import Namespace
from collections import defaultdict
from importlib import import_module
from pathlib import Path, PurePosixPath

READERS = ("safetensors", "zip", "stream", "pickle", "gguf", "npy", "npz", "onnx")
LIMIT = 1 << 16  # bytes of an input


def good_files(reader: str) -> list[bytes]:
    """Small files that the reader takes, of as many kinds as it has."""
    import numpy as np

    import lamina
    import source_gguf as gguf
    import source_torch as torch
    from lamina.io import checkpoint, safetensors

    mixed = {"a": {"w": lamina.zeros(3, 4), "b": lamina.ones(5).to(lamina.bool)}, "n": [1, (2.5,), "é"]}
    if reader == "safetensors":
        return [safetensors.save(mixed["a"]), b"".join(checkpoint.serialize(mixed))]
    if reader in ("zip", "stream", "pickle"):
        bodies = [torch.X, torch.name("os", "system") + b")R"]
        if reader == "zip":
            file = io.BytesIO()
            lamina.save(
                {**mixed, "p": lamina.nn.Parameter(lamina.ones(2)), "s": {1}, "d": lamina.int64}, file
            )
            packed = [torch.zip_of(body, compression=method) for body in bodies for method in (0, 8)]
            return [file.getvalue(), *packed, torch.zip_of(torch.X, more=[("archive/code/x.py", b"")])]
        if reader == "stream":
            return [torch.stream_of(body) for body in bodies]
        plain = {"a": [1.5, -(2**70)], "b": (None, {1, 2}, b"x", "\u00e9")}
        more = [Namespace(lr=0.1, out=PurePosixPath("/a"), n=np.arange(6.0).reshape(2, 3)), defaultdict(list)]
        return [pickle.dumps(obj, protocol) for protocol in (2, 3, 4, 5) for obj in (plain, more)]
    if reader == "gguf":
        rng = np.random.default_rng(0)
        values = [gguf.metadata("a", 8, gguf.string("text")), gguf.metadata("b", 4, b"\1\0\0\0")]
        return [
            gguf.file_of(values, [gguf.info("w", (2, numbers), kind, 0)], gguf.blocks(name, 2, rng).tobytes())
            for name, (kind, _, numbers, _, _) in gguf.BLOCKS.items()
        ]
    if reader == "onnx":
        from onnx import helper, numpy_helper

        import source_onnx as onnx

        weights = [numpy_helper.from_array(onnx.f(4, 3), "w"), numpy_helper.from_array(onnx.i(1, 2), "n")]
        weights[1].data_location = weights[1].EXTERNAL
        weights[1].external_data.add(key="location", value="beside.bin")
        inner = helper.make_graph([helper.make_node("Neg", ["x"], ["t"])], "inner", [], [onnx.out("t")])
        nodes = [
            helper.make_node("Gemm", ["x", "w"], ["h"], alpha=0.5, transB=1),
            helper.make_node("If", ["go"], ["y"], then_branch=inner, else_branch=inner),
        ]
        inputs = {"x": onnx.X[0], "go": np.array(True)}
        return [
            onnx.model_of(nodes[:1], inputs, ["h"], 15, weights[:1]).SerializeToString(),
            onnx.model_of(nodes, inputs, ["y"], 15, weights).SerializeToString(),
        ]
    files = []
    for array in (np.arange(6.0).reshape(2, 3), np.array(True), np.zeros((0, 3), ">i4"), np.ones((2, 2)).T):
        file = io.BytesIO()
        np.save(file, array) if reader == "npy" else np.savez_compressed(file, x=array, y=array)
        files.append(file.getvalue())
    return files


def feed(reader: str, data: bytes) -> bool:
    """Whether the reader took ``data``; raises what it raises besides errors about the file."""
    import lamina

    file = io.BytesIO(data)
    try:
        if reader == "gguf":
            for tensor in lamina.io.load_gguf(file, dequantize=False)[1].values():
                repr(tensor)
            file.seek(0)
        if reader == "onnx":
            lamina.onnx.load(file)
        else:
            repr(lamina.load(file))
    except lamina.FileFormatError:
        return False
    except NotImplementedError:
        if reader != "onnx":
            raise
        return False
    return True


def main() -> None:
    import atheris

    reader, *options = sys.argv[1:] or ["--help"]
    if reader not in READERS:
        raise SystemExit(__doc__)
    with atheris.instrument_imports(include=["lamina.io", "lamina.onnx"]):
        for module in ("io", "io.archive", "io.numpy_file", "io.torch_file", "onnx"):
            import_module(f"lamina.{module}")
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(good_files(reader)):
            (Path(corpus) / str(number)).write_bytes(data)
        atheris.Setup(
            [sys.argv[0], f"-max_len={LIMIT}", "-timeout=5", "-rss_limit_mb=2048", *options, corpus],
            lambda data: feed(reader, data),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
