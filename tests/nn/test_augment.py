"""Augmentations as parameters: what they accept, which draws they give, and what Trainer makes of them."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from gradstep import cli
from gradstep.errors import InvalidParameterError
from gradstep.nn.augment import (
    IMAGE_SHAPE,
    MOST_PIXELS,
    ONE_TRANSLATE,
    STEPS,
    Augment,
    Compose,
    HorizontalFlip,
    Translate,
    on_images,
)
from gradstep.plan.build import make_augmentation as make
from gradstep.plan.order import Augmentation, RowOrder
from gradstep.utils.constraints import NUMBER, WHOLE
from makers import trainer

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, size=(60, 2 * 4 * 5)).astype(np.uint8)
Y = np.arange(60) % 3
SHAPE = (2, 4, 5)
BOTH = Compose([HorizontalFlip(0.3), Translate(2, "edge")], SHAPE)


@pytest.mark.parametrize("value", [*NUMBER.wrong, -0.1, 1.1])
def test_a_bad_probability(value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"^`p` of HorizontalFlip must be .*, got "):
        HorizontalFlip(value)


@pytest.mark.parametrize("value", [*WHOLE.wrong, -1, MOST_PIXELS + 1])
def test_bad_pixels(value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"^`pixels` of Translate must be .*, got "):
        Translate(value)


@pytest.mark.parametrize("value", ["mirror", None, 0])
def test_a_bad_fill(value: Any) -> None:
    with pytest.raises(
        InvalidParameterError, match=r"^`fill` of Translate must be one of 'zero', 'edge', got "
    ):
        Translate(1, value)


@pytest.mark.parametrize("value", IMAGE_SHAPE.wrong)
def test_a_bad_image_shape(value: Any) -> None:
    for maker in (HorizontalFlip(), Translate(0), Compose([HorizontalFlip()])):
        whose = type(maker).__name__
        with pytest.raises(
            InvalidParameterError, match=rf"^`image_shape` of {whose} must be a tuple .*, got "
        ):
            replace(maker, image_shape=value)


@pytest.mark.parametrize("value", [*STEPS.wrong, *ONE_TRANSLATE.wrong])
def test_bad_steps(value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"^`steps` of Compose must be .*, got "):
        Compose(value)


def test_translations_are_counted_inside_of_a_step_too() -> None:
    with pytest.raises(InvalidParameterError, match="must be of one Translate at most"):
        Compose([Translate(1), Compose([HorizontalFlip(), Translate(1)])])


def test_steps_must_have_one_image_shape() -> None:
    message = "`image_shape` of Compose must be one for all steps, got (4, 5) and (5, 4)"
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(message)}$"):
        Compose([HorizontalFlip(image_shape=(4, 5)), Translate(1, image_shape=(5, 4))])
    # Grey in two spellings is one shape.
    Compose([HorizontalFlip(image_shape=(4, 5)), Translate(1, image_shape=(1, 4, 5))])


@pytest.mark.parametrize("pixels, shape", [(4, SHAPE), (5, (5, 9)), (1, (1, 9))])
def test_a_translation_larger_than_the_image(pixels: int, shape: tuple[int, ...]) -> None:
    message = re.escape(
        f"`pixels` of Translate must be less than height and width of the images, "
        f"{shape[-2]} x {shape[-1]}, got {pixels}"
    )
    with pytest.raises(InvalidParameterError, match=f"^{message}$"):
        Translate(pixels, image_shape=shape)
    with pytest.raises(InvalidParameterError, match=f"^{message}$"):
        make(Compose([Translate(pixels)], shape), 7, int(np.prod(shape)), 0)


@pytest.mark.parametrize(
    "augment, message",
    [
        (
            HorizontalFlip(),
            "`image_shape` of HorizontalFlip is needed to train: it is never guessed, got None",
        ),
        (
            Compose([Translate(1)]),
            "`image_shape` of Compose is needed to train: it is never guessed, got None",
        ),
        (
            Translate(1, image_shape=(3, 5)),
            "the product of `image_shape` of Translate must be d = 40, got (1, 3, 5), whose product is 15",
        ),
        (
            Compose([HorizontalFlip(image_shape=(3, 32, 32))]),
            "the product of `image_shape` of Compose must be d = 40, got (3, 32, 32), whose product is 3072",
        ),
    ],
)
def test_training_needs_the_shape_of_its_images(augment: Any, message: str) -> None:
    # 40 = 2 * 4 * 5 could be many shapes: none is guessed.
    with pytest.raises(InvalidParameterError, match=f"^{re.escape(message)}$"):
        trainer(augment=augment).fit(X, Y)


def test_a_shape_is_given_to_what_has_none() -> None:
    assert on_images(HorizontalFlip(0.1), SHAPE) == HorizontalFlip(0.1, SHAPE)
    own = Compose([Translate(1, image_shape=(5, 8))])
    assert on_images(own, SHAPE) is own


def test_what_a_plan_gets() -> None:
    assert make(HorizontalFlip(0.3, SHAPE), 7, 40, 5) == Augmentation(7, 5, SHAPE, 0.3, 0, False)
    assert make(BOTH, 7, 40, 5) == Augmentation(7, 5, SHAPE, 0.3, 2, True)
    assert make(Translate(3, image_shape=(5, 8)), 7, 40, 5) == Augmentation(7, 5, (1, 5, 8), 0.0, 3, False)
    # Two flips are seen as one when one of them happens alone.
    twice = Compose([HorizontalFlip(0.25), HorizontalFlip(0.5)], SHAPE)
    assert make(twice, 7, 40, 5).flip == 0.25 * 0.5 + 0.75 * 0.5


def test_draws_have_the_distribution_that_was_asked_for() -> None:
    n, pixels = 60_000, 3
    draws = np.concatenate([Augmentation(n, 11, SHAPE, 0.3, pixels, True).epoch(e) for e in range(5)])
    assert draws.dtype == np.int16
    assert draws.shape == (5 * n, 3)
    # Within five standard deviations of the mean; the draws are the same on every machine.
    assert set(np.unique(draws[:, 0])) == {0, 1}
    assert abs(draws[:, 0].mean() - 0.3) < 5 * (0.3 * 0.7 / len(draws)) ** 0.5
    table = np.zeros((7, 7))
    np.add.at(table, (draws[:, 1] + pixels, draws[:, 2] + pixels), 1)
    # dy and dx are uniform, and know nothing of each other or of the flip: chi squared of 48 degrees.
    assert ((table - len(draws) / 49) ** 2 / (len(draws) / 49)).sum() < 48 + 5 * (2 * 48) ** 0.5
    assert np.abs(np.corrcoef(draws.T.astype(float)) - np.eye(3)).max() < 5 / len(draws) ** 0.5


def test_draws_at_the_ends_of_their_ranges() -> None:
    assert Augmentation(1000, 0, SHAPE, 1.0, 0, False).epoch(0).tolist() == [[1, 0, 0]] * 1000
    assert Augmentation(1000, 0, SHAPE, 0.0, 0, False).epoch(0).tolist() == [[0, 0, 0]] * 1000
    far = Augmentation(200_000, 0, (1, 40_000, 40_000), 0.0, MOST_PIXELS, False).epoch(0)
    assert far[:, 1:].min() >= -MOST_PIXELS
    assert far[:, 1:].min() < -0.99 * MOST_PIXELS
    assert far[:, 1:].max() > 0.99 * MOST_PIXELS


def test_draws_are_a_function_of_seed_and_epoch() -> None:
    changes = Augmentation(50, 3, SHAPE, 0.5, 2, False)
    first = changes.epoch(4).copy()
    assert not np.array_equal(changes.epoch(5), first)
    np.testing.assert_array_equal(changes.epoch(4), first)
    assert not np.array_equal(replace(changes, seed=4).epoch(4), first)
    # What is a draw's own does not depend on the others.
    np.testing.assert_array_equal(replace(changes, pixels=0).epoch(4)[:, 0], first[:, 0])
    np.testing.assert_array_equal(replace(changes, flip=0.0).epoch(4)[:, 1:], first[:, 1:])
    assert not changes.epoch(4).flags.writeable


def test_the_first_draws_are_pinned() -> None:
    draws = Augmentation(6, 1, SHAPE, 0.5, 2, False).epoch(0).tolist()
    assert draws == [[1, 2, 0], [0, -1, -2], [1, -1, 0], [1, 2, -2], [0, 0, 2], [1, -1, -1]]


def test_weights_and_order_are_those_without_augmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(RowOrder, "epoch", lambda self, number, *sort: seen.append(self) or np.arange(self.n))
    starts = [trainer(augment=augment, learning_rate=1e-300, epochs=1) for augment in (None, BOTH)]
    for one in starts:
        one.fit(X, Y)
    np.testing.assert_array_equal(starts[0].coefs_[0], starts[1].coefs_[0])
    assert len(set(seen)) == 1


def test_a_shared_generator_is_asked_for_the_same_numbers() -> None:
    generators = [np.random.RandomState(5) for _ in range(2)]
    for generator, augment in zip(generators, (None, BOTH), strict=True):
        trainer(augment=augment, random_state=generator).fit(X, Y)
    assert generators[0].randint(10**6) == generators[1].randint(10**6)


def test_a_trainer_learns_from_other_rows_and_measures_the_same() -> None:
    plain, changed = trainer().fit(X, Y), trainer(augment=BOTH).fit(X, Y)
    assert not np.allclose(plain.coefs_[0], changed.coefs_[0])
    np.testing.assert_array_equal(plain.standardization_.mean, changed.standardization_.mean)
    np.testing.assert_array_equal(plain.standardization_.scale, changed.standardization_.scale)
    # What is evaluated are the rows as they lie: for the train rows of the history, too.
    assert changed.evaluate(X, Y).loss == pytest.approx(changed.history_["train_loss"][-1], rel=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_nothing_depends_on_when_is_evaluated(backend: str) -> None:
    expected = trainer(augment=BOTH, backend=backend).fit(X, Y, eval_set=(X, Y))
    for every in (1, 3, 5, "running", None):
        other = trainer(augment=BOTH, backend=backend, evaluate_every=every).fit(X, Y)
        np.testing.assert_array_equal(other.coefs_[0], expected.coefs_[0])


def test_an_image_that_is_its_own_mirror_is_never_changed_by_a_flip() -> None:
    mirrored = np.concatenate([X.reshape(-1, 2, 4, 5), X.reshape(-1, 2, 4, 5)[..., ::-1]], axis=-1)
    rows = mirrored.reshape(len(X), -1)
    plain = trainer().fit(rows, Y)
    flipped = trainer(augment=HorizontalFlip(1, (2, 4, 10))).fit(rows, Y)
    np.testing.assert_array_equal(plain.coefs_[0], flipped.coefs_[0])


def test_a_sure_flip_is_the_training_on_mirrored_rows() -> None:
    mirror = np.ascontiguousarray(X.reshape(-1, *SHAPE)[..., ::-1]).reshape(X.shape)
    flipped = trainer(augment=HorizontalFlip(1, SHAPE), standardize=False, learning_rate=1e-6).fit(X, Y)
    mirrored = trainer(standardize=False, learning_rate=1e-6).fit(mirror, Y)
    np.testing.assert_array_equal(flipped.coefs_[0], mirrored.coefs_[0])


def test_clone_pickle_and_parts_as_parameters() -> None:
    model = trainer(augment=HorizontalFlip(0.25, SHAPE))
    assert clone(model).get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model)).augment == model.augment
    assert model.get_params()["augment__p"] == 0.25
    model.set_params(augment__p=0.75)
    assert model.augment == HorizontalFlip(0.75, SHAPE)
    with pytest.raises(InvalidParameterError, match="`p` of HorizontalFlip must be <= 1, got 2"):
        model.set_params(augment__p=2)
    with pytest.raises(InvalidParameterError, match="has no parameter 'pixels'"):
        model.set_params(augment__pixels=2)
    model.set_params(augment=BOTH, augment__steps=[Translate(1)])
    assert model.augment == Compose([Translate(1)], SHAPE)
    assert len({BOTH, Compose((HorizontalFlip(0.3), Translate(2, "edge")), SHAPE)}) == 1
    fitted = pickle.loads(pickle.dumps(model.fit(X, Y)))
    np.testing.assert_array_equal(fitted.predict(X), model.predict(X))


@pytest.mark.parametrize("augment", [HorizontalFlip(0.1), Translate(np.int64(2), "edge", (3, 4)), BOTH])
def test_plain_data_and_back(augment: Any) -> None:
    assert Augment.from_dict(json.loads(json.dumps(augment.to_dict()))) == augment


def test_the_command_line_takes_the_shape_from_the_data(
    capsys: pytest.CaptureFixture[str], numpy_backend: None
) -> None:
    words = [
        "train",
        "--data",
        "digits",
        "--augment",
        "flip,translate:1",
        "--epochs",
        "2",
        "--quiet",
        "--json",
    ]
    assert cli.main([*words, "--random-state", "0"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]["augment"]
    assert settings["augment"] == "Compose"
    assert settings["image_shape"] == [1, 8, 8]
    assert [step["augment"] for step in settings["steps"]] == ["HorizontalFlip", "Translate"]


@pytest.mark.parametrize(
    "word, message",
    [
        ("mirror", "or none, several with commas between, got 'mirror'"),
        ("translate", "got 'translate'"),
        ("flip,,flip", "got 'flip,,flip'"),
        ("flip:half", "must be flip[:P[:IMAGE_SHAPE]], got 'flip:half'"),
        ("flip:2", "`p` of HorizontalFlip must be <= 1, got 2.0"),
        ("translate:1.5", "must be translate:PIXELS[:FILL[:IMAGE_SHAPE]], got 'translate:1.5'"),
        ("translate:1:mirror", "`fill` of Translate must be one of 'zero', 'edge', got 'mirror'"),
        ("translate:1,translate:2", "`steps` of Compose must be of one Translate at most"),
        (
            "translate:9",
            "`pixels` of Translate must be less than height and width of the images, 8 x 8, got 9",
        ),
    ],
)
def test_bad_words(word: str, message: str, capsys: pytest.CaptureFixture[str], numpy_backend: None) -> None:
    assert cli.main(["train", "--data", "digits", "--quiet", "--augment", word]) == 2
    assert message in capsys.readouterr().err


def test_a_table_without_images(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], numpy_backend: None
) -> None:
    np.savez(tmp_path / "rows.npz", X=X, y=Y)
    words = ["train", "--data", str(tmp_path / "rows.npz"), "--augment", "flip", "--quiet", "--epochs", "1"]
    assert cli.main(words) == 2
    assert "--augment changes images: --image-shape says the shape of a row" in capsys.readouterr().err
    assert cli.main([*words, "--image-shape", "2", "4", "5"]) == 0
