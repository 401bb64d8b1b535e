"""A file of arrays and a JSON text that takes no more to read than it holds.

The file is one of safetensors, and the JSON text, which must be an object, stands in its metadata under the
key ``gradstep``. The first entry of that is the SHA-256 of the whole file, taken with 64 zeros in its place,
so that no byte can change unnoticed; the second is the gradstep that wrote it, so that an older one, which
cannot read it, can say which does. A digest is no signature: whoever makes a file on purpose makes one
with the right digest. So nothing is taken from a file before it is known how much it is: the digest is
computed piece by piece, and the JSON text is read by its brackets and commas before it is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gradstep._version import __version__
from gradstep.errors import CorruptFileError, InvalidDataError

Arrays = dict[str, npt.NDArray[Any]]

_KEY = "gradstep"
_WRITER = "written_by"
_RELEASE = re.compile(r"[0-9][0-9A-Za-z.+!-]{0,40}")
_NO_DIGEST = "0" * 64
_DIGEST = re.compile(rb'sha256\\": *\\"([0-9a-f]{64})\\"')
_CHUNK = 1 << 20

# What safetensors reads at most, in bytes.
_LONGEST_HEADER = 100_000_000

# A name of a class or of a column goes with a number or more in an array, so that a JSON text has not many
# more values than this and the numbers of the arrays together.
_MOST_VALUES = 100_000
_DEEPEST = 50

# What tells values apart in a JSON text: by how much each leads deeper; and all other bytes.
_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
_NO_MARKS = bytes(set(range(256)) - set(b'"[]{},'))


def pack(header: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    header : mapping
        What JSON can hold; it must not have the key ``sha256``.
    arrays : dict of str to ndarray

    Raises
    ------
    InvalidDataError
        JSON cannot hold the header.
    """
    from safetensors import numpy as safetensors  # who saves nothing needs none

    try:
        text = json.dumps({"sha256": _NO_DIGEST, _WRITER: __version__, **header})
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"a file cannot hold what it has: {error}") from error
    content = safetensors.save(arrays, metadata={_KEY: text})
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(_NO_DIGEST.encode(), digest.encode(), 1)


def unpack(file: IO[bytes], most_values: int = _MOST_VALUES) -> tuple[dict[str, Any], Arrays]:
    """Return the header and the arrays of a file, which is whole.

    Parameters
    ----------
    file : file open for reading, at its beginning
    most_values : int
        Values that the header may have beside one for each number of the arrays.

    Raises
    ------
    CorruptFileError
        It is damaged, altered, or something else.
    """
    from safetensors import SafetensorError
    from safetensors import numpy as safetensors

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    text = _header_text(file, size)
    _check_digest(file, text)
    header = _parse(text, most_values + (size - len(text)) // 4)
    file.seek(0)
    content = file.read()
    try:
        # Copies: what safetensors returns cannot be written to.
        return header, {name: array.copy() for name, array in safetensors.load(content).items()}
    except SafetensorError as error:
        raise CorruptFileError(str(error)) from error


def check_version(header: Mapping[str, Any], known: int) -> None:
    """Raise CorruptFileError unless a file has the version of its format that this gradstep reads.

    Parameters
    ----------
    header : mapping
        As `unpack` returns it, with the key ``version``.
    known : int
        The version that is read.
    """
    version, writer = header["version"], header.get(_WRITER)
    if version == known and type(version) is int:
        return
    if type(version) is not int or version < known:
        raise CorruptFileError(f"its format is version {version!r}, this gradstep reads version {known}")
    by, reader = "a newer gradstep", "that"
    if isinstance(writer, str) and _RELEASE.fullmatch(writer):
        by, reader = f"gradstep {writer}", f"gradstep {writer} or newer"
    raise CorruptFileError(
        f"its format is version {version}, written by {by}, and this is gradstep {__version__}, which reads "
        f"version {known}: install {reader}"
    )


def _header_text(file: IO[bytes], size: int) -> bytes:
    start = file.read(9)
    if size > 8 and start[8:] != b"{":
        raise CorruptFileError("it does not begin as one")
    length = int.from_bytes(start[:8], "little")
    file.seek(8)
    if size < 8 + length:
        raise CorruptFileError(f"it has {size} bytes, fewer than its header says")
    if length > _LONGEST_HEADER:
        raise CorruptFileError(f"its header has {length} bytes, more than {_LONGEST_HEADER}")
    return file.read(length)


def _check_digest(file: IO[bytes], text: bytes) -> None:
    """Raise unless the file, of which 8 bytes and the header are read, has the digest in its header."""
    place = _DIGEST.search(text)
    if place is None:
        raise CorruptFileError("its header is not that of a gradstep model: it has no SHA-256")
    start, end = place.span(1)
    whole = hashlib.sha256(len(text).to_bytes(8, "little"))
    whole.update(text[:start] + _NO_DIGEST.encode() + text[end:])
    while chunk := file.read(_CHUNK):
        whole.update(chunk)
    if whole.hexdigest().encode() != place[1]:
        raise CorruptFileError("its content does not have the SHA-256 that it names")


def _parse(text: bytes, most_values: int) -> dict[str, Any]:
    """Return the JSON object in the metadata of a header, which has at most so many values."""
    try:
        _check_size(text, most_values)
        inner = json.loads(text)["__metadata__"][_KEY]
        _check_size(inner.encode(), most_values)
        header = json.loads(inner)
        if not isinstance(header, dict):
            raise TypeError("it is no object")
    except CorruptFileError:
        raise
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise CorruptFileError("its header is not that of a gradstep model") from error
    header.pop("sha256", None)
    return header


def _check_size(text: bytes, most_values: int) -> None:
    """Raise where a JSON text has more values, or is nested deeper, than that of a model can be."""
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = np.frombuffer(unescaped.translate(None, _NO_MARKS), dtype=np.uint8)
    # The number of quotes so far; one byte for each tells as well whether it is odd.
    within_string = np.cumsum(marks == ord('"'), dtype=np.uint8) % 2 == 1
    steps = _STEPS[marks[~within_string]]
    if len(steps) > 3 * most_values:
        raise CorruptFileError("its header has more values than a model of its size can have")
    depth = int(np.cumsum(steps, dtype=np.int64).max(initial=0))
    if depth > _DEEPEST:
        raise CorruptFileError(f"its header is nested {depth} deep, more than {_DEEPEST}")
