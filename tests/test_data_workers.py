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

import lamina
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
    assert [row[0] for row in first] == [0, 1] * 10  # batches go round, as in PyTorch
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
    batches = [batch.tolist() for batch in data.DataLoader(Split(), batch_size=2, num_workers=3)]
    assert batches == [[0, 3], [1, 4], [2, 5], [6, 9], [7], [8]]


class Range(data.IterableDataset):
    """As in PyTorch's documentation: ``share`` gives each worker's copy its own part."""

    def __init__(self, start, end):
        self.start, self.end = start, end

    def __iter__(self):
        return iter(range(self.start, self.end))


def share(id):
    info = data.get_worker_info()
    start, end = info.dataset.start, info.dataset.end
    step = -(-(end - start) // info.num_workers)
    info.dataset.start, info.dataset.end = start + id * step, min(start + (id + 1) * step, end)


def test_each_worker_has_a_copy_of_the_data_set():
    stream = Range(3, 10)
    assert numbers(data.DataLoader(stream, num_workers=2)) == [n for n in range(3, 10) for _ in range(2)]
    assert numbers(data.DataLoader(stream, num_workers=3, worker_init_fn=share)) == [3, 6, 9, 4, 7, 5, 8]
    assert (stream.start, stream.end) == (3, 10)
    loader = data.DataLoader(Range(0, 4), num_workers=2, worker_init_fn=share, persistent_workers=True)
    assert numbers(loader) == numbers(loader) == [0, 2, 1, 3]
    del loader


class Drawn(Rows):
    def __getitem__(self, index):
        time.sleep(self.delay * (index % 3))
        return lamina.rand(1), index


def drawn(seed, start=0, **options):
    lamina.manual_seed(seed)
    loader = data.DataLoader(Drawn(12, delay=0.002), batch_size=2, shuffle=True, **options)
    passes = [list(loader.iterate_from(start)) for _ in range(2)]
    return [[x.tolist() for batch in one for x in batch] for one in passes], lamina.rand(1).item()


def test_what_is_drawn_in_workers_is_the_same_every_time():
    first, after = drawn(5, num_workers=3)
    assert (first, after) == drawn(5, num_workers=3) and first != drawn(6, num_workers=3)[0]
    assert first[0] != first[1] and after == drawn(5, num_workers=2)[1]
    flat = [number for batch in first[0][::2] for number in batch]
    assert len({str(number) for number in flat}) == 12
    kept, _ = drawn(5, num_workers=3, persistent_workers=True)
    assert kept == first
    rest, _ = drawn(5, start=4, num_workers=3)  # a pass that goes on where it was
    assert rest[0] == first[0][8:]


def test_a_seed_that_init_sets_is_kept():
    seeds = []

    def seed_worker(id):
        seeds.append(lamina.initial_seed())
        lamina.manual_seed(7)

    before = lamina.initial_seed()
    options = {"num_workers": 2, "worker_init_fn": seed_worker, "persistent_workers": True}
    one, two = drawn(1, **options)[0], drawn(1, **options)[0]
    assert one == two and one[0] != one[1]
    assert len(set(seeds)) == 2 and seeds[0] - seeds[1] in (1, -1) and lamina.initial_seed() == 1
    lamina.manual_seed(before)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("stream", [False, True])
def test_pytorch_gives_the_same_batches(stream):
    torch = pytest.importorskip("torch")
    kind = torch.utils.data.IterableDataset if stream else torch.utils.data.Dataset

    def batches(package, kind):
        class Set(kind):
            def __len__(self):
                return 11

            def __getitem__(self, index):
                return index * 10 + package.get_worker_info().id

            def __iter__(self):
                info = package.get_worker_info()
                yield from range(info.id, 11 + 5 * info.id, info.num_workers)

        for batch_size, drop_last in ((2, False), (3, True), (None, False)):
            loader = package.DataLoader(Set(), batch_size=batch_size, drop_last=drop_last, num_workers=3)
            yield [batch.tolist() if batch_size else int(batch) for batch in loader]

    ours = data.IterableDataset if stream else data.Dataset
    assert list(batches(data, ours)) == list(batches(torch.utils.data, kind))


def test_an_error_says_which_worker():
    with pytest.raises(KeyError) as caught:
        numbers(data.DataLoader(Rows(4, broken=(1,)), num_workers=2))
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == ["raised in worker 1 of a DataLoader"]


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
