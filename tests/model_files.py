"""What the tests of model files share: quick models, changes of a file, and how a bad one is refused."""

import hashlib
import json

import pytest
from safetensors import numpy as safetensors
from sklearn.datasets import load_iris

import gradstep as gs
import makers
from gradstep.errors import CorruptFileError

X, Y = load_iris(return_X_y=True)


def trainer(**parameters):
    return makers.trainer(**{"epochs": 2, "learning_rate": 0.01, "batch_size": "auto"} | parameters)


def regressor(**parameters):
    return makers.regressor(**{"epochs": 2, "learning_rate": 0.01, "batch_size": "auto"} | parameters)


def refused(scratch, content=None, message="is not a whole gradstep model", kind=gs.Trainer):
    """Load a file, with this content if any, and expect that it is found to be corrupt."""
    if content is not None:
        scratch.write_bytes(content)
    with pytest.raises(CorruptFileError, match=message) as caught:
        kind.load(scratch)
    assert str(scratch) in str(caught.value)


def forged(content, change):
    """Return the file with a change to its header or tensors, and with the right digest."""
    arrays = safetensors.load(bytes(content))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["gradstep"])
    change(header, arrays)
    header["sha256"] = "0" * 64
    blank = safetensors.save(arrays, metadata={"gradstep": json.dumps(header)})
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode(), 1)


def put(*path, to):
    """Return a change of one entry of the header."""

    def change(header, arrays):
        for step in path[:-1]:
            header = header[step]
        header[path[-1]] = to

    return change


def tensor(name, to):
    """Return a change of one tensor."""

    def change(header, arrays):
        arrays[name] = to(arrays[name]) if callable(to) else to

    return change
