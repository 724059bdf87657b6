"""Prints the milliseconds of loading 91 MB of safetensors into a model, and the megabytes beside the model.

python bench/file_cost.py FILE; compare.py starts it anew for every sample. The page cache is warm.
"""

import sys
import time
from pathlib import Path

import file_workload

import lamina


def peak() -> float:
    """Megabytes of memory at most; getrusage would know the parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


model = file_workload.model(lamina)
with lamina.no_grad():
    for parameter in model.parameters():
        parameter.fill_(1.0)  # so that the model has its memory
with open(sys.argv[1], "rb") as file:
    while file.read(1 << 20):
        pass
before = peak()
times = []
for _ in range(3):
    start = time.perf_counter()
    model.load_state_dict(lamina.load(sys.argv[1]))
    times.append(time.perf_counter() - start)
print(min(times) * 1e3, peak() - before)
