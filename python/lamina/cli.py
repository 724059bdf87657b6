"""``lamina`` on the command line, and ``python -m lamina``: finds the command, runs it, says what failed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

# Each is a module of lamina.command that is loaded when it is asked for, and what it does.
COMMANDS = {
    "bench": "time a few operations on this machine",
    "chat": "talk with a language model in the terminal",
    "finetune": "make a classifier of your photographs from pretrained weights",
    "info": "list what is in a file of weights, without running any of it",
    "predict": "say what a classifier sees on photographs",
}
FAILED, MISUSED, INTERRUPTED = 1, 2, 130  # exit codes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (those of the process by default) ask for; returns the exit code.

    0 is success, 1 that the command failed, 2 that it was asked wrongly, 130 that it was interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    name = given[0] if given else ""
    if name not in COMMANDS:
        try:
            parser.parse_args(given or ["--help"])
        except SystemExit as stop:  # what argparse does after --help, --version or an error
            return int(stop.code or 0) if given else MISUSED
        return MISUSED
    module = import_module(f"lamina.command.{name}")
    own = argparse.ArgumentParser(
        f"lamina {name}",
        description=f"{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.",
        epilog=f"examples:\n{module.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(own)
    try:
        code = module.run(own.parse_args(given[1:]))
        sys.stdout.flush()
        return int(code or 0)
    except SystemExit as stop:
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print(f"lamina {name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has gone, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError, ImportError, RuntimeError, MemoryError) as error:
        print(f"lamina {name}: {error or type(error).__name__}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    from lamina.version import lamina as release

    listed = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "lamina",
        description="A deep-learning library: a C++ core under a thin, PyTorch-shaped Python package.",
        epilog=f"commands:\n{listed}\n\n'lamina COMMAND --help' says more, with examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lamina {release}")
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help="what to do")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
