"""A value that a list has twice makes trials that differ in nothing: that is told."""

import numpy as np
import pytest

import gradstep as gs
import makers
from gradstep import cli

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 2


@pytest.mark.parametrize(
    "space, said",
    [
        ({"l2": [0.1, 0, 0.1]}, r"`l2` in the space of {} has 0\.1 twice: those trials are equal$"),
        (
            {"hidden": [(5,), (5,)]},
            r"`hidden` .* has \(5,\) twice: .*; a network of several layers is one value",
        ),
        ({"hidden": [[5], [5]]}, r"`hidden` in the space of {} has \[5\] twice"),
        ({"l2": [0, 0.0]}, r"`l2` in the space of {} has 0\.0 twice"),
    ],
)
def test_lists_with_a_value_twice(space, said):
    trainer = makers.trainer(epochs=1)
    for owner, search in (
        ("Sweep", gs.Sweep(trainer, space)),
        ("FusedSearchCV", gs.FusedSearchCV(trainer, space, cv=2)),
    ):
        with pytest.warns(UserWarning, match=said.format(owner)) as caught:
            search.fit(X, Y)
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_other_lists_are_quiet():
    space = {"hidden": [(5,), (5, 5)], "l2": [0, 1e-3], "learning_rate": [0.1, gs.schedules.Constant(0.1)]}
    assert gs.Sweep(makers.trainer(epochs=1), space).fit(X, Y).results_.n_rows == 8


@pytest.mark.filterwarnings("default")
def test_on_the_command_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("rows.npz", X=X, y=Y)
    line = "sweep --data rows.npz --epochs 1 --backend numpy --quiet --param hidden=50,50"
    assert cli.main(line.split()) == 0
    assert "--hidden in the space of Sweep has (50,) twice" in capsys.readouterr().err
