"""Prints the milliseconds and megabytes that importing a package adds to a process that has imported NumPy.

python bench/import_cost.py NAME; compare.py and the wheel's smoke test start it anew for every sample.
"""

import resource
import sys
import time

import numpy  # noqa: F401


def megabytes() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


memory, start = megabytes(), time.perf_counter()
__import__(sys.argv[1])
print((time.perf_counter() - start) * 1e3, megabytes() - memory)
