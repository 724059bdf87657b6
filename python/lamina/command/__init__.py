"""The commands of ``lamina`` on the command line, one per file; cli.py finds them.

A command is a module with ``EXAMPLES`` (shown by --help), ``add_arguments(parser)`` and ``run(args)``, which
prints, and returns the exit code or None for 0. What it raises is a sentence for the user. Its line stands in
``lamina.cli.COMMANDS``.
"""
