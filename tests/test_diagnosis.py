"""Pictures of graphs, and the report that names layers whose gradients vanish, explode or are zero."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

import lamina
from lamina import nn
from lamina.autograd import graph_of
from lamina.utils.diagnosis import LayerReport


def small() -> nn.Sequential:
    lamina.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_graph_has_an_operation_per_node_with_shapes_and_names() -> None:
    x = lamina.ones(2, 3, requires_grad=True)
    graph = graph_of((x * 2).sum(), {"x": x})
    assert graph.nodes == ["result ()", "Sum ()", "Mul (2, 3)", "x (2, 3)"]
    assert graph.edges == [(1, 0), (2, 1), (3, 2)]
    net = small()
    graph = graph_of(net(lamina.ones(5, 3)), net)
    labels = set(graph.nodes)
    assert {"0.weight (4, 3)", "0.bias (4,)", "2.weight (2, 4)", "2.bias (2,)", "result (5, 2)"} <= labels
    assert any(label.startswith("Relu (5, 4)") for label in labels)


def test_a_tensor_used_twice_is_one_node_and_several_results_share_the_graph() -> None:
    x = lamina.ones(2, requires_grad=True)
    y = x.exp()
    graph = graph_of([y * y, y + 1], {"x": x})
    assert graph.nodes.count("x (2,)") == graph.nodes.count("Exp (2,)") == 1
    assert sum(label.startswith("result") for label in graph.nodes) == 2
    assert graph_of(lamina.ones(4, requires_grad=True).exp()).nodes[-1] == "leaf that is gone"
    with pytest.raises(RuntimeError, match="no grad_fn"):
        graph_of(lamina.ones(2))


def test_dot_and_svg_are_well_formed(tmp_path) -> None:
    net = small()
    graph = graph_of(net(lamina.ones(5, 3)).sum(), {'a "quoted" <name> &': net[0].weight})
    dot = graph.dot()
    assert dot.startswith("digraph {") and dot.count("->") == len(graph.edges) and '\\"quoted\\"' in dot
    tree = ElementTree.fromstring(graph.svg())
    name = "{http://www.w3.org/2000/svg}"
    boxes = tree.findall(f"{name}rect")
    assert len(boxes) == len(graph.nodes) and len(tree.findall(f"{name}path")) == len(graph.edges)
    placed = [tuple(float(box.get(key)) for key in ("x", "y", "width", "height")) for box in boxes]
    wide, high = float(tree.get("width")), float(tree.get("height"))
    for x, y, w, h in placed:  # inside of the picture, and apart from each other
        assert 0 <= x and 0 <= y and x + w <= wide + 1 and y + h <= high + 1
    for i, (x, y, w, h) in enumerate(placed):
        for x2, y2, w2, h2 in placed[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    assert all(placed[a][1] < placed[b][1] for a, b in graph.edges)  # from the leaves down
    for ending in ("svg", "dot"):
        graph.save(tmp_path / f"graph.{ending}")
        assert (tmp_path / f"graph.{ending}").stat().st_size > 100
    with pytest.raises(ValueError, match="ending"):
        graph.save(tmp_path / "graph.png")
    assert graph._repr_svg_() == graph.svg() and "nodes" in repr(graph)


def test_a_long_graph_is_drawn_without_recursion() -> None:
    x = y = lamina.ones(1, requires_grad=True)
    for _ in range(3000):
        y = y + 1
    assert len(graph_of(y).nodes) == 3002 and graph_of(y).svg().count("<rect") == 3002
    assert x.grad is None


# ---- the report


def test_healthy_layers_get_no_verdict_and_hooks_go_away() -> None:
    net = small()
    with LayerReport(net) as report:
        net(lamina.randn(16, 3)).square().mean().backward()
    rows = report.rows()
    assert [row["name"] for row in rows] == ["0", "1", "2"] and rows[1]["kind"] == "ReLU"
    assert all(row["verdicts"] == [] for row in rows), str(report)
    assert rows[0]["output"] > 0 and rows[0]["gradient"] > 0 and 0 < rows[1]["zeros"] < 1
    assert math.isnan(rows[1]["update"]) and rows[0]["update"] > 0
    assert "Linear" in str(report) and not net[0]._forward_hooks
    before = len(report.rows())
    net(lamina.ones(1, 3))
    assert len(report.rows()) == before


def test_numbers_are_root_mean_squares() -> None:
    net = nn.Linear(2, 2, bias=False)
    with lamina.no_grad():
        net.weight.copy_(lamina.tensor([[3.0, 0.0], [0.0, 4.0]]))
    with LayerReport(net) as report:
        net(lamina.ones(1, 2)).sum().backward()
    (row,) = report.rows()
    assert row["output"] == pytest.approx(math.sqrt((9 + 16) / 2)) and row["gradient"] == pytest.approx(1)
    assert row["update"] == pytest.approx(1 / math.sqrt(25 / 4)) and row["name"] == "(model)"


def test_vanishing_exploding_dead_and_broken_layers_are_named() -> None:
    lamina.manual_seed(0)
    deep = nn.Sequential(*[step for _ in range(12) for step in (nn.Linear(8, 8), nn.Sigmoid())])
    with LayerReport(deep) as report:
        deep(lamina.randn(4, 8)).sum().backward()
    assert report.vanishing[:2] == ["0", "1"] and "23" not in report.vanishing and not report.dead
    with lamina.no_grad():
        for layer in deep[::2]:
            layer.weight.mul_(60)
            layer.bias.zero_()
    steep = nn.Sequential(*deep[::2])
    with LayerReport(steep) as report:
        steep(lamina.randn(4, 8)).sum().backward()
    assert "0" in report.exploding and "11" not in report.exploding
    net = small()
    with lamina.no_grad():
        net[0].bias.fill_(-100.0)
    with LayerReport(net) as report:
        net(lamina.randn(4, 3)).sum().backward()
    assert report.dead == ["0", "1"] and "dead" in str(report)
    with LayerReport(net) as report:
        net(lamina.full((1, 3), float("nan"))).sum().backward()
    assert "0" in report.named("not finite")
    with pytest.raises(ValueError, match="vanishing"):
        LayerReport(net, vanishing=2.0)
    assert "no layer" in str(LayerReport(net))


def test_recurrent_layers_and_several_calls_are_heard() -> None:
    lstm = nn.LSTM(3, 4)
    with LayerReport(lstm) as report:
        for _ in range(2):
            lstm(lamina.randn(5, 2, 3))[0].sum().backward()
    (row,) = report.rows()
    assert row["kind"] == "LSTM" and row["gradient"] == pytest.approx(1) and row["verdicts"] == []
