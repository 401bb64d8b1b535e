"""Histograms of the probability of the true class: what is counted is what the network predicts."""

from __future__ import annotations

import numpy as np
import pytest

import gradstep as gs
from gradstep import plots
from gradstep.errors import InvalidDataError, InvalidParameterError

NAMES = np.array(["ant", "bee", "cat"])


def make_rows(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    kinds = np.arange(n) % 3
    return rng.normal(size=(n, 4)) + rng.normal(size=(3, 4))[kinds], NAMES[kinds]


def make_trainer(**parameters: object) -> gs.Trainer:
    return gs.Trainer(epochs=3, backend="numpy", random_state=0, **parameters).fit(*make_rows())


def heights(patch: object) -> np.ndarray:
    """Return the counts of a filled histogram: the upper corners of its outline, a pair per bin."""
    corners = patch.get_xy()
    bins = (len(corners) - 1) // 4
    return corners[1 : 2 * bins + 1 : 2, 1]


def test_counts_are_those_of_the_rows() -> None:
    X, y = make_rows()
    trainer = make_trainer()
    (axes,) = plots.probability_histograms(trainer, X, y, bins=10).axes
    correct = trainer.predict(X) == y
    probability = np.array([trainer.predict_proba(X)[i, list(NAMES).index(name)] for i, name in enumerate(y)])
    assert 0 < correct.sum() < len(y)
    for patch, chosen in zip(axes.patches[:2], (correct, ~correct), strict=True):
        expected = [((probability[chosen] * 10).astype(int) == i).sum() for i in range(10)]
        np.testing.assert_array_equal(heights(patch), expected)
    assert axes.get_title(loc="left") == f"{100 * correct.mean():.1f}% correct"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("probability of the true class", "rows")
    assert axes.get_xlim() == (0, 1)


def test_both_losses_side_by_side_share_their_axes() -> None:
    X, y = make_rows()
    trainers = {loss: make_trainer(loss=loss) for loss in ("softmax", "sigmoid")}
    figure = plots.probability_histograms(trainers, X, y, title="Both")
    left, right = figure.axes
    assert left.get_ylim() == right.get_ylim()
    assert left.get_title(loc="left").startswith("softmax: ")
    assert right.get_title(loc="left").startswith("sigmoid: ")
    assert figure.get_suptitle() == "Both"
    for axes in figure.axes:
        assert sum(heights(patch).sum() for patch in axes.patches[:2]) == len(y)
    # The sigmoids of a row do not sum to 1: a correct row may have less than a third.
    assert not np.array_equal(heights(left.patches[0]), heights(right.patches[0]))
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not any(legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)


def test_kinds_of_rows_differ_in_colour_and_hatching() -> None:
    axes = plots.probability_histograms(make_trainer(), *make_rows()).axes[0]
    correct, face, hatched = axes.patches
    assert [patch.get_hatch() for patch in axes.patches] == [None, None, "////"]
    assert correct.get_edgecolor() != hatched.get_edgecolor()
    # A face that is no colour is what SVG and PDF can hatch.
    assert hatched.get_facecolor()[3] == 0
    np.testing.assert_array_equal(face.get_xy(), hatched.get_xy())


def test_more_trainers_than_fit_into_a_row() -> None:
    trainer = make_trainer()
    figure = plots.probability_histograms({f"_{i}$": trainer for i in range(4)}, *make_rows())
    assert [axes.get_title(loc="left")[:3] for axes in figure.axes] == ["_0$", "_1$", "_2$", "_3$"]
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 2)
    figure.draw_without_rendering()


def test_nothing_wrong_is_an_empty_histogram() -> None:
    X, y = make_rows()
    trainer = make_trainer()
    right = trainer.predict(X) == y
    (axes,) = plots.probability_histograms(trainer, X[right], y[right]).axes
    assert axes.get_title(loc="left") == "100.0% correct"
    assert heights(axes.patches[1]).sum() == 0


def test_labels_may_be_a_list_of_some_classes() -> None:
    X, _ = make_rows()
    trainer = make_trainer()
    (axes,) = plots.probability_histograms(trainer, X[:2].tolist(), ["cat", "bee"], bins=1).axes
    correct = trainer.predict(X[:2]) == ["cat", "bee"]
    assert [heights(patch).tolist() for patch in axes.patches[:2]] == [[correct.sum()], [2 - correct.sum()]]


def test_what_cannot_be_drawn_is_refused() -> None:
    X, y = make_rows()
    trainer = make_trainer()
    with pytest.raises(
        InvalidParameterError,
        match=r"trainer 'x' of .* must be a fitted Trainer of one label a row, got Trainer",
    ):
        plots.probability_histograms({"x": gs.Trainer()}, X, y)
    with pytest.raises(InvalidParameterError, match=r"the trainer of probability_histograms must be .*got 3"):
        plots.probability_histograms(3, X, y)
    for other in (
        gs.Regressor(epochs=1, backend="numpy").fit(X, X[:, 0]),
        gs.Trainer(loss="multilabel", epochs=1, backend="numpy").fit(X, (X > 0).astype(int)),
    ):
        with pytest.raises(InvalidParameterError, match=r"must be a fitted Trainer of one label a row, got"):
            plots.probability_histograms(other, X, y)
    with pytest.raises(InvalidParameterError, match="needs at least one trainer"):
        plots.probability_histograms({}, X, y)
    with pytest.raises(InvalidParameterError, match=r"`bins` of probability_histograms must be >= 1, got 0"):
        plots.probability_histograms(trainer, X, y, bins=0)
    with pytest.raises(
        InvalidDataError, match=r"must have only labels that Trainer.fit has seen, got \['dog'\]"
    ):
        plots.probability_histograms(trainer, X, np.where(y == "cat", "dog", y))
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples|per row of X"):
        plots.probability_histograms(trainer, X, y[:5])
