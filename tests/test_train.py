"""The trainer: judged by a loop written out, by figures computed in NumPy, and by runs that are killed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import nn, optim, train
from lamina.utils.data import DataLoader, TensorDataset


def data(n: int = 60, classes: int = 3) -> TensorDataset:
    generator = lamina.Generator().manual_seed(1)
    x = lamina.randn(n, 8, generator=generator)
    return TensorDataset(x, x[:, :classes].argmax(1))


def network() -> nn.Module:
    lamina.manual_seed(2)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))


def trainer(**options: object) -> train.Trainer:
    model = network()
    made = optim.AdamW(model.parameters(), lr=1e-2)
    if options.pop("scheduled", False):
        options["scheduler"] = optim.lr_scheduler.CosineAnnealingLR(made, 40)
    return train.Trainer(model, made, nn.CrossEntropyLoss(), progress=False, **options)


def weights(model: nn.Module) -> bytes:
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


def test_fit_is_the_loop_written_out() -> None:
    found = trainer(clip_norm=0.5, accumulate=2, metrics={"accuracy": train.Accuracy()})
    loader = DataLoader(data(), batch_size=10, shuffle=True)
    history = found.fit(loader, epochs=2)

    model = network()
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        total = 0.0
        for i, (x, y) in enumerate(loader, 1):
            loss = nn.functional.cross_entropy(model(x), y)
            total += loss.item() * len(y)
            (loss / 2).backward()
            if i % 2 == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                optimizer.zero_grad()
        losses.append(total / 60)
    assert weights(found.model) == weights(model)
    assert history["train loss"] == pytest.approx(losses, rel=1e-6)
    assert found.step == 6 and found.epoch == 2


def test_evaluate_and_predict_leave_the_model_as_it_was() -> None:
    found = trainer(metrics={"accuracy": train.Accuracy()})
    found.model.train()
    samples = data()
    figures = found.evaluate(DataLoader(samples, batch_size=7))
    scores = found.predict(samples.tensors[0], batch_size=13)
    assert found.model.training
    found.model.eval()
    with lamina.no_grad():
        expected = found.model(samples.tensors[0])
    np.testing.assert_allclose(scores.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    truth = samples.tensors[1]
    assert figures["accuracy"] == (expected.argmax(1) == truth).sum().item() / 60
    assert figures["loss"] == pytest.approx(nn.functional.cross_entropy(expected, truth).item(), rel=1e-5)
    assert lamina.equal(found.predict(DataLoader(samples, batch_size=60)), scores)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batches", [1, 5, 6])
def test_a_training_that_stops_anywhere_goes_on_to_the_same_bits(
    tmp_path: Path, batches: int, workers: int
) -> None:
    def loader() -> DataLoader:
        order = lamina.Generator().manual_seed(3) if workers else None
        return DataLoader(data(), batch_size=10, shuffle=True, num_workers=workers, generator=order)

    options = {"scheduled": True, "metrics": {"accuracy": train.Accuracy()}}
    whole = trainer(**options)
    expected = whole.fit(loader(), DataLoader(data(20), batch_size=20), epochs=3)

    class StopAt(train.Callback):
        def after_step(self, trainer: train.Trainer, loss: float) -> None:
            if trainer.step == 6 + batches:
                trainer.save(tmp_path / "here.safetensors")
                trainer.stop = True

    trainer(callbacks=[StopAt()], **options).fit(loader(), DataLoader(data(20), batch_size=20), epochs=3)
    lamina.manual_seed(99)
    np.random.seed(4)
    again = trainer(callbacks=[train.Callback()], **options)
    history = again.fit(
        loader(), DataLoader(data(20), batch_size=20), epochs=3, resume=tmp_path / "here.safetensors"
    )
    assert weights(again.model) == weights(whole.model)
    assert history == expected


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from test_train import *
found = trainer(scheduled=True, callbacks=[train.Checkpoint(sys.argv[1], every_steps=1)])
class Slow(train.Callback):
    def after_step(self, trainer, loss):
        print("step", trainer.step, flush=True)
        time.sleep(0.01)
found.callbacks.insert(0, Slow())
found.fit(DataLoader(data(), batch_size=10, shuffle=True), epochs=4, resume=sys.argv[1])
print("done", weights(found.model).hex())
"""


def run(folder: Path, kill: int | None = None) -> str:
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if kill is not None and line.split() == ["step", str(kill)]:
            time.sleep(0.003 * kill % 0.01)  # in the middle of something, and each time elsewhere
            process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    return lines[-1]


def test_killed_runs_end_with_the_same_bits(tmp_path: Path) -> None:
    expected = run(tmp_path / "whole")
    assert expected.startswith("done")
    for kill in (2, 9, 17):
        run(tmp_path / "killed", kill)
    assert run(tmp_path / "killed") == expected


def test_ctrl_c_waits_for_the_step_and_saves(tmp_path: Path) -> None:
    class Press(train.Callback):
        def before_step(self, trainer: train.Trainer, loss: float) -> None:
            if trainer.step == 3:
                signal.raise_signal(signal.SIGINT)

    options = {"callbacks": [Press(), train.Checkpoint(tmp_path)]}
    loader = DataLoader(data(), batch_size=10, shuffle=True)
    found = trainer(**options)
    with pytest.raises(KeyboardInterrupt):
        found.fit(loader, epochs=2)
    assert found.step == 4 and (tmp_path / "last.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = trainer(callbacks=[train.Callback(), train.Checkpoint(tmp_path)])
    again.fit(loader, epochs=2, resume=tmp_path)
    whole = trainer()
    whole.fit(loader, epochs=2)
    assert weights(again.model) == weights(whole.model)


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = train.Checkpoint(tmp_path, monitor="train loss")
    found = trainer(callbacks=[checkpoint])
    found.fit(DataLoader(data(), batch_size=10), epochs=1)
    before = checkpoint.last.read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left"):
        found.fit(DataLoader(data(), batch_size=10), epochs=2)
    assert found.epoch == 2 and checkpoint.error is not None
    assert checkpoint.last.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", "last.safetensors"]


def test_the_best_weights_are_kept_and_training_stops(tmp_path: Path) -> None:
    class Overfit(train.Callback):
        def epoch_end(self, trainer: train.Trainer, logs: dict) -> None:
            logs["validation loss"] = [0.5, 0.4, 0.45, 0.6, 0.7][trainer.epoch - 1]
            if trainer.epoch == 2:
                self.best = weights(trainer.model)

    watch = Overfit()
    stopping = train.EarlyStopping(patience=2, restore_best=True)
    found = trainer(callbacks=[watch, stopping, train.Checkpoint(tmp_path)])
    found.fit(DataLoader(data(), batch_size=10), DataLoader(data(20), batch_size=20), epochs=5)
    assert found.epoch == 4
    assert weights(found.model) == watch.best
    model = network()
    model.load_state_dict(lamina.load(tmp_path / "best.safetensors"))
    assert weights(model) == watch.best


def test_metrics_against_numpy() -> None:
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 4, 200), random.normal(size=(200, 4)).astype(np.float32)
    guess = scores.argmax(1)
    matrix = np.zeros((4, 4), int)
    np.add.at(matrix, (truth, guess), 1)
    right = np.diag(matrix)
    precision, recall = right / matrix.sum(0), right / matrix.sum(1)
    f1 = 2 * precision * recall / (precision + recall)
    best = np.argsort(-scores, 1)[:, :2]
    chance = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected = {
        train.Accuracy(): right.sum() / 200,
        train.TopKAccuracy(2): (best == truth[:, None]).any(1).mean(),
        train.Precision(4): precision.mean(),
        train.Recall(4): recall.mean(),
        train.F1(4): f1.mean(),
        train.F1(4, "weighted"): (f1 * matrix.sum(1)).sum() / 200,
        train.Precision(4, "micro"): right.sum() / 200,
        train.Perplexity(): np.exp(-np.log(chance[np.arange(200), truth]).mean()),
    }
    for metric, value in expected.items():
        for part in (slice(0, 30), slice(30, 31), slice(31, None)):
            metric.update(lamina.tensor(scores[part]), lamina.tensor(truth[part]))
        assert metric.compute() == pytest.approx(value, rel=1e-5), type(metric).__name__
    confusion = train.ConfusionMatrix(4)
    confusion.update(lamina.tensor(scores), lamina.tensor(truth))
    np.testing.assert_array_equal(confusion.compute().numpy(), matrix)
    error = train.MeanAbsoluteError()
    error.update(lamina.tensor([1.0, 2.0]), lamina.tensor([0.0, 4.0]))
    assert error.compute() == 1.5
    with pytest.raises(ValueError, match=r"\[0, 4\)"):
        confusion.update(lamina.tensor(scores[:1]), lamina.tensor([4]))


def test_a_layer_that_is_sick_is_named() -> None:
    model = network()
    with lamina.no_grad():
        model[0].bias.fill_(-100.0)
    found = train.Trainer(
        model,
        optim.SGD(model.parameters(), lr=1e-3),
        nn.CrossEntropyLoss(),
        callbacks=[train.Health(every=2)],
        health=False,
        progress=False,
    )
    with pytest.warns(train.TrainingWarning, match=r"16 of 16 channels of the ReLU 1 are dead") as caught:
        found.fit(DataLoader(data(), batch_size=10), epochs=2)
    assert len([one for one in caught if "dead" in str(one.message)]) == 1

    class Root(nn.Module):
        def forward(self, x: lamina.Tensor) -> lamina.Tensor:
            return x.sqrt()

    broken = nn.Sequential(nn.Linear(8, 3), Root())
    bad = train.Trainer(broken, optim.SGD(broken.parameters(), lr=0.1), nn.CrossEntropyLoss(), progress=False)
    with pytest.warns(train.TrainingWarning, match=r"step 1: 1 gives a value that is not finite"):
        bad.fit(DataLoader(data(), batch_size=10), epochs=1)


def test_gradients_that_vanish_or_explode_are_named() -> None:
    deep = nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Sigmoid())])
    with lamina.no_grad():
        for parameter in deep.parameters():
            parameter.mul_(0.1)
    found = train.Trainer(
        deep,
        optim.SGD(deep.parameters(), lr=1e-3),
        nn.MSELoss(),
        callbacks=[train.Health(every=1)],
        health=False,
        progress=False,
    )
    x = lamina.randn(10, 8)
    with pytest.warns(train.TrainingWarning, match=r"gradient of 0.weight \(and.*vanishes.*skip"):
        found.fit([(x, x)] * 3, epochs=1)
    model = nn.Linear(8, 8)
    loud = train.Trainer(
        model,
        optim.SGD(model.parameters(), lr=0.0),
        lambda output, target: ((output - target) ** 2).sum() * 1e6,
        callbacks=[train.Health(every=1)],
        health=False,
        progress=False,
    )
    with pytest.warns(train.TrainingWarning, match=r"gradient of weight explodes.*clip"):
        loud.fit([(x, x)] * 3, epochs=1)


def test_an_average_of_weights_goes_on_after_a_resume(tmp_path: Path) -> None:
    def run(epochs: int, resume: bool = False) -> tuple[train.Trainer, train.WeightAverage]:
        average = train.WeightAverage(0.8, apply=epochs == 2)
        found = trainer(callbacks=[average, train.Checkpoint(tmp_path / str(resume), None)])
        found.fit(
            DataLoader(data(), batch_size=10), epochs=epochs, resume=tmp_path / "False" if resume else None
        )
        return found, average

    whole, expected = run(2)
    run(1)
    again, average = run(2, resume=True)
    assert weights(average.model) == weights(expected.model) == weights(whole.model) == weights(again.model)

    seen: list[np.ndarray] = []

    class Look(train.Callback):
        def after_step(self, trainer: train.Trainer, loss: float) -> None:
            seen.append(trainer.model[0].weight.detach().numpy().astype(np.float64).copy())

    average = train.WeightAverage(0.8)
    trainer(callbacks=[Look(), average]).fit(DataLoader(data(), batch_size=10), epochs=1)
    mean = seen[0]
    for value in seen[1:]:
        mean = 0.8 * mean + 0.2 * value
    np.testing.assert_allclose(average.model[0].weight.detach().numpy(), mean, rtol=1e-5, atol=1e-7)


def test_the_learning_rate_finder_leaves_no_trace() -> None:
    found = trainer(scheduled=True)
    before = weights(found.model), lamina.get_rng_state().tolist(), found.optimizer.param_groups[0]["lr"]
    curve = train.find_learning_rate(found, DataLoader(data(), batch_size=10, shuffle=True), steps=40)
    after = weights(found.model), lamina.get_rng_state().tolist(), found.optimizer.param_groups[0]["lr"]
    assert before == after and not found.optimizer.state
    assert curve.rates[0] < curve.suggestion < curve.rates[-1]
    assert len(curve.rates) == len(curve.losses) > 10


def test_the_table_goes_on_after_a_resume(tmp_path: Path) -> None:
    def callbacks() -> list[train.Callback]:
        return [train.CSVLogger(tmp_path / "log.csv"), train.Checkpoint(tmp_path, None)]

    trainer(callbacks=callbacks()).fit(DataLoader(data(), batch_size=10), epochs=2)
    trainer(callbacks=callbacks()).fit(DataLoader(data(), batch_size=10), epochs=3, resume=tmp_path)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["6", "12", "18"]


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="schedule must be"):
        trainer(schedule="never")
    with pytest.raises(ValueError, match="accumulate"):
        trainer(accumulate=0)
    with pytest.raises(TypeError, match="a batch must be"):
        trainer().fit([lamina.zeros(2, 8)])
    with pytest.raises(KeyError, match="no figure 'validation f1'"):
        trainer(callbacks=[train.EarlyStopping("validation f1")]).fit(DataLoader(data(), batch_size=10))
    lamina.save({"weight": lamina.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="does not hold the state of a training"):
        trainer().fit(DataLoader(data(), batch_size=10), resume=tmp_path / "other.safetensors")
