"""Sequential, ModuleList, ModuleDict and the containers of parameters behave like lists and dictionaries."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import lamina
from lamina import nn


def widths(modules: nn.Sequential | nn.ModuleList) -> list[int]:
    return [module.out_features for module in modules]


def linears(*sizes: int) -> list[nn.Linear]:
    return [nn.Linear(1, size) for size in sizes]


def test_sequential_runs_in_order() -> None:
    net = nn.Sequential(OrderedDict(up=nn.Linear(1, 4), act=nn.ReLU(), down=nn.Linear(4, 2)))
    assert net(lamina.ones(3, 1)).shape[1] == 2
    assert net.up is net[0] and isinstance(net[-1], nn.Linear)
    assert next(iter(net.state_dict())) == "up.weight"
    assert list(net[:2]._modules) == ["up", "act"] and type(net[:2]) is nn.Sequential
    x = lamina.ones(1)
    assert nn.Sequential()(x) is x


@pytest.mark.parametrize("kind", [lambda modules: nn.Sequential(*modules), nn.ModuleList])
def test_rows_are_edited_like_lists(kind) -> None:
    row = kind(linears(1, 2, 3))
    assert len(row) == 3 and widths(row) == [1, 2, 3]
    row[1] = nn.Linear(1, 7)
    row.append(nn.Linear(1, 8)).extend(linears(9))
    assert widths(row) == [1, 7, 3, 8, 9]
    row.insert(1, nn.Linear(1, 5))
    row.insert(-1, nn.Linear(1, 6))
    assert widths(row) == [1, 5, 7, 3, 8, 6, 9]
    assert list(row._modules) == [str(i) for i in range(7)]
    del row[2]
    del row[-2:]
    assert widths(row) == [1, 5, 3, 8]
    assert row.pop(0).out_features == 1 and widths(row[1:]) == [3, 8] and widths(row) == [5, 3, 8]
    assert list(row.state_dict()) == [f"{i}.{name}" for i in range(3) for name in ("weight", "bias")]
    row += linears(4)[0:1] if isinstance(row, nn.ModuleList) else nn.Sequential(*linears(4))
    assert widths(row) == [5, 3, 8, 4]
    for wrong in (4, -5):
        with pytest.raises(IndexError, match="out of range for 4 modules"):
            row[wrong]
    with pytest.raises(TypeError):
        row.insert(0, 3)
    with pytest.raises(IndexError):
        row.insert(9, nn.ReLU())
    with pytest.raises(TypeError):
        row.append(3)
    with pytest.raises(TypeError):
        row.extend(3)


def test_sequential_adds_and_multiplies() -> None:
    a, b = nn.Sequential(*linears(1, 2)), nn.Sequential(*linears(3))
    assert widths(a + b) == [1, 2, 3] and widths(a) == [1, 2]
    assert widths(a * 2) == [1, 2, 1, 2] and widths(2 * b) == [3, 3]
    b *= 3
    assert widths(b) == [3, 3, 3]
    with pytest.raises(ValueError):
        a * 0
    with pytest.raises(TypeError):
        a * 1.5
    with pytest.raises(TypeError):
        a + 3


def test_module_list_adds() -> None:
    assert widths(nn.ModuleList(linears(1)) + linears(2)) == [1, 2]
    with pytest.raises(NotImplementedError):
        nn.ModuleList()(1)


def test_module_dict_is_a_dictionary() -> None:
    table = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    assert list(table) == list(table.keys()) == ["a", "b"] and "a" in table and len(table) == 2
    table["c"] = nn.Tanh()
    table.update([("a", nn.Sigmoid())])
    assert [type(module).__name__ for module in table.values()] == ["Sigmoid", "ReLU", "Tanh"]
    assert dict(table.items())["b"] is table["b"]
    assert isinstance(table.pop("c"), nn.Tanh)
    del table["b"]
    assert list(table) == ["a"]
    table.clear()
    assert not len(table) and not hasattr(table, "a")
    with pytest.raises(KeyError):
        table["x"]
    with pytest.raises(KeyError, match="attribute 'keys' already exists"):
        table["keys"] = nn.ReLU()
    with pytest.raises(TypeError):
        table.update(3)


def test_parameter_list() -> None:
    row = nn.ParameterList([lamina.zeros(1), nn.Parameter(lamina.ones(2)), "text"])
    assert [type(value) for value in row] == [nn.Parameter, nn.Parameter, str]
    row.append(lamina.ones(3)).extend([lamina.ones(4)])
    row += [lamina.ones(5)]
    row[0] = lamina.ones(7)
    assert [p.numel() for p in row.parameters()] == [7, 2, 3, 4, 5] and len(row) == 6
    assert list(row.state_dict()) == ["0", "1", "3", "4", "5"]
    assert row[-1].numel() == 5 and len(row[1:3]) == 2
    with pytest.raises(IndexError):
        row[6]
    with pytest.raises(TypeError):
        row.extend(lamina.ones(2))


def test_parameter_dict() -> None:
    table = nn.ParameterDict({"a": lamina.zeros(1), "b": lamina.ones(2)})
    assert isinstance(table["a"], nn.Parameter) and list(table.keys()) == ["a", "b"]
    table["c"] = lamina.ones(3)
    table.update({"d": lamina.ones(4)})
    assert [p.numel() for p in table.parameters()] == [1, 2, 3, 4]
    assert list(reversed(table)) == ["d", "c", "b", "a"] and "c" in table
    assert table.pop("c").numel() == 3 and table.popitem()[0] == "d" and table.get("c") is None
    assert table.setdefault("e", lamina.ones(5)).numel() == 5
    assert table.copy()["a"] is table["a"] and list(table.fromkeys(["x", "y"], 1).values()) == [1, 1]
    assert repr(table) == (
        f"ParameterDict(\n    (a): Parameter containing: [{lamina.float32} of size 1]\n"
        f"    (b): Parameter containing: [{lamina.float32} of size 2]\n"
        f"    (e): Parameter containing: [{lamina.float32} of size 5]\n)"
    )
    table.clear()
    assert not len(table) and not list(table.parameters())
    for wrong, error in (("forward", KeyError), (3, TypeError)):
        with pytest.raises(error):
            table[wrong] = lamina.ones(1)
    with pytest.raises(KeyError):
        table.popitem()
    with pytest.raises(KeyError):
        table["missing"]
