"""The loader's threads: their errors reach the loop; none outlives its iterator, Ctrl-C or the process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from lamina.utils import data


class Rows(data.Dataset):
    def __init__(self, length=20, broken=(), delay=0.0):
        self.length, self.broken, self.delay = length, broken, delay

    def __getitem__(self, index):
        time.sleep(self.delay)
        if index in self.broken:
            raise KeyError(f"row {index} is broken")
        return index

    def __len__(self):
        return self.length


def workers_alive():
    return [thread for thread in threading.enumerate() if thread.name.startswith("lamina-data")]


def wait_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def nobody_left():
    gc.collect()
    return not workers_alive()


@pytest.fixture(autouse=True)
def _no_thread_left_behind():
    yield
    assert wait_until(nobody_left)


def numbers(loader):
    return [batch.item() for batch in loader]


def test_batches_are_fetched_ahead_but_not_without_end():
    seen = []

    class Noted(Rows):
        def __getitem__(self, index):
            seen.append(index)
            return index

    iterator = iter(data.DataLoader(Noted(100), num_workers=2, prefetch_factor=3))
    assert wait_until(lambda: len(seen) == 6)
    next(iterator)
    assert wait_until(lambda: len(seen) == 7)
    time.sleep(0.05)
    assert sorted(seen) == list(range(7))


def test_workers_wait_at_the_same_time():
    """Eight workers wait for their rows together: 16 rows of 50 ms take 2 rounds, not 16."""
    start = time.perf_counter()
    assert numbers(data.DataLoader(Rows(16, delay=0.05), num_workers=8)) == list(range(16))
    assert time.perf_counter() - start < 0.4


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors_reach_the_loop_in_their_place(num_workers):
    iterator = iter(data.DataLoader(Rows(6, broken=(2,)), num_workers=num_workers))
    assert [next(iterator).item(), next(iterator).item()] == [0, 1]
    with pytest.raises(KeyError, match="row 2 is broken") as caught:
        next(iterator)
    assert "__getitem__" in [entry.name for entry in caught.traceback]
    assert numbers(iterator) == [3, 4, 5]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors_of_the_sampler_come_after_the_batches_before(num_workers):
    def rows():
        yield 3
        yield 4
        raise RuntimeError("no more rows")

    iterator = iter(data.DataLoader(Rows(), batch_size=None, sampler=rows(), num_workers=num_workers))
    assert [next(iterator), next(iterator)] == [3, 4]
    with pytest.raises(RuntimeError, match="no more rows"):
        next(iterator)


@pytest.mark.parametrize("persistent", [False, True])
def test_an_abandoned_iterator_leaves_no_thread(persistent):
    loader = data.DataLoader(Rows(1000, delay=0.001), num_workers=3, persistent_workers=persistent)
    for batch in loader:
        if batch.item() == 2:
            break
    assert len(workers_alive()) == 3
    if not persistent:
        assert wait_until(nobody_left)  # the loop's iterator is gone, though the loader lives
    del loader, batch
    assert wait_until(nobody_left)


def test_batches_are_not_kept_alive():
    class Sample:
        pass

    made = []

    class Samples(Rows):
        def __getitem__(self, index):
            sample = Sample()
            made.append(weakref.ref(sample))
            return sample

    iterator = iter(data.DataLoader(Samples(3), batch_size=None, num_workers=1, collate_fn=lambda each: each))
    for _ in range(3):
        next(iterator)
    assert wait_until(lambda: all(each() is None for each in made))


def test_persistent_workers_stay():
    loader = data.DataLoader(Rows(5), num_workers=2, persistent_workers=True)
    assert numbers(loader) == list(range(5))
    first = workers_alive()
    assert numbers(loader) == list(range(5)) and len(first) == 2 and workers_alive() == first
    outer = [(a.item(), b.item()) for a in loader for b in loader]  # two iterators share them
    assert outer == [(a, b) for a in range(5) for b in range(5)]


def test_worker_info():
    assert data.get_worker_info() is None

    class Asks(Rows):
        def __getitem__(self, index):
            info = data.get_worker_info()
            return info.id, info.num_workers, info.seed - info.id, info.dataset is self

    def ask(loader):
        return [tuple(batch) for batch in loader]

    loader = data.DataLoader(Asks(20, delay=0.001), batch_size=None, num_workers=2)
    first, second = ask(loader), ask(loader)
    assert {row[0] for row in first} <= {0, 1}
    assert {row[1] for row in first} == {2} and all(row[3] for row in first)
    assert len({row[2] for row in first}) == 1 and first[0][2] != second[0][2]


def test_a_stream_that_splits_itself_gives_everything_once():
    class Split(data.IterableDataset):
        def __iter__(self):
            info = data.get_worker_info()
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            yield from range(first, 10, step)

    for num_workers in (0, 1, 4):
        assert numbers(data.DataLoader(Split(), num_workers=num_workers)) == list(range(10))


def test_init_runs_in_every_worker_and_its_error_reaches_the_loop():
    seen = []
    numbers(
        data.DataLoader(
            Rows(), num_workers=3, worker_init_fn=lambda id: seen.append((id, threading.get_ident()))
        )
    )
    assert sorted(id for id, _ in seen) == [0, 1, 2] and len({thread for _, thread in seen}) == 3

    def fails(id):
        if id == 1:
            raise OSError("no such disk")

    with pytest.raises(OSError, match="no such disk"):
        numbers(data.DataLoader(Rows(), num_workers=3, worker_init_fn=fails))


def test_timeout():
    loader = data.DataLoader(Rows(3, delay=0.3), num_workers=1, timeout=0.05)
    with pytest.raises(RuntimeError, match=r"timed out after 0.05 seconds"):
        next(iter(loader))


def test_ctrl_c_ends_the_wait_and_leaves_the_process_usable():
    loader = data.DataLoader(Rows(3, delay=0.5), num_workers=2)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    start = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        numbers(loader)
    assert time.perf_counter() - start < 0.45
    timer.join()
    assert numbers(data.DataLoader(Rows(3), num_workers=2)) == [0, 1, 2]


def in_child(work):
    """The exit code of a forked child that ran work."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_fork_new_workers_start_and_old_iterators_refuse():
    loader = data.DataLoader(Rows(6), num_workers=2, persistent_workers=True)
    iterator = iter(loader)
    next(iterator)

    def refuses():
        try:
            next(iterator)
        except RuntimeError as error:
            return "forked process" in str(error)

    assert in_child(refuses) == 0
    assert in_child(lambda: numbers(loader) == list(range(6))) == 0
    assert numbers(iterator) == [1, 2, 3, 4, 5]


SCRIPT = """
import time
from lamina.utils import data
class Rows(data.Dataset):
    def __getitem__(self, index): time.sleep(0.002); return float(index)
    def __len__(self): return 100000
iterator = iter(data.DataLoader(Rows(), batch_size=4, num_workers=3))
next(iterator)
{end}
"""


@pytest.mark.parametrize(("end", "code"), [("", 0), ("raise SystemExit(3)", 3), ("1 / 0", 1)])
def test_the_process_ends_while_workers_work(end, code):
    script = [sys.executable, "-c", SCRIPT.format(end=end)]
    run = subprocess.run(script, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == code
    assert "terminate" not in run.stderr and "Fatal" not in run.stderr
