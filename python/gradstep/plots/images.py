"""What a first layer looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError
from gradstep.plots.figure import Figure
from gradstep.plots.models import fitted_model
from gradstep.plots.style import GRID, INK, add_notes, add_title, shorten, size
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer


# Pixels of a side, below which nothing is guessed to be an image.
_SMALLEST_SIDE = 8


class Pictures(NamedTuple):
    """Weights of a first layer as images.

    Attributes
    ----------
    names : list of str
        What each image stands for: a class, or a hidden unit.
    pixels : ndarray of shape (m, height, width) in [-1, 1], or (m, height, width, 3) in [0, 1]
        Each image is scaled by its own largest absolute weight; zero is 0 in grey, 0.5 in colour.
    hidden : bool
        True when the images are of hidden units.
    left_out : int
        Hidden units that are not shown.
    """

    names: list[str]
    pixels: npt.NDArray[np.float64]
    hidden: bool
    left_out: int

    @property
    def caption(self) -> str:
        """One sentence on what the images show, for a reader who has not trained the network."""
        colour = self.pixels.ndim == 4
        scale = "mid-grey is zero" if colour else "red raises the score, blue lowers it, white is zero"
        if not self.hidden:
            return f"Weights of each class as an image: {scale}."
        scale = scale.replace("raises the score", "excites").replace("lowers it", "inhibits")
        rest = f" ({self.left_out} of {len(self.names) + self.left_out} left out)" if self.left_out else ""
        return f"Weights of the hidden units, strongest first{rest}: {scale}."


@known_parameters
def class_images(
    trainer: Trainer,
    image_shape: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    max_images: int = 50,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the weights of the first layer as images.

    Without hidden layers there is one image per class: the weights that its score gives to the
    pixels. With hidden layers there is one image per unit of the first, those with the largest
    outgoing weights first.

    Every image is scaled by its own largest absolute weight, symmetric around zero: in colour a
    weight w is drawn as ``0.5 + w / (2 * max|w|)`` in its channel, in grey on a scale from blue
    (negative) over white to red (positive).

    Parameters
    ----------
    trainer : fitted Trainer
        With ``standardize=True`` its weights belong to the standardised features, and so does the
        image: a weight is per standard deviation of its pixel, not per unit of brightness.
    image_shape : tuple of int, optional
        ``(height, width)`` for grey, ``(3, height, width)`` for colour with all red values of a row
        first, then green, then blue, as CIFAR has them. Guessed when None: ``d = 3 * s * s`` is
        colour, ``d = s * s`` is grey, of images of at least 8 x 8 pixels.
    class_names : sequence of str of length k, optional
        By default the labels themselves, ``trainer.classes_``; for an indicator matrix its columns.
    max_images : int
        The most hidden units to draw; the figure says how many are left out.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes per image.

    Raises
    ------
    InvalidParameterError
        The product of `image_shape` is not d, no square image of at least 8 x 8 pixels has d values, the
        number of names is not k, or `trainer` is no fitted Trainer.
    """
    pictures = weight_pictures(trainer, image_shape, class_names, max_images=max_images)
    count = len(pictures.names)
    columns = min(count, 5 if count <= 20 else 10)
    rows = math.ceil(count / columns)
    side = 9 / max(columns, 5)
    usual = (side * columns, (side + 0.3) * rows + 0.4)
    figure = Figure(figsize=size(figsize, usual, "class_images"), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name, pixels in zip(grid, pictures.names, pictures.pixels, strict=False):
        axes.imshow(pixels, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(shorten(name, 16), color=INK, fontsize=12 if columns <= 5 else 8, parse_math=False)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(GRID)
    for axes in grid[count:]:
        axes.remove()
    add_notes(figure, [pictures.caption])
    add_title(figure, title)
    return figure


def weight_pictures(
    trainer: Trainer,
    image_shape: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    max_images: int = 50,
    whose: str = "class_images",
) -> Pictures:
    """Return the first layer's weights as images; parameters and errors are those of `class_images`."""
    fitted_model(trainer, f"`trainer` of {whose}", "Trainer", takes=("labels", "indicators"))
    if max_images < 1:
        raise InvalidParameterError(f"`max_images` of {whose} must be >= 1, got {max_images}")
    weights = np.asarray(trainer.coefs_[0], dtype=np.float64).T
    classes = len(trainer.classes_)
    if class_names is not None and len(class_names) != classes:
        raise InvalidParameterError(
            f"`class_names` of {whose} must have {classes} names, one per class, got {len(class_names)}"
        )
    shape = _image_shape(weights.shape[1], image_shape, whose)
    hidden = len(trainer.coefs_) > 1
    if hidden:
        strength = np.linalg.norm(np.asarray(trainer.coefs_[1], dtype=np.float64), axis=1)
        shown = np.argsort(-strength, kind="stable")[:max_images]
        names = [f"unit {unit}" for unit in shown]
    else:
        shown = np.arange(len(weights))
        names = [str(name) for name in (trainer.classes_ if class_names is None else class_names)]
    largest = np.abs(weights[shown]).max(axis=1, keepdims=True)
    scaled = weights[shown] / np.where(largest > 0, largest, 1.0)
    pixels = scaled.reshape(-1, *shape)
    if len(shape) == 3:
        pixels = 0.5 + 0.5 * np.moveaxis(pixels, 1, -1)
    return Pictures(names, pixels, hidden, len(weights) - len(shown))


def square_image(d: int) -> tuple[int, ...] | None:
    """Return the shape of the square image that d values are, in colour or grey; None where there is none.

    Fewer values than those of 8 x 8 pixels are taken for a row of a table, not for a picture.
    """
    for channels in ((3,), ()):
        side = math.isqrt(d // math.prod(channels))
        if math.prod(channels) * side * side == d and side >= _SMALLEST_SIDE:
            return (*channels, side, side)
    return None


def _image_shape(d: int, given: tuple[int, ...] | None, whose: str) -> tuple[int, ...]:
    """Return (height, width) or (3, height, width) with product d."""
    if given is None:
        if guessed := square_image(d):
            return guessed
        raise InvalidParameterError(
            f"`image_shape` of {whose} is needed: its product must be d = {d}, and no square image in grey "
            f"or colour of at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels has {d} values"
        )
    shape = tuple(int(size) for size in given)
    grey_or_colour = len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
    if not grey_or_colour or min(shape) < 1:
        raise InvalidParameterError(
            f"`image_shape` of {whose} must be (height, width) or (3, height, width), "
            f"channels first, got {given}"
        )
    if math.prod(shape) != d:
        raise InvalidParameterError(
            f"the product of `image_shape` of {whose} must be d = {d}, got {given}, "
            f"whose product is {math.prod(shape)}"
        )
    return shape[1:] if shape[0] == 1 and len(shape) == 3 else shape
