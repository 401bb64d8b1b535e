"""Images as rows: all values of the first channel line by line, then those of the next."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils.constraints import NONE, WHOLE, either, one_of

ImageShape = tuple[int, int, int]

#: Where the channels of images may stand.
CHANNELS = either(NONE, one_of("first", "last"))

# Grey, colour, and colour with opacity: what nearly all images have.
_USUAL = (1, 3, 4)


def as_rows(
    X: npt.NDArray[Any], image_shape: ImageShape | None, channels: str | None, owner: str, whose: str
) -> tuple[npt.NDArray[Any], ImageShape | None, str]:
    """Bring an array into the form (n, d), images with their channels first.

    Parameters
    ----------
    X : ndarray
        Rows (n, d), or images (n, height, width), (n, channels, height, width) or
        (n, height, width, channels).
    image_shape : tuple of int, or None
        ``(channels, height, width)`` as far as the user knows it.
    channels : {"first", "last"}, or None
        Where the channels stand in X; None looks at its shape.
    owner, whose : str
        The loader and the array, for messages.

    Returns
    -------
    X : ndarray of shape (n, d)
        A copy where channels stood last, else none where the array lies in order.
    image_shape : tuple of int, or None
    note : str
        What was taken where nobody said it, or "".

    Raises
    ------
    InvalidDataError
        The channels may stand first or last, or `image_shape` is of other images.
    InvalidParameterError
        `channels` says last of rows without an `image_shape`.
    """
    n, note = len(X), ""
    if image_shape is not None and not _is_shape(image_shape):
        raise InvalidDataError(_other(owner, X.shape[1:], image_shape))
    if X.ndim == 2:
        if channels != "last":
            return X, image_shape, note
        X = _unrolled(X, image_shape, owner, whose)
    elif X.ndim == 3:
        return X.reshape(n, -1), image_shape or (1, X.shape[1], X.shape[2]), note
    elif channels is None:
        channels, note = _order(X.shape, image_shape, whose)
    if channels == "last":
        X = np.moveaxis(X, 3, 1)
    found = (X.shape[1], X.shape[2], X.shape[3])
    if image_shape is not None and tuple(image_shape) != found:
        raise InvalidDataError(_other(owner, X.shape[1:], image_shape))
    return X.reshape(n, -1), found, note


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(WHOLE.holds(n) and n >= 1 for n in value)


def _unrolled(
    X: npt.NDArray[Any], image_shape: ImageShape | None, owner: str, whose: str
) -> npt.NDArray[Any]:
    """Return rows (n, d) as images (n, height, width, channels)."""
    if image_shape is None:
        raise InvalidParameterError(
            f"`channels` of {owner} must be given with `image_shape`, for {whose} has rows of "
            f"{X.shape[1]} values"
        )
    count, height, width = image_shape
    if count * height * width != X.shape[1]:
        raise InvalidDataError(_other(owner, X.shape[1:], image_shape))
    return X.reshape(len(X), height, width, count)


def _order(shape: tuple[int, ...], image_shape: ImageShape | None, whose: str) -> tuple[str, str]:
    """Return where the channels of images of this shape stand, and a note where that is a guess."""
    a, b, c = shape[1:]
    orders = {"first": (a, b, c), "last": (c, a, b)}
    if image_shape is None:
        likely = [order for order, (count, _, _) in orders.items() if count in _USUAL]
    else:
        likely = [order for order, found in orders.items() if found == tuple(image_shape)]
    if len(likely) != 1:
        raise InvalidDataError(
            f"{whose} has shape {shape}: `channels=first` or `channels=last` says which of the axes are the "
            f"channels of its images"
        )
    (order,) = likely
    return order, "" if image_shape else f"images of {a} x {b} x {c} values, channels {order} (`channels`)"


def _other(owner: str, values: tuple[int, ...], image_shape: ImageShape) -> str:
    return (
        f"`image_shape` of {owner} must be (channels, height, width) of the {math.prod(values)} values "
        f"in a row of X, got {image_shape!r}"
    )
