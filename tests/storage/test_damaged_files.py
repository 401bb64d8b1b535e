"""Nothing that is truncated, altered or forged is taken for a model."""

import json
import math
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import numpy as safetensors

import gradstep as gs
from gradstep.errors import CorruptFileError
from model_files import X, Y, forged, put, refused, tensor, trainer

KINDS = pytest.mark.parametrize("kind", [gs.Trainer, gs.Regressor], ids=lambda kind: kind.__name__)


@KINDS
def test_truncation_at_every_byte(scratch, content, regression, kind):
    whole = content if kind is gs.Trainer else regression
    scratch.write_bytes(whole)
    for length in reversed(range(len(whole))):
        os.truncate(scratch, length)
        refused(scratch, kind=kind)


@KINDS
def test_every_byte_flipped(scratch, content, regression, kind):
    whole = content if kind is gs.Trainer else regression
    scratch.write_bytes(whole)
    with scratch.open("r+b", buffering=0) as file:
        for place, byte in enumerate(whole):
            for value in (byte ^ 1 << place % 8, byte):
                file.seek(place)
                file.write(bytes([value]))
                if value != byte:
                    refused(scratch, kind=kind)
    kind.load(scratch)


@given(data=st.data())
def test_any_other_alteration(scratch, content, data):
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    other = data.draw(st.binary(max_size=40))
    if content[start:end] != other:
        refused(scratch, content[:start] + other + content[end:])


@pytest.mark.parametrize(
    "other",
    [b"", b"\x00" * 100, b"\xff" * 100, b"PK\x03\x04", safetensors.save({"a": np.ones(3)})],
    ids=["empty", "zeros", "ones", "zip", "other safetensors"],
)
def test_files_of_another_kind(scratch, other):
    refused(scratch, other, "is not a whole gradstep model")


def test_a_table_is_told_from_half_a_model(scratch):
    refused(scratch, b"a,b,y\n" * 20, "it does not begin as one")


def test_a_header_of_brackets(scratch):
    header = json.dumps({"__metadata__": {"gradstep": "[" * 100_000}}).encode()
    refused(scratch, len(header).to_bytes(8, "little") + header, "header is not that of a gradstep model")


def test_forging_without_a_change_gives_the_file(content):
    assert forged(content, lambda header, arrays: None) == content


def _schema(**entries):
    return {"columns": [], "target": None, "class_names": []} | entries


FORGERIES = [
    (put("version", to=1), "its format is version 1, this gradstep reads version 7"),
    (put("version", to="1"), "its format is version '1'"),
    (put("params", "l2", to=-1), "`l2` of Trainer must be >= 0, got -1"),
    (put("params", "hidden", to="ab"), "`hidden` of Trainer must be"),
    (put("params", "hidden", to=None), "`hidden` of Trainer must be a tuple or list"),
    (put("params", "backend", to="os.system"), "`backend` of Trainer must be one of"),
    (put("params", "callbacks", to=["print"]), "parameters are not those of Trainer"),
    (put("params", to={}), "parameters are not those of Trainer"),
    (put("params", to=None), "not iterable"),
    (put("params", "init", to={"init": "Normal", "std": -1}), "`std` of Normal must be >= 0"),
    (
        put("params", "init", to={"init": "Normal", "sdt": 1}),
        "Normal has no parameter 'sdt'; did you mean std",
    ),
    (put("params", "init", to={"init": "He", "seed": -1}), "`seed` of He must be >= 0"),
    (
        put("params", "init", to={"init": "eval"}),
        "must be one of He, Xavier, Normal, got 'eval'",
    ),
    (
        put("params", "augment", to={"augment": "eval"}),
        "must be one of HorizontalFlip, Translate, Compose, got",
    ),
    (put("params", "augment", to={"augment": "Compose"}), "augment Compose cannot have the fields"),
    (
        put("params", "augment", to={"augment": "HorizontalFlip", "image_shape": None, "p": 2}),
        "`p` of HorizontalFlip must be <= 1, got 2",
    ),
    (
        put("params", "early_stopping", to={"early_stopping": "EarlyStopping", "patience": 0}),
        "`patience` of EarlyStopping must be >= 1",
    ),
    (put("params", "learning_rate", to={"schedule": "eval"}), "a schedule must be one of"),
    (put("params", "learning_rate", to={"schedule": "StepDecay", "start": -1}), "StepDecay"),
    (put("params", "learning_rate", to={"schedule": "Cosine", "high": "1"}), "`high` of Cosine must be"),
    (
        put("params", "learning_rate", to={"schedule": "Piecewise", "boundaries": [1], "rates": [1]}),
        "one more",
    ),
    (put("params", "learning_rate", to=0.1), "unknown tensors: learning_rates"),
    (put("sizes", to=[4, 5]), "'W0' must be float32 of shape \\(4, 5\\), got float32 of \\(4, 3\\)"),
    (put("sizes", to=[4]), "layer sizes must be two ints >= 1 or more, got \\[4\\]"),
    (put("sizes", to=[4, -3]), "layer sizes must be"),
    (put("sizes", to=[4, 2, 3]), "'W0' must be"),
    (put("dtype", to="float64"), "'W0' must be float64"),
    (put("dtype", to="int8"), "precision must be float32 or float64"),
    (put("targets", "classes", "values", to=[0, 1]), "class labels must be 3 different ones, got 2"),
    (put("targets", "classes", "values", to=[0, 1, 1]), "class labels must be 3 different ones"),
    (put("targets", "classes", "values", to=["a", "b", "c"]), "class labels do not fit their dtype"),
    (put("targets", "classes", "dtype", to="U2000000000"), "class labels are not numbers"),
    (put("targets", "classes", "dtype", to="V8"), "class labels are not numbers"),
    (put("targets", "classes", to=[]), "list indices must be"),
    (put("feature_names", to=["a"]), "feature names must be 4 strings"),
    (put("feature_names", to=[1, 2, 3, 4]), "feature names must be 4 strings"),
    (put("schema", to=[]), "a schema has columns, target and class_names"),
    (put("schema", to=_schema(columns=None)), "columns of a schema must be a list"),
    (put("schema", to=_schema(columns=[{"name": "a", "fill": 1.0}])), "must make 4 inputs"),
    (put("schema", to=_schema(columns=[{"name": "a", "fill": "1"}] * 4)), "a column of a schema must have"),
    (put("schema", to=_schema(columns=[{"name": "a", "fill": math.inf}] * 4)), "a column of a schema must"),
    (put("schema", to=_schema(columns=[{"name": "a", "fill": 1.0}] * 4)), "must make 4 inputs"),
    (put("schema", to=_schema(columns=[{"name": 3, "fill": 1.0}])), "a column of a schema must have"),
    (
        put("schema", to=_schema(columns=[{"name": "a", "categories": ["b", "b"]}])),
        "a column of a schema must",
    ),
    (put("schema", to=_schema(columns=[{"name": "a", "categories": [1]}])), "categories of a schema must be"),
    (put("schema", to=_schema(target=3)), "target of a schema must be a name, got 3"),
    (put("schema", to=_schema(class_names=["a", "b"])), "a schema must name 3 classes, got 2"),
    (put("schema", to=_schema(class_names="abc")), "class names of a schema must be a list of strings"),
    (put("n_iter", to="many"), "'n_iter' must be of type int"),
    (put("batch_size", to="auto"), "'batch_size' must be of type int"),
    (put("status", to=0), "'status' must be of type str"),
    (put("status", to="finished"), "'finished' is not a valid Status"),
    (put("updates_per_epoch", to=0), "'updates_per_epoch' must be >= 1, got 0"),
    (put("n_threads", to=0.5), "'n_threads' must be of type int"),
    (put("estimator", to="Regressor"), "it is a model of 'Regressor', not of Trainer"),
    (put("estimator", to=None), "it is a model of None, not of Trainer"),
    (put("loss", to={"loss": "eval"}), "a loss must be one of Softmax, .*, got 'eval'"),
    (put("loss", to={"loss": "Softmax", "label_smoothing": 2}), "`label_smoothing` of Softmax must be < 1"),
    (put("loss", to={"loss": "Sigmoid", "label_smoothing": 0}), "Sigmoid has no parameter 'label_smoothing'"),
    (put("loss", to={"loss": "Squared"}), "its loss takes values, its targets are labels"),
    (put("loss", to={"optimizer": "SGD"}), "it must name a loss, got"),
    (put("loss", to="softmax"), "it must name a loss, got 'softmax'"),
    (put("activations", to=[{"activation": "Relu"}]), "its activations must be 0, got 1"),
    (put("activations", to=None), "list of .*family activation, got None"),
    (put("metrics", to=[{"metric": "R3"}]), "a metric must be one of"),
    (put("metrics", to=[]), "unknown tensors: .*accuracy"),
    (put("metrics", to=[{"metric": "R2"}]), "lacks the tensor 'history/train_r2'"),
    (put("metrics", to=["accuracy"]), "it must name a metric, got 'accuracy'"),
    (put("l2", to=0), "'l2' must be of type float"),
    (put("params", "optimizer", to={"optimizer": "eval"}), "an optimizer must be one of SGD, .*, got 'eval'"),
    (put("params", "optimizer", to={"optimizer": "Adam", "beta1": 1}), "`beta1` of Adam must be < 1, got 1"),
    (put("params", "optimizer", to="eval"), "`optimizer` of Trainer must be one of"),
    (put("params", "activation", to={"activation": "LeakyRelu", "slope": 1}), "LeakyRelu has no parameter"),
    (put("params", "loss", to="squared"), "`loss` of Trainer must take"),
    (put("targets", to={"kind": "words"}), "its targets must be labels, indicators or values, got 'words'"),
    (put("targets", to={"kind": "indicators"}), "its loss takes labels, its targets are indicators"),
    (put("backend", to="cuda"), "backend must be one of cpp, numba, numpy, got 'cuda'"),
    (lambda header, arrays: header.pop("n_iter"), "n_iter"),
    (lambda header, arrays: arrays.pop("b0"), "lacks the tensor 'b0'"),
    (lambda header, arrays: arrays.pop("learning_rates"), "lacks the tensor 'learning_rates'"),
    (tensor("W1", np.ones(2)), "unknown tensors: W1"),
    (tensor("W0", lambda W: W * np.nan), "'W0' must be finite"),
    (
        tensor("W0", lambda W: W.T.copy()),
        "'W0' must be float32 of shape \\(4, 3\\), got float32 of \\(3, 4\\)",
    ),
    (tensor("b0", lambda b: b + np.inf), "'b0' must be finite"),
    (tensor("mean", lambda mean: mean.astype(np.float32)), "'mean' must be float64"),
    (tensor("scale", lambda scale: 0 * scale), "'scale' must be > 0"),
    (
        tensor("scale", lambda scale: scale[:2]),
        "'scale' must be float64 of shape \\(4,\\), got float64 of \\(2,\\)",
    ),
    (tensor("history/train_loss", np.ones(7)), "'history/train_loss' must be float64 of shape"),
    (tensor("history/train_loss", lambda a: a * np.inf), "'history/train_loss' must be finite, or NaN"),
    (tensor("history/running_loss", lambda a: a * np.nan), "'history/running_loss' must be finite"),
    (
        tensor("history/update", np.ones((1, 1), np.int64)),
        "'history/update' must be int64 of shape \\(any,\\)",
    ),
    (tensor("learning_rates", lambda rates: -rates), "'learning_rates' must be >= 0"),
]


@pytest.mark.parametrize("change, message", FORGERIES)
def test_forged_files(scratch, content, change, message):
    refused(scratch, forged(content, change), message)


REGRESSION_FORGERIES = [
    (put("targets", "one_axis", to=1), "'one_axis' must be of type bool"),
    (put("targets", "least", to="0"), "'least' must be of type float"),
    (put("targets", to={"kind": "values"}), "least|one_axis"),
    (tensor("target_mean", np.zeros(3)), "'target_mean' must be float64 of shape"),
    (tensor("target_scale", lambda scale: -scale), "'target_scale' must be > 0"),
    (tensor("target_scale", lambda scale: scale * np.nan), "'target_scale' must be finite"),
    (put("activations", to=[]), "its activations must be 1, got 0"),
    (put("activations", to=[{"activation": "Selu", "scale": 2}]), "Selu has no parameter 'scale'"),
    (put("params", "standardize_targets", to="yes"), "`standardize_targets` of Regressor must be True or"),
    (put("params", "loss", to="softmax"), "`loss` of Regressor must take values"),
]


@pytest.mark.parametrize("change, message", REGRESSION_FORGERIES)
def test_forged_files_of_a_regressor(scratch, regression, change, message):
    refused(scratch, forged(regression, change), message, gs.Regressor)


@pytest.mark.parametrize("evaluate_every", ["running", None])
def test_train_metrics_are_all_there_or_all_missing(scratch, tmp_path, evaluate_every):
    trainer(evaluate_every="epoch").fit(X, Y).set_params(evaluate_every=evaluate_every).save(tmp_path / "a")
    assert np.isfinite(gs.Trainer.load(tmp_path / "a").history_["train_loss"]).all()
    trainer(evaluate_every=evaluate_every).fit(X, Y).set_params(evaluate_every=2).save(tmp_path / "b")
    assert np.isnan(gs.Trainer.load(tmp_path / "b").history_["train_loss"]).all()
    some = tensor("history/train_loss", lambda column: np.where(np.arange(len(column)) == 1, np.nan, column))
    refused(scratch, forged((tmp_path / "a").read_bytes(), some), "must be finite, or NaN throughout")


# Nothing asks for more memory than its size explains


def asked_for(scratch, content):
    """Return the most bytes that Python and NumPy held while a file was refused."""
    scratch.write_bytes(content)
    tracemalloc.start()
    try:
        refused(scratch)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_one_long_label_does_not_make_all_of_them_long(scratch, content):
    names = [*map(str, range(1999)), "x" * 200_000]

    def change(header, arrays):
        header["sizes"] = [4, 2000]
        header["targets"]["classes"] = {"dtype": "U", "values": names}
        arrays["W0"], arrays["b0"] = np.zeros((4, 2000), np.float32), np.zeros(2000, np.float32)

    file = forged(content, change)
    assert asked_for(scratch, file) < 20 * len(file)


@pytest.mark.parametrize("piece", ["[],", "{},", "0,", '"",'])
def test_a_text_of_many_values_is_not_even_parsed(scratch, content, piece):
    many = json.loads(f"[{piece * 500_000}0]")
    file = forged(content, put("params", "hidden", to=many))
    del many
    assert asked_for(scratch, file) < 8 * len(file)


def test_a_large_file_of_another_kind_is_not_read_into_memory(scratch, content):
    length = int.from_bytes(content[:8], "little")
    tracemalloc.start()
    for head in (b"", b"\xff" * 100, content[: 8 + length]):
        scratch.write_bytes(head)
        os.truncate(scratch, 100_000_000)
        refused(scratch)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def nested(depth):
    step = {"augment": "HorizontalFlip", "p": 0.5, "image_shape": None}
    for _ in range(depth):
        step = {"augment": "Compose", "steps": [step], "image_shape": None}
    return step


def test_what_is_nested_deeply_is_refused_and_what_is_not_can_be_used(scratch, content):
    scratch.write_bytes(forged(content, put("params", "augment", to=nested(20))))
    model = gs.Trainer.load(scratch)
    assert repr(model).count("Compose") == 20
    model.save(scratch)
    for depth in (30, 320):
        refused(scratch, forged(content, put("params", "augment", to=nested(depth))), "nested .* deep, more")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def places(node, path=()):
    """Yield the path of every value of a header."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in children:
        yield (*path, key)
        yield from places(value, (*path, key))


@given(data=st.data())
def test_any_other_header_is_refused_or_makes_a_model_that_works(scratch, content, data):
    def change(header, arrays):
        path = data.draw(st.sampled_from([place for place in places(header) if place != ("sha256",)]))
        put(*path, to=data.draw(JSON))(header, arrays)

    scratch.write_bytes(forged(content, change))
    tracemalloc.start()
    try:
        model = gs.Trainer.load(scratch)
    except CorruptFileError:
        return
    finally:
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        tracemalloc.stop()
    repr(model)
    assert model.set_params(backend="numpy", n_threads=None).predict_proba(X).shape == (150, 3)
    model.save(scratch)
    gs.Trainer.load(scratch)
