"""The parts of a search by themselves: what is drawn, what parts a pass, tables, memory."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import RandomizedSearchCV

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.nn import schedules
from gradstep.plan.settings import OWN, TRAINER
from gradstep.search.groups import MOST_MODELS, Limits, Sizes, partition
from gradstep.search.results import concatenate
from gradstep.search.spaces import draw
from gradstep.utils import memory
from sweep_cases import HELD_OUT, X, Y, trainer

SIZES = Sizes(67, 5, 3)
FINITE = st.floats(-1e6, 1e6)


def partitions(trainers, memory=None, most=MOST_MODELS):
    return partition([own.settings() for own in trainers], SIZES, Limits(memory, most))


def drawn(space, n_trials=None, seed=0):
    return draw(space, tuple(TRAINER), n_trials, seed)


def test_a_grid_is_every_combination():
    space = {"l2": [0.0, 0.1], "hidden": ((), (5,)), "epochs": range(1, 3), "batch_size": np.array([8, 16])}
    found = drawn(space)
    assert len(found) == 16
    assert found[:3] == [
        {"l2": 0.0, "hidden": (), "epochs": 1, "batch_size": 8},
        {"l2": 0.0, "hidden": (), "epochs": 1, "batch_size": 16},
        {"l2": 0.0, "hidden": (), "epochs": 2, "batch_size": 8},
    ]
    assert type(found[0]["batch_size"]) is int
    assert len({tuple(params.values()) for params in found}) == 16


@pytest.mark.parametrize(
    "distribution, cdf",
    [
        (gs.Uniform(2, 4), lambda x: (x - 2) / 2),
        (gs.LogUniform(1e-4, 1), lambda x: np.log(x / 1e-4) / np.log(1e4)),
    ],
)
def test_draws_are_spread_as_they_say(distribution, cdf):
    values = np.array([params["l2"] for params in drawn({"l2": distribution}, 4000)])
    # Kolmogorov's distance of 4,000 draws exceeds 0.03 once in a thousand times.
    assert np.abs(np.sort(cdf(values)) - (np.arange(4000) + 0.5) / 4000).max() < 0.03


@pytest.mark.parametrize("values", [gs.IntUniform(3, 6), gs.Choice([3, 4, 5, 6]), [3, 4, 5, 6]])
def test_whole_numbers_and_choices_are_equally_likely(values):
    counts = np.bincount(
        [params["l2"] for params in drawn({"l2": values, "epochs": gs.IntUniform(1, 2)}, 4000)]
    )
    assert counts[:3].tolist() == [0, 0, 0]
    assert (np.abs(counts[3:] - 1000) < 120).all()
    assert len(counts) == 7


def test_more_trials_than_allowed_are_refused_before_they_are_made():
    grid = {"l2": range(10_000), "epochs": range(1, 10_001)}
    message = "`max_trials` of {} must be at least the {} settings that there are to try, got {}: try fewer"
    for space, n_trials, count in (
        (grid, None, "100,000,000"),
        ({"l2": gs.Uniform(0, 1)}, 10**9, "1,000,000,000"),
        ([grid, grid], None, "200,000,000"),
    ):
        with pytest.raises(InvalidParameterError, match=message.format("Sweep", count, "100,000")):
            gs.Sweep(trainer(), space, n_trials).fit(X, Y)
    for own in ({"param_grid": grid}, {"param_grid": {"l2": gs.Uniform(0, 1)}, "n_iter": 10**8}):
        with pytest.raises(
            InvalidParameterError, match=message.format("FusedSearchCV", "100,000,000", "100,000")
        ):
            gs.FusedSearchCV(trainer(), **own).fit(X, Y)
    few = {"l2": [0.0, 0.1, 0.2]}
    with pytest.raises(InvalidParameterError, match="at least the 3 settings that there are to try, got 2"):
        gs.Sweep(trainer(), few, max_trials=2).fit(X, Y)
    assert gs.Sweep(trainer(), few, max_trials=3).fit(X, Y).results_.n_trials == 3


def test_draws_follow_from_the_seed():
    space = {"l2": gs.LogUniform(1e-5, 1), "hidden": [(), (5,)]}
    assert drawn(space, 5, 1) == drawn(space, 5, 1) == drawn(space, 5, np.random.RandomState(1))
    assert drawn(space, 5, 1) != drawn(space, 5, 2)


@given(low=FINITE, length=st.floats(0, 1e6), place=st.floats(0, 1), share=st.floats(0.01, 1))
def test_a_narrower_range_lies_within_and_around(low, length, place, share):
    whole = gs.Uniform(low, low + length)
    value = low + place * length
    part = whole.around(value, share)
    slack = 1e-9 * (abs(low) + length + 1)
    assert whole.low - slack <= part.low <= value + slack
    assert value - slack <= part.high <= whole.high + slack
    assert part.high - part.low == pytest.approx(share * length, abs=slack)


def test_narrower_ranges_of_each_kind():
    whole = gs.LogUniform(1e-4, 1)
    for value, ends in ((1e-2, (1e-3, 1e-1)), (1, (1e-2, 1)), (1e-4, (1e-4, 1e-2))):
        part = whole.around(value, 0.5)
        assert (part.low, part.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
        assert whole.low <= part.low < part.high <= whole.high
    assert gs.IntUniform(0, 100).around(50, 0.1) == gs.IntUniform(45, 55)
    assert gs.IntUniform(0, 100).around(0, 0.1) == gs.IntUniform(0, 10)


def test_distributions_serve_scikit_learns_searches():
    space = {"l2": gs.LogUniform(1e-4, 1e-1), "epochs": gs.IntUniform(2, 4), "loss": gs.Choice(["softmax"])}
    search = RandomizedSearchCV(trainer(), space, n_iter=3, cv=2, random_state=0).fit(X, Y)
    assert {2, 3, 4} >= set(search.cv_results_["param_epochs"])


def test_all_parameters_are_shared_but_those_of_a_model():
    assert set(OWN) < set(TRAINER)
    other = {
        "l2": 0.5,
        "dropout": 0.5,
        "learning_rate": 0.5,
        "init": "xavier",
        "early_stopping": gs.EarlyStopping(),
        "verbose": 1,
    }
    other["callbacks"] = (print,)
    # Numbers of a model, but of groups of their own: there all models clip, or average.
    parting = {"clip_norm": 1.0, "clip_value": 1.0, "average": gs.averaging.EMA()}
    assert set(other) | set(parting) == set(OWN)
    trainers = [trainer(), *(trainer(**{name: value}) for name, value in other.items())]
    assert [part.models for part in partitions(trainers)] == [tuple(range(len(trainers)))]


def test_models_that_clip_or_average_part_from_those_that_do_not():
    trainers = [trainer(), trainer(clip_norm=1.0), trainer(clip_norm=2.0, clip_value=0.5)]
    trainers += [trainer(average=gs.averaging.EMA(decay=decay)) for decay in (0.9, 0.99)]
    assert [part.models for part in partitions(trainers)] == [(0,), (1, 2), (3, 4)]


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden": (5,)}, {"loss": "sigmoid"}, {"batch_size": 9}, {"epochs": 5}, {"shuffle": False},
        {"standardize": False}, {"evaluate_every": 7}, {"precision": "float64"}, {"backend": "auto"},
        {"n_threads": 2}, {"random_state": 1},
    ],
)  # fmt: skip
def test_what_a_pass_parts_makes_groups_and_is_the_reason(parameters):
    parts = partitions([trainer(), trainer(**parameters), trainer(l2=0.1)])
    assert [part.models for part in parts] == [(0, 2), (1,)]
    ((name, value),) = parameters.items()
    assert parts[1].reason == f"{name}={value!r}"


def test_the_same_said_in_other_ways_is_one_group():
    trainers = [trainer(hidden=[5], batch_size=67), trainer(hidden=(np.int64(5),), batch_size=100)]
    trainers.append(trainer(hidden=(5,), batch_size=np.int32(67)))
    assert [part.models for part in partitions(trainers)] == [(0, 1, 2)]
    auto = [trainer(batch_size="auto"), trainer(batch_size=1)]
    assert len(partitions(auto)) == 1


@given(
    kinds=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    memory=st.one_of(st.none(), st.integers(1, 20_000)),
    most=st.integers(1, 10),
)
def test_every_model_is_in_one_group_and_no_group_too_large(kinds, memory, most):
    trainers = [trainer(epochs=1 + kind) for kind in kinds]
    parts = partitions(trainers, memory, most)
    assert sorted(model for part in parts for model in part.models) == list(range(len(kinds)))
    for part in parts:
        of_one_kind = {kinds[model] for model in part.models}
        assert len(of_one_kind) == 1
        (kind,) = of_one_kind
        # 18 parameters of 4 bytes in 4 blocks, and 8 bytes for each of 9 updates an epoch.
        each = 18 * 4 * 4 + 8 * 9 * (1 + kind)
        assert len(part.models) <= most
        assert memory is None or len(part.models) == 1 or each * len(part.models) <= memory
        assert ("cut into" in part.reason) == (len(part.models) < kinds.count(kind))
        assert list(part.models) == sorted(part.models)


def test_the_reasons_for_cuts():
    trainers = [trainer() for _ in range(2 * MOST_MODELS + 1)]
    parts = partitions(trainers)
    assert [len(part.models) for part in parts] == [43, 43, 43]
    assert parts[0].reason == "all models are alike; cut into 3, for a group has at most 64 models"
    parts = partitions(trainers[:4], memory=1500)
    assert parts[0].reason == "all models are alike; cut into 2, for 1,500 bytes hold 2 models of 576"


def test_memory_that_is_left(tmp_path):
    assert memory.available(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 16 kB\nMemFree: 1 kB\nMemAvailable:       8 kB\n")
    assert memory.available(tmp_path) == 8192
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("3000\n")
    assert memory.available(tmp_path) == 8192
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("5000\n")
    assert memory.available(tmp_path) == 2000


def test_columns_of_a_table():
    columns = {
        "trial": [0, 1, 2],
        "l2": [0, 0.5, 1.0],
        "shuffle": [True, False, True],
        "hidden": [(5,), (6,), (7,)],
        "init": ["he", gs.He(seed=np.int64(3)), gs.Normal(0.5)],
        "score": [0.5, math.nan, 0.25],
    }
    table = gs.Results(columns, ["l2"])
    kinds = {name: column.dtype.kind for name, column in table.items()}
    assert kinds == {"trial": "i", "l2": "f", "shuffle": "b", "hidden": "O", "init": "O", "score": "f"}
    assert list(table.rows())[1]["hidden"] == (6,)
    assert table.ranking().tolist() == [2, 0, 1]
    assert gs.Results(columns, ["l2"], larger_is_better=True).ranking().tolist() == [0, 2, 1]


def test_trials_that_came_to_their_ends_stand_first():
    columns = {
        "l2": [1, 2, 3, 4, 5, 6],
        "status": ["pruned", "completed", "diverged", "early_stopped", "interrupted", "pruned"],
        "score": [0.1, 0.9, np.nan, 0.5, 0.6, 0.05],
    }
    assert gs.Results(columns, ["l2"]).ranking().tolist() == [3, 1, 4, 5, 0, 2]
    assert gs.Results(columns, ["l2"], larger_is_better=True).ranking().tolist() == [1, 3, 4, 0, 5, 2]
    with pytest.raises(InvalidDataError, match="the columns of Results must have one length, got"):
        gs.Results(columns | {"trial": [0]}, ["l2"])


def test_objects_of_a_table_as_json(tmp_path):
    values = [
        schedules.Piecewise((1,), (0.5, 0.1)),
        gs.He(seed=np.int64(3)),
        print,
        [1, (2.5, None)],
        math.inf,
    ]
    gs.Results({"value": values}, ["value"]).to_json(tmp_path / "table.json")
    rows = json.loads((tmp_path / "table.json").read_text())
    assert [row["value"] for row in rows] == [
        {"schedule": "Piecewise", "boundaries": [1.0], "rates": [0.5, 0.1]},
        {"init": "He", "seed": 3},
        repr(print),
        [1, [2.5, None]],
        None,
    ]


def test_tables_below_each_other():
    first = gs.Results({"trial": [0, 1], "l2": [0.1, 0.2], "score": [1.0, 0.5]}, ["l2"])
    second = gs.Results({"trial": [0], "epochs": [3], "score": [0.1]}, ["epochs"])
    table = concatenate([first, second], "round")
    assert list(table) == ["round", "trial", "l2", "score", "epochs"]
    assert table["round"].tolist() == [1, 1, 2]
    assert table.parameters == ("l2", "epochs")
    assert np.isnan(table["l2"][2])
    assert table["epochs"].tolist()[2] == 3


def test_a_long_table_is_cut():
    table = gs.Results({"trial": range(40), "score": np.linspace(1, 0, 40).tolist()}, [])
    lines = str(table).splitlines()
    assert len(lines) == 32
    assert lines[1].split() == ["39", "0"]
    assert lines[-1] == "... and 10 more"


def test_grids_follow_each_other() -> None:
    space = [{"l2": [0.1], "batch_size": [8, 16]}, {"l2": [0.0, 1.0], "batch_size": [4]}]
    expected = [(0.1, 8), (0.1, 16), (0.0, 4), (1.0, 4)]
    assert [(t["l2"], t["batch_size"]) for t in draw(space, ["l2", "batch_size"], None, None)] == expected


def test_grids_may_have_different_parameters() -> None:
    space = [{"hidden": [()]}, {"hidden": [(5,)], "dropout": [0.1, 0.5]}]
    sweep = gs.Sweep(trainer(epochs=2), space, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    assert [trial.params for trial in sweep.trials_] == [
        {"hidden": ()},
        {"hidden": (5,), "dropout": 0.1},
        {"hidden": (5,), "dropout": 0.5},
    ]
    assert np.isnan(sweep.results_["dropout"][0])
    assert [model.dropout for model in sweep.trainers_] == [0.0, 0.1, 0.5]


@pytest.mark.parametrize("space", [[{"l2": [1]}, {"batch": [1]}], [{"l2": [1]}, {}], [{"l2": [1]}, 3]])
def test_every_grid_is_checked(space: object) -> None:
    with pytest.raises(InvalidParameterError, match=r"^`space` of Sweep"):
        draw(space, ["l2", "batch_size"], None, None)
