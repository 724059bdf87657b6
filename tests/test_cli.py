"""The command line: help, exit codes, and ``lamina info`` on files of every kind, sound and broken."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina.cli import COMMANDS, main
from source_gguf import file_of, info, metadata, string
from source_torch import X, name, zip_of


def said(capsys, *arguments):
    """The exit code, and what went to standard output and to standard error."""
    code = main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return code, out, error


def test_help_and_misuse(capsys):
    code, out, _ = said(capsys, "--help")
    assert code == 0 and all(command in out and what in out for command, what in COMMANDS.items())
    assert said(capsys, "--version")[:2] == (0, f"lamina {lamina.version.lamina}\n")
    assert said(capsys)[0] == 2
    code, out, error = said(capsys, "nonsense")
    assert code == 2 and "invalid choice: 'nonsense'" in error and out == ""
    assert said(capsys, "info")[0] == 2 and said(capsys, "info", "--nonsense", "x")[0] == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(capsys, command):
    code, out, _ = said(capsys, command, "--help")
    assert code == 0 and f"examples:\n  lamina {command} " in out


def test_as_a_program(tmp_path):
    lamina.save({"w": lamina.ones(2, 3)}, tmp_path / "f.safetensors")
    run = [sys.executable, "-m", "lamina", "info"]
    done = subprocess.run([*run, tmp_path / "f.safetensors"], capture_output=True, text=True, check=True)
    assert "1 tensors, 6 values (6 float32), 24 bytes" in done.stdout and done.stderr == ""
    done = subprocess.run([*run, tmp_path / "missing"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "No such file" in done.stderr and "Traceback" not in done.stderr


def test_info_on_every_format(tmp_path, capsys):
    state = {"layer.weight": lamina.ones(2, 3).to(lamina.bfloat16), "layer.bias": lamina.tensor(1.0)}
    lamina.save(state, tmp_path / "a.safetensors")
    lamina.save({"model": state, "epoch": 3, "lr": [0.1, 0.2]}, tmp_path / "b.pt")
    np.savez(tmp_path / "c.npz", w=np.zeros((4, 5)))
    np.save(tmp_path / "d.npy", np.zeros((7,), np.int64))
    values = [metadata("general.name", 8, string("toy"))]
    (tmp_path / "e.gguf").write_bytes(file_of(values, [info("w", (2, 32), 8, 0)], bytes(68)))
    expected = {
        "a.safetensors": ["safetensors", "layer.weight  bfloat16  2 x 3", "layer.bias    float32   scalar"],
        "b.pt": [
            "PyTorch (zip)",
            "epoch = 3",
            "lr = list of 2: 0.1, 0.2",
            "model.layer.weight  bfloat16  2 x 3",
        ],
        "c.npz": ["npz", "w  float64   4 x 5", "1 tensors, 20 values (20 float64), 160 bytes"],
        "d.npy": ["npy", "int64     7"],
        "e.gguf": ["GGUF", "general.name = 'toy'", "w  Q8_0      2 x 32", "64 values (64 Q8_0), 68 bytes"],
    }
    for file, parts in expected.items():
        code, out, error = said(capsys, "info", tmp_path / file)
        assert code == 0 and error == ""
        for part in parts:
            assert part in out, (file, part, out)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text('{"model_type": "toy"}')
    (tmp_path / "a.safetensors").rename(tmp_path / "folder" / "model.safetensors")
    code, out, _ = said(capsys, "info", tmp_path / "folder")
    assert code == 0 and "model_type = 'toy'" in out and "2 tensors" in out


def test_info_goes_on_with_the_next_file(tmp_path, capsys):
    lamina.save({"w": lamina.ones(2)}, tmp_path / "good.pt")
    (tmp_path / "bad.pt").write_bytes(zip_of(name("os", "system") + b")R"))
    code, out, error = said(capsys, "info", tmp_path / "bad.pt", tmp_path / "good.pt")
    assert code == 1 and "the global 'os.system' is refused" in out and "1 tensors, 2 values" in out
    code, out, error = said(capsys, "info", tmp_path / "bad.pt")
    assert code == 1 and out == "" and "the global 'os.system' is refused" in error


def test_long_lists_are_cut_and_all_shows_them(tmp_path, capsys):
    lamina.save({f"w{n}": lamina.zeros(1) for n in range(100)}, tmp_path / "f.pt")
    _, out, _ = said(capsys, "info", tmp_path / "f.pt")
    assert "... and 76 more (--all lists them)" in out and "w99" not in out
    assert "w99" in said(capsys, "info", "--all", tmp_path / "f.pt")[1]


def test_names_cannot_write_on_the_terminal(tmp_path, capsys):
    lamina.save({"\x1b[2Jevil\r\n": lamina.zeros(1), "text": "\x1b]0;title\x07\ud800"}, tmp_path / "f.pt")
    code, out, _ = said(capsys, "info", tmp_path / "f.pt")
    assert code == 0 and "\x1b" not in out and "\r" not in out and "\x07" not in out
    assert "\\x1b[2Jevil\\r\\n" in out


def test_loops_and_depth_end(tmp_path, capsys):
    shared = b"]q\0" + b"".join(b"](" + b"h%c" % n * 10 + b"eq%c" % (n + 1) for n in range(30))
    loop = b"}q\1" + b"X\1\0\0\0ah\1s"
    for part in (b"(" + shared + b"t", loop, b"]" * 5000 + b"a" * 4999, X):
        (tmp_path / "f.pt").write_bytes(zip_of(part))
        code, out, _ = said(capsys, "info", "--all", tmp_path / "f.pt")
        assert code == 0 and len(out) < 100_000
