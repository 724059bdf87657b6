"""Data sets, samplers, collate and the loader's batches; how its workers end is in test_data_workers.py."""

from __future__ import annotations

import collections
import time

import numpy as np
import pytest

import lamina
from lamina.utils import data
from lamina.utils.data import dataloader as loader_module


def generator(seed=0):
    return lamina.Generator().manual_seed(seed)


class Squares(data.Dataset):
    """Sample i is (i, [i * i]), ready after delay(i) seconds."""

    def __init__(self, length=10, delay=lambda index: 0.0):
        self.length, self.delay = length, delay

    def __getitem__(self, index):
        time.sleep(self.delay(index))
        return index, lamina.tensor([float(index * index)])

    def __len__(self):
        return self.length


class Count(data.IterableDataset):
    def __init__(self, stop, start=0):
        self.start, self.stop = start, stop

    def __iter__(self):
        yield from range(self.start, self.stop)

    def __len__(self):
        return self.stop - self.start


def tensors(length=10):
    rng = np.random.default_rng(0)
    images = lamina.from_numpy(rng.standard_normal((length, 2, 3)).astype(np.float32))
    return data.TensorDataset(images, lamina.arange(length))


def plain(batch):
    """A batch as nested lists, to be compared."""
    if isinstance(batch, lamina.Tensor):
        return batch.tolist()
    if isinstance(batch, (list, tuple)):
        return [plain(part) for part in batch]
    return {key: plain(part) for key, part in batch.items()} if isinstance(batch, dict) else batch


# ---- data sets


def test_data_sets():
    first = tensors(4)
    assert len(first) == 4 and first[2][1].item() == 2 and len(first[0]) == 2
    both = Squares(3) + Squares(2)
    assert len(both) == 5 and [both[i][0] for i in (0, 2, 3, 4, -1)] == [0, 2, 0, 1, 1]
    assert [s[0] for s in data.Subset(Squares(9), [8, 1])] == [8, 1]
    stacked = data.StackDataset(a=Squares(3), b=Squares(3))
    assert stacked[1]["b"][0] == 1 and len(stacked) == 3
    assert data.StackDataset(Squares(3), Squares(3))[2][1][0] == 2
    chain = Count(2) + Count(9, start=7)
    assert list(chain) == [0, 1, 7, 8] and len(chain) == 4
    with pytest.raises(IndexError, match="index 5 is out of range"):
        both[5]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: data.TensorDataset(), ValueError, "at least one"),
        (lambda: data.TensorDataset(lamina.zeros(2), lamina.zeros(3)), ValueError, r"\[2, 3\]"),
        (lambda: data.StackDataset(), ValueError, "at least one"),
        (lambda: data.StackDataset(Squares(2), Squares(3)), ValueError, r"\[2, 3\]"),
        (lambda: data.ConcatDataset([]), ValueError, "empty"),
        (lambda: data.ConcatDataset([Count(3)]), ValueError, "does not support IterableDataset"),
        (lambda: data.ChainDataset([Squares(3)]), ValueError, "only supports IterableDataset"),
        (lambda: data.Dataset()[0], NotImplementedError, "__getitem__"),
        (lambda: iter(data.IterableDataset()), NotImplementedError, "__iter__"),
        (lambda: data.random_split(Squares(5), [2, 2]), ValueError, "does not equal"),
        (lambda: data.random_split(Squares(5), [6, -1]), ValueError, "does not equal"),
        (lambda: data.random_split(Squares(5), [1.5, -0.5]), ValueError, "Fraction at index 0"),
    ],
)
def test_data_sets_refuse(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_random_split():
    parts = data.random_split(Squares(10), [7, 3], generator=generator())
    rows = [list(part.indices) for part in parts]
    assert [len(part) for part in rows] == [7, 3] and sorted(rows[0] + rows[1]) == list(range(10))
    again = data.random_split(Squares(10), [7, 3], generator=generator())
    assert [list(part.indices) for part in again] == rows
    thirds = data.random_split(Squares(11), [1 / 3, 1 / 3, 1 / 3], generator=generator())
    assert [len(part) for part in thirds] == [4, 4, 3]
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        data.random_split(Squares(1), [0.9, 0.1])


# ---- samplers


def test_random_sampler():
    rows = list(data.RandomSampler(range(50), generator=generator()))
    assert sorted(rows) == list(range(50)) and rows != list(range(50))
    assert list(data.RandomSampler(range(50), generator=generator())) == rows
    more = list(data.RandomSampler(range(5), num_samples=12))
    assert len(more) == 12 and sorted(more[:5]) == sorted(more[5:10]) == list(range(5))
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=5000))
    assert len(drawn) == 5000 and min(np.bincount(drawn, minlength=3)) > 1500
    lamina.manual_seed(3)
    first = list(data.RandomSampler(range(50)))
    second = list(data.RandomSampler(range(50)))
    lamina.manual_seed(3)
    assert list(data.RandomSampler(range(50))) == first != second
    assert sorted(data.SubsetRandomSampler([2, 3, 5])) == [2, 3, 5]
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]


@pytest.mark.parametrize("replacement", [True, False])
def test_weighted_sampler_keeps_to_its_weights(replacement):
    weights = [0.0, 1.0, 3.0, 0.0, 4.0, 0.0]
    counts = np.zeros(6)
    for seed in range(2000):
        sampler = data.WeightedRandomSampler(weights, 3, replacement, generator(seed))
        rows = list(sampler)
        assert len(rows) == len(sampler) == 3
        counts += np.bincount(rows if replacement else rows[:1], minlength=6)
        assert replacement or len(set(rows)) == 3
    np.testing.assert_allclose(counts / counts.sum(), np.array(weights) / 8, atol=0.03)


def test_batch_sampler():
    for drop_last, expected in ((False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])):
        batches = data.BatchSampler(data.SequentialSampler(range(5)), 2, drop_last)
        assert list(batches) == expected and len(batches) == len(expected)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: data.RandomSampler([]), ValueError, "num_samples=0"),
        (lambda: data.RandomSampler("ab", num_samples=1.5), ValueError, "num_samples=1.5"),
        (lambda: data.RandomSampler("ab", replacement=1), TypeError, "replacement=1"),
        (lambda: data.WeightedRandomSampler([1.0], 0), ValueError, "num_samples=0"),
        (lambda: data.WeightedRandomSampler([[1.0]], 1), ValueError, r"shape \(1, 1\)"),
        (lambda: data.WeightedRandomSampler([1.0, -1.0], 1), ValueError, "non-negative"),
        (lambda: data.WeightedRandomSampler([0.0], 1), ValueError, "not all zero"),
        (lambda: data.WeightedRandomSampler([1.0, 0.0], 2, False), ValueError, "1 weights are positive"),
        (lambda: data.BatchSampler([], True, False), ValueError, "batch_size=True"),
        (lambda: data.BatchSampler([], 1, 0), ValueError, "drop_last=0"),
        (lambda: iter(data.Sampler()), NotImplementedError, "__iter__"),
    ],
)
def test_samplers_refuse(make, error, text):
    with pytest.raises(error, match=text):
        make()


# ---- collate

Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("batch", "expected", "dtype"),
    [
        ([1, 2], [1, 2], "int64"),
        ([True, False], [True, False], "bool"),
        ([1.5, 2.5], [1.5, 2.5], "float64"),
        ([np.float32(1.5), np.float32(2.5)], [1.5, 2.5], "float32"),
        ([np.ones(2, np.int32), np.zeros(2, np.int32)], [[1, 1], [0, 0]], "int32"),
        (["a", "b"], ["a", "b"], None),
        ([(1, "a"), (2, "b")], [[1, 2], ["a", "b"]], None),
        ([[1, 2.0], [3, 4.0]], [[1, 3], [2.0, 4.0]], None),
        ([{"k": 1, "s": "a"}, {"k": 2, "s": "b"}], {"k": [1, 2], "s": ["a", "b"]}, None),
        ([Point(1, 2), Point(3, 4)], [[1, 3], [2, 4]], None),
    ],
)
def test_default_collate(batch, expected, dtype):
    result = data.default_collate(batch)
    assert plain(result) == expected
    if dtype is not None:
        assert str(result.dtype).split(".")[-1] == dtype
    if isinstance(batch[0], (dict, Point, list)):
        assert type(result) is type(batch[0])


def test_collate_refuses():
    for batch, error in (
        ([object()], TypeError),
        ([np.array(["a"])], TypeError),
        ([[1], [1, 2]], RuntimeError),
        ([lamina.zeros(2), lamina.zeros(3)], RuntimeError),
    ):
        with pytest.raises(error):
            data.default_collate(batch)


def test_default_convert():
    result = data.default_convert({"a": np.ones(2), "b": (np.float32(1.5), "x"), "c": Point(np.ones(1), 2)})
    assert plain(result) == {"a": [1.0, 1.0], "b": [1.5, "x"], "c": [[1.0], 2]}
    assert type(result["c"]) is Point


# ---- the loader

LOADERS = {
    "plain": (lambda: Squares(10), {"batch_size": 3}),
    "shuffled": (lambda: Squares(10), {"batch_size": 3, "shuffle": True}),
    "drop last": (lambda: Squares(10), {"batch_size": 3, "shuffle": True, "drop_last": True}),
    "tensors": (lambda: tensors(10), {"batch_size": 4, "shuffle": True}),
    "subset": (lambda: data.Subset(data.Subset(tensors(10), range(1, 9)), [5, 2, 0]), {"batch_size": 2}),
    "single": (lambda: tensors(4), {"batch_size": None}),
    "sampler": (lambda: Squares(10), {"batch_size": 2, "sampler": [7, 1, 5]}),
    "batches": (lambda: Squares(10), {"batch_sampler": [[7, 1], [5]]}),
    "own collate": (lambda: Squares(5), {"batch_size": 2, "collate_fn": lambda samples: len(samples)}),
    "stream": (lambda: Count(7), {"batch_size": 3}),
    "stream, drop last": (lambda: Count(7), {"batch_size": 3, "drop_last": True}),
    "stream of single": (lambda: Count(3), {"batch_size": None}),
    "empty": (lambda: Squares(0), {"batch_size": 3}),
}


@pytest.mark.parametrize(("make", "kwargs"), LOADERS.values(), ids=list(LOADERS))
def test_the_same_batches_for_any_number_of_workers(make, kwargs):
    def epochs(**options):
        lamina.manual_seed(1)
        loader = data.DataLoader(make(), **kwargs, **options)
        batches = [[plain(batch) for batch in loader] for _ in range(2)]
        assert [len(loader)] * 2 == [len(each) for each in batches]
        return batches, lamina.rand(3).tolist()  # and as much is drawn from the global generator

    expected = epochs()
    for options in (
        {"num_workers": 1},
        {"num_workers": 3},
        {"num_workers": 3, "prefetch_factor": 7, "persistent_workers": True},
    ):
        if isinstance(make(), data.IterableDataset) and options["num_workers"] > 1:
            continue  # each worker reads all of it; see test_data_workers.py
        assert epochs(**options) == expected


def test_batches_by_hand():
    loader = data.DataLoader(Squares(5), batch_size=2)
    assert plain(list(loader)) == [[[0, 1], [[0.0], [1.0]]], [[2, 3], [[4.0], [9.0]]], [[4], [[16.0]]]]
    assert list(data.DataLoader(Count(5), batch_size=2, collate_fn=list)) == [[0, 1], [2, 3], [4]]
    assert len(list(data.DataLoader(Squares(5), shuffle=True))) == 5


def test_whole_batches_of_tensors_equal_collated_samples(monkeypatch):
    for dataset in (tensors(6), data.Subset(tensors(9), [3, 1, 8])):
        fast = plain(list(data.DataLoader(dataset, batch_size=2)))
        monkeypatch.setattr(loader_module, "_tensors_at", lambda *args: None)
        assert plain(list(data.DataLoader(dataset, batch_size=2))) == fast
        monkeypatch.undo()
    batch = next(iter(data.DataLoader(tensors(4), batch_size=4)))
    batch[0].zero_()  # a batch is a copy
    assert tensors(4)[0][0].abs().sum().item() > 0
    with pytest.raises(IndexError):
        list(data.DataLoader(tensors(4), sampler=[9]))


def test_getitems_is_asked_for_whole_batches():
    class Many(Squares):
        def __getitems__(self, indices):
            return [-index for index in indices]

    assert plain(list(data.DataLoader(Many(4), batch_size=2))) == [[0, -1], [-2, -3]]


def test_order_does_not_depend_on_who_is_first():
    slow_first = Squares(12, delay=lambda index: 0.02 if index % 3 == 0 else 0.0)
    loader = data.DataLoader(slow_first, num_workers=4)
    assert [batch[0].item() for batch in loader] == list(range(12))


@pytest.mark.parametrize(
    ("dataset", "kwargs", "text"),
    [
        (Squares(3), {"num_workers": -1}, "num_workers option should be non-negative"),
        (Squares(3), {"timeout": -1, "num_workers": 1}, "timeout option should be non-negative"),
        (Squares(3), {"timeout": 1}, "timeout option needs num_workers > 0"),
        (Squares(3), {"prefetch_factor": 2}, "prefetch_factor option needs"),
        (Squares(3), {"prefetch_factor": 0, "num_workers": 1}, "should be positive"),
        (Squares(3), {"persistent_workers": True}, "persistent_workers option needs"),
        (Squares(3), {"shuffle": True, "sampler": [1]}, "mutually exclusive with shuffle"),
        (Squares(3), {"batch_sampler": [[1]], "shuffle": True}, "mutually exclusive with batch_size"),
        (Squares(3), {"batch_size": None, "drop_last": True}, "mutually exclusive with drop_last"),
        (Squares(3), {"batch_size": 0}, "batch_size=0"),
        (Count(3), {"batch_size": 0}, "batch_size=0"),
        (Count(3), {"shuffle": True}, "unspecified shuffle"),
        (Count(3), {"sampler": [1]}, "unspecified sampler"),
    ],
)
def test_the_loader_refuses(dataset, kwargs, text):
    with pytest.raises(ValueError, match=text):
        data.DataLoader(dataset, **kwargs)


def test_what_the_loader_lacks_is_absent():
    with pytest.raises(TypeError, match="multiprocessing_context"):
        data.DataLoader(Squares(3), multiprocessing_context="spawn")
    with pytest.warns(UserWarning, match="no accelerator is found"):
        assert len(data.DataLoader(Squares(3), pin_memory=True)) == 3
    loader = data.DataLoader(Squares(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 2


def test_a_data_set_cannot_end_the_loop_by_accident():
    class Ends(Squares):
        def __getitem__(self, index):
            return next(iter(()))

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(data.DataLoader(Ends(3)))
