"""Random changes of the images that a training sees: another one of every row in every epoch.

Only the rows that an update reads are changed, as it reads them. Rows that are evaluated, for
training's own figures too, stay as they are, and so does the standardisation, which is measured on
the rows as they lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gradstep.errors import InvalidParameterError
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import (
    NONE,
    NUMBER,
    WHOLE,
    Constraint,
    at_least,
    at_most,
    check,
    either,
    one_of,
)
from gradstep.utils.names import module_getattr

__all__ = ["Augment", "Compose", "HorizontalFlip", "Translate", "flatten", "image_shape", "on_images"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.augment", __all__)

#: Draws are int16.
MOST_PIXELS = 2**15 - 1


def _is_shape(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) in (2, 3)
        and all(WHOLE.holds(size) and size >= 1 for size in value)
    )


IMAGE_SHAPE = either(
    Constraint(
        "a tuple (height, width) or (channels, height, width) of ints >= 1",
        _is_shape,
        ((8,), (1, 2, 3, 4), (0, 8), (2.0, 8), [8, 8], "8x8", 64),
    ),
    NONE,
)


class Augment(Concept):
    """Base of all augmentations.

    Attributes
    ----------
    image_shape : tuple of int, or None
        Of the images that rows are.
    """

    family = "augment"
    home = "gradstep.augment"
    image_shape: tuple[int, ...] | None


@dataclass(frozen=True)
class HorizontalFlip(Augment):
    """Left and right change places, in some of the rows.

    Parameters
    ----------
    p : float
        Probability, 0 to 1, drawn for every row of every epoch.
    image_shape : tuple of int, optional
        ``(height, width)`` for grey, ``(channels, height, width)`` for others: all values of the first
        channel line by line, then those of the next, as CIFAR has them. It is never guessed: training
        without one is an error.

    Examples
    --------
    >>> HorizontalFlip(image_shape=(3, 32, 32))
    HorizontalFlip(p=0.5, image_shape=(3, 32, 32))
    """

    name = "flip"
    p: float = 0.5
    image_shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check("HorizontalFlip", "p", self.p, (NUMBER, at_least(0), at_most(1)))
        check("HorizontalFlip", "image_shape", self.image_shape, (IMAGE_SHAPE,))


@dataclass(frozen=True)
class Translate(Augment):
    """The image moves by up to some pixels down or up and to the right or left.

    Parameters
    ----------
    pixels : int
        The most, less than height and width. dy and dx are drawn for every row of every epoch,
        uniform on ``-pixels, ..., pixels``.
    fill : {"zero", "edge"}
        What comes in from outside: the raw value 0, before any standardisation, or the nearest
        pixel of the image.
    image_shape : tuple of int, optional
        ``(height, width)`` for grey, ``(channels, height, width)`` for others: all values of the first
        channel line by line, then those of the next, as CIFAR has them. It is never guessed: training
        without one is an error.

    Examples
    --------
    >>> Translate(4, image_shape=(3, 32, 32))
    Translate(pixels=4, fill='zero', image_shape=(3, 32, 32))
    """

    pixels: int
    fill: str = "zero"
    image_shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check("Translate", "pixels", self.pixels, (WHOLE, at_least(0), at_most(MOST_PIXELS)))
        check("Translate", "fill", self.fill, (one_of("zero", "edge"),))
        check("Translate", "image_shape", self.image_shape, (IMAGE_SHAPE,))
        if self.image_shape:
            self.check_fits(self.image_shape)

    def check_fits(self, image_shape: tuple[int, ...]) -> None:
        """Raise InvalidParameterError unless something of the image stays."""
        height, width = image_shape[-2:]
        if self.pixels >= min(height, width):
            raise InvalidParameterError(
                f"`pixels` of Translate must be less than height and width of the images, "
                f"{height} x {width}, got {self.pixels}"
            )


@dataclass(frozen=True)
class Compose(Augment):
    """Several augmentations of each row; their order makes no difference.

    Parameters
    ----------
    steps : list of augmentations
        One or more, of which one may be a `Translate`.
    image_shape : tuple of int, optional
        For all steps; those that have one of their own must have the same.

    Examples
    --------
    >>> Compose([HorizontalFlip(), Translate(4, "edge")], image_shape=(3, 32, 32)).steps[1]
    Translate(pixels=4, fill='edge', image_shape=None)
    """

    steps: Sequence[Augment]
    image_shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check("Compose", "steps", self.steps, (STEPS, ONE_TRANSLATE))
        check("Compose", "image_shape", self.image_shape, (IMAGE_SHAPE,))
        object.__setattr__(self, "steps", tuple(self.steps))
        image_shape(self)


def _are_steps(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) > 0 and all(isinstance(s, Augment) for s in value)


STEPS = Constraint(
    "a list or tuple of one augmentation or more",
    _are_steps,
    ([], (), None, "flip", [HorizontalFlip(), None], [HorizontalFlip], HorizontalFlip()),
)
ONE_TRANSLATE = Constraint(
    "of one Translate at most",
    lambda value: not _are_steps(value) or sum(isinstance(s, Translate) for s in flatten(value)) <= 1,
    ([Translate(1), Translate(2)],),
)


def on_images(augment: Augment, shape: tuple[int, ...]) -> Augment:
    """Return the same for images of this shape, unless it knows one already."""
    if image_shape(augment):
        return augment
    shaped: Augment = replace(augment, image_shape=shape)  # type: ignore[type-var]
    return shaped


def flatten(steps: Sequence[Augment]) -> Iterator[Augment]:
    """Yield augmentations and what they are composed of."""
    for step in steps:
        yield step
        if isinstance(step, Compose):
            yield from flatten(step.steps)


def image_shape(augment: Augment) -> tuple[int, int, int] | None:
    """Return the one (channels, height, width) that an augmentation and its steps know, or None."""
    given = [tuple(map(int, step.image_shape)) for step in flatten([augment]) if step.image_shape is not None]
    shapes = {(1,) * (3 - len(shape)) + shape for shape in given}
    if len(shapes) > 1:
        raise InvalidParameterError(
            f"`image_shape` of Compose must be one for all steps, got {' and '.join(map(str, given))}"
        )
    return shapes.pop() if shapes else None  # type: ignore[return-value]
