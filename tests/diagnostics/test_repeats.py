"""Repeats: every seed is the training that it would be alone, and mean and std are theirs."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

import gradstep as gs
from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError
from gradstep.training.status import Status

METRICS = [
    f"{part}_{name}" for part in ("train", "validation", "test") for name in ("loss", "cost", "accuracy")
]


def make_rows(seed: int = 0, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return rng.normal(size=(n, 4)) + np.array([[0.0], [1.0], [2.0]])[y], y


def make_trainer(**parameters: object) -> gs.Trainer:
    return gs.Trainer(**{"epochs": 3, "batch_size": 10, "l2": 0.01, "backend": "numpy", **parameters})


@pytest.fixture
def found() -> gs.Repeats:
    return gs.repeat(
        make_trainer(hidden=(5,)),
        *make_rows(),
        seeds=[3, 1, 4],
        eval_set=make_rows(1),
        test_set=make_rows(2),
    )


def test_every_row_is_the_training_of_its_seed(found: gs.Repeats) -> None:
    assert list(found) == ["seed", "status", "update", "seconds", *METRICS]
    assert found["seed"].tolist() == [3, 1, 4]
    assert found["status"].tolist() == ["completed"] * 3
    assert found["update"].tolist() == [18] * 3
    for row, seed in enumerate([3, 1, 4]):
        alone = make_trainer(hidden=(5,), random_state=seed).fit(*make_rows(), eval_set=make_rows(1))
        np.testing.assert_array_equal(found.trainers[row].coefs_[0], alone.coefs_[0])
        for place, part in enumerate(("train", "validation", "test")):
            metrics = alone.evaluate(*make_rows(place))
            assert [found[f"{part}_{name}"][row] for name in metrics] == list(metrics.values())
        assert found["validation_loss"][row] == alone.history_["validation_loss"][-1]


def test_mean_and_standard_deviation(found: gs.Repeats) -> None:
    assert list(found.mean) == list(found.std) == METRICS
    for name in METRICS:
        values = found[name].tolist()
        mean = sum(values) / 3
        assert found.mean[name] == pytest.approx(mean, rel=1e-12)
        assert found.std[name] == pytest.approx(
            (sum((value - mean) ** 2 for value in values) / 2) ** 0.5, rel=1e-9
        )
    assert found.std["train_loss"] > 0


def test_a_number_of_seeds_begins_at_zero_and_the_trainer_is_untouched() -> None:
    trainer = make_trainer(random_state=7)
    found = gs.repeat(trainer, *make_rows(), seeds=2)
    assert found["seed"].tolist() == [0, 1]
    assert not hasattr(trainer, "coefs_")
    assert trainer.random_state == 7
    assert found.metrics == METRICS[:3]


def test_one_seed_has_no_standard_deviation() -> None:
    found = gs.repeat(make_trainer(), *make_rows(), seeds=[5])
    assert found.mean["train_loss"] == found["train_loss"][0]
    assert np.isnan(list(found.std.values())).all()


def test_a_seed_that_diverges_is_a_row_and_counts_in_no_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = gs.Trainer.fit

    def fails_with_seed_1(self: gs.Trainer, *rows: object, **options: object) -> gs.Trainer:
        fit(self, *rows, **options)
        if self.random_state == 1:
            raise DivergedError(7, 0.5)
        return self

    monkeypatch.setattr(gs.Trainer, "fit", fails_with_seed_1)
    found = gs.repeat(make_trainer(), *make_rows(), seeds=3, test_set=make_rows(2))
    assert found["status"].tolist() == ["completed", "diverged", "completed"]
    assert found["update"].tolist() == [18, 7, 18]
    assert np.isnan(found["test_accuracy"]).tolist() == [False, True, False]
    assert found.complete.tolist() == [True, False, True]
    assert found.mean["test_loss"] == pytest.approx(found["test_loss"][[0, 2]].mean())
    assert "of 2 of 3 seeds" in str(found)


def test_all_diverged_is_an_error() -> None:
    with pytest.raises(DivergedError, match="no longer finite at update") as caught:
        gs.repeat(make_trainer(learning_rate=1e200, l2=1.0), *make_rows(), seeds=[8, 9])
    assert caught.value.__notes__ == ["Each of the 2 seeds of repeat diverged; this is seed 8."]


def test_a_rule_that_stops_early_is_told() -> None:
    trainer = make_trainer(callbacks=[lambda _, row: row["epoch"] == 2])
    found = gs.repeat(trainer, *make_rows(), seeds=2)
    assert found["status"].tolist() == ["early_stopped"] * 2
    assert found["update"].tolist() == [12] * 2
    assert found.complete.all()


def test_an_interrupt_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = gs.Trainer.fit

    def interrupted(self: gs.Trainer, *rows: object, **options: object) -> gs.Trainer:
        fit(self, *rows, **options)
        if self.random_state == 1:
            self.status_ = Status.INTERRUPTED
        return self

    monkeypatch.setattr(gs.Trainer, "fit", interrupted)
    found = gs.repeat(make_trainer(), *make_rows(), seeds=4)
    assert found["status"].tolist() == ["completed", "interrupted"]
    assert len(found.trainers) == 2
    assert found.mean["train_loss"] == found["train_loss"][0]


def test_sample_weights_reach_the_training() -> None:
    X, y = make_rows()
    weight = np.where(y == 2, 0.0, 1.0)
    trainer = make_trainer(epochs=30)
    found = gs.repeat(trainer, X, y, seeds=1, sample_weight=weight)
    assert 2 not in found.trainers[0].predict(X)


def test_it_prints_as_a_table(found: gs.Repeats) -> None:
    lines = str(found).splitlines()
    assert lines[0].split() == ["seed", "status", "update", *METRICS]
    assert lines[1].split()[:3] == ["3", "completed", "18"]
    assert lines[1].split()[-1] == f"{100 * found['test_accuracy'][0]:.2f}%"
    assert [line.split()[0] for line in lines[4:6]] == ["mean", "std"]
    assert lines[4].split()[1] == f"{found.mean['train_loss']:.4f}"
    assert len({len(line) for line in lines[:6]}) == 1
    assert lines[6] == "mean and std (divisor n - 1) of 3 of 3 seeds"
    assert repr(found) == "Repeats(3 seeds, 3 complete)"


def test_it_is_a_table_for_pandas_and_plots(found: gs.Repeats) -> None:
    frame = found.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(found)
    assert frame["test_accuracy"].std() == pytest.approx(found.std["test_accuracy"])
    (axes,) = gs.plots.over_parameter(found, "seed", "test_accuracy").axes
    assert sorted(axes.lines[0].get_xdata()) == [1, 3, 4]
    with pytest.raises(InvalidParameterError, match=r"Repeats has no column 'accuracy'; it has seed,"):
        found["accuracy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trainer": "t"}, r"`trainer` of repeat must be a Trainer or Regressor, got 't'"),
        ({"seeds": 0}, r"`seeds` of repeat must be >= 1, got 0"),
        ({"seeds": 2.5}, r"`seeds` of repeat must be an int or a tuple or list, .*got 2.5"),
        ({"seeds": "12"}, r"`seeds` of repeat must be an int or .*got '12'"),
        ({"seeds": [1, -1]}, r"`seeds` of repeat must be .*got \[1, -1\]"),
        ({"seeds": []}, r"`seeds` of repeat must be one or more, all different, got \[\]"),
        ({"seeds": [1, 1]}, r"`seeds` of repeat must be one or more, all different, got \[1, 1\]"),
        ({"test_set": make_rows()[0]}, r"test_set of repeat must be a pair \(X, y\) or .*got array of shape"),
        ({"eval_set": 3}, r"eval_set of repeat must be a pair"),
        (
            {"test_set": (make_rows()[0], np.arange(60))},
            r"test rows of repeat: .* only labels that Trainer.fit has",
        ),
        ({"test_set": (np.zeros((2, 3)), [0, 1])}, r"test rows of repeat: X has 3 features"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    X, y = make_rows()
    with pytest.raises((InvalidParameterError, InvalidDataError), match=message):
        gs.repeat(**{"trainer": make_trainer(), "X": X, "y": y, **arguments})


@pytest.mark.parametrize("seeds", [(2, 5), range(2, 6, 3), np.array([2, 5])], ids=repr)
def test_seeds_may_be_any_sequence_of_ints(seeds: object) -> None:
    assert gs.repeat(make_trainer(epochs=1), *make_rows(), seeds=seeds)["seed"].tolist() == [2, 5]


def test_a_regressor_has_its_own_metrics() -> None:
    X, y = make_rows()
    regressor = gs.Regressor(epochs=3, batch_size=10, optimizer="adam", backend="numpy")
    found = gs.repeat(regressor, X, y + 0.5, seeds=2, test_set=make_rows(2))
    names = ["loss", "cost", "r2", "mean_absolute_error"]
    assert found.metrics == [f"{split}_{name}" for split in ("train", "test") for name in names]
    metrics = found.trainers[1].evaluate(*make_rows(2))
    assert [found[f"test_{name}"][1] for name in names] == list(metrics.values())
    assert "mean_absolute_error" in str(found)


def test_further_metrics_and_indicators_have_columns() -> None:
    X, y = make_rows()
    trainer = make_trainer(metrics=["f1"])
    assert gs.repeat(trainer, X, y, seeds=1).metrics == [*METRICS[:3], "train_f1"]
    found = gs.repeat(make_trainer(loss="multilabel"), X, np.eye(3)[y], seeds=1)
    assert found.metrics == ["train_loss", "train_cost", "train_subset_accuracy", "train_f1"]
