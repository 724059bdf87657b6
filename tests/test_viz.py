"""Pictures of a training: what they show is read back from matplotlib's own objects."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina import viz

HISTORY = {"train loss": [2.0, 1.0, 0.5], "test loss": [2.1, 1.2, 0.9], "test accuracy": [0.4, 0.7, 0.8]}


@pytest.fixture(autouse=True)
def _matplotlib():
    pytest.importorskip("matplotlib")


def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def test_learning_curves():
    loss, accuracy = viz.learning_curves(HISTORY).axes
    assert [axes.get_title() for axes in (loss, accuracy)] == ["loss", "accuracy"]
    assert [line.get_label() for line in loss.lines] == ["train loss", "test loss"]
    assert (
        list(loss.lines[0].get_xdata()) == [1, 2, 3]
        and list(loss.lines[1].get_ydata()) == HISTORY["test loss"]
    )
    with pytest.raises(ValueError, match="no history"):
        viz.learning_curves({})


def test_confusion_matrix():
    labels, predictions = lamina.tensor([0, 0, 1, 1, 1, 2]), lamina.tensor([0, 1, 1, 1, 0, 2])
    axes = viz.confusion_matrix(labels, predictions, ["a", "b", "c"]).axes[0]
    shown = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in axes.texts}  # (row, column)
    assert shown == {(0, 0): "1", (0, 1): "1", (1, 0): "1", (1, 1): "2", (2, 2): "1"}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]
    assert axes.get_title() == "4 of 6 right (66.7%)"
    np.testing.assert_allclose(axes.images[0].get_array(), [[0, 0.5, 0], [1 / 3, 0, 0], [0, 0, 0]])
    for wrong, text in (
        (([0, 1], [0]), r"\(2,\) and \(1,\)"),
        (([], []), "vectors of one length"),
        (([0, 3], [0, 1], ["a", "b"]), "classes from 0 to 3, but there are 2 names"),
        (([0, -1], [0, 0]), "classes from -1"),
    ):
        with pytest.raises(ValueError, match=text):
            viz.confusion_matrix(*wrong)


def test_gradient_reach():
    norms = {"RNN": [2.0, 1.0, 0.0], "LSTM": lamina.tensor([0.5, 0.5, 1.0])}
    [axes] = viz.gradient_reach(norms).axes
    rnn, lstm = axes.lines[:2]
    assert [line.get_label() for line in (rnn, lstm)] == ["RNN", "LSTM"]
    np.testing.assert_array_equal(rnn.get_ydata(), [1.0, 0.5, np.nan])
    np.testing.assert_array_equal(lstm.get_ydata(), [1.0, 1.0, 2.0])
    assert axes.get_yscale() == "log"
    for wrong, text in (
        ({}, "no norms"),
        ({"RNN": [0.0, 1.0]}, "positive norm for RNN"),
        ({"a": []}, "for a"),
    ):
        with pytest.raises(ValueError, match=text):
            viz.gradient_reach(wrong)


def test_image_grid():
    images = lamina.rand(5, 1, 4, 3)
    axes = viz.image_grid(images, list("abcde"), columns=3).axes
    assert len(axes) == 6 and [each.get_title() for each in axes] == ["a", "b", "c", "d", "e", ""]
    np.testing.assert_array_equal(axes[4].images[0].get_array(), images[4, 0].numpy())
    assert viz.image_grid(lamina.rand(2, 3, 4, 5), ["a", "b"]).axes[0].images[0].get_array().shape == (
        4,
        5,
        3,
    )
    with pytest.raises(ValueError, match=r"expected \(n, h, w\)"):
        viz.image_grid(lamina.rand(2, 2, 4, 4), ["a", "b"])
    with pytest.raises(ValueError, match="2 images, but 1 captions"):
        viz.image_grid(lamina.rand(2, 4, 4), ["a"])


def test_classification_report_shows_the_surest_mistakes_first():
    labels = lamina.tensor([0, 1, 0, 1])
    probabilities = lamina.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    images = lamina.rand(4, 1, 8, 8)
    page = viz.classification_report(HISTORY, images, labels, probabilities, ["cat", "dog"])
    titles = [axes.get_title() for axes in page.axes]
    assert titles[:5] == [
        "loss",
        "accuracy",
        "2 of 4 right (50.0%)",
        "cat read as dog\n(80%)",
        "dog read as cat\n(60%)",
    ]
    assert png(page).startswith(b"\x89PNG")
    all_right = viz.classification_report(HISTORY, images, labels, lamina.eye(2)[labels])
    assert png(all_right).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"expected \(4, classes\)"):
        viz.classification_report(HISTORY, images, labels, probabilities[:3])


def test_without_matplotlib_it_says_what_to_install():
    code = """
import sys
sys.modules["matplotlib"] = None
from lamina import viz
try:
    viz.learning_curves({"loss": [1.0]})
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == 'lamina.viz needs matplotlib: pip install "lamina[viz]"'


def test_attention_maps():
    weights = lamina.rand(5, 3, 3).softmax(-1)
    squares = viz.attention_maps(weights, ["To", "be", "or"], columns=2).axes
    assert len(squares) == 6 and not squares[5].axison
    for head in range(5):
        assert np.array_equal(squares[head].images[0].get_array(), weights[head].numpy())
    assert [label.get_text() for label in squares[4].get_yticklabels()] == ["To", "be", "or"]
    assert not any(label.get_text() for label in squares[1].get_yticklabels())
    with pytest.raises(ValueError, match="3 tokens, but 2 words"):
        viz.attention_maps(weights, ["To", "be"])
    with pytest.raises(ValueError, match=r"expected \(heads, l, l\)"):
        viz.attention_maps(weights[0], ["To", "be", "or"])
