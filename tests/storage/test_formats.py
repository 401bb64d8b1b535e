"""Files of every version of a format are read, and one of a newer version says what reads it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import CorruptFileError
from gradstep.plan.checkpoint import Checkpoint
from gradstep.storage import checkpoint_folder, model_file
from gradstep.storage.checkpoint_folder import CheckpointFolder
from model_files import X, Y, forged, put, refused

FORMATS = Path(__file__).resolve().parents[1] / "data" / "formats"
MODELS = sorted(FORMATS.glob("model-*.safetensors"))
FOLDERS = sorted(FORMATS.glob("checkpoint-*"))


def version_of(path: Path) -> int:
    return int(path.name.split("-")[1])


def test_files_of_the_versions_of_now_are_kept() -> None:
    assert {version_of(path) for path in MODELS} == {model_file.VERSION}
    assert {version_of(path) for path in FOLDERS} == {checkpoint_folder.VERSION}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_kept_model_answers_as_it_did(path: Path) -> None:
    answers = json.loads((FORMATS / f"model-{version_of(path)}.json").read_text(encoding="utf-8"))
    model = gs.load_model(path)
    found = getattr(model, "predict_proba", model.predict)(X[::25])
    np.testing.assert_allclose(found, answers[path.stem.split("-")[2]], rtol=1e-5)
    assert len(model.history_) == 2


def test_a_kept_training_goes_on() -> None:
    path = next(path for path in MODELS if path.stem.endswith("trainer"))
    model = gs.load_model(path)
    names = model.classes_[Y]
    assert model.resume(X, names, epochs=1).n_iter_ == 3


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_a_kept_folder_is_read(path: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(path, tmp_path / "copy")
    folder = CheckpointFolder.open(Checkpoint(copy), resume=True, whose="Sweep.fit")
    assert folder.begun is not None
    assert not folder.begun.is_over
    ((models, _),) = folder.begun.groups
    group = folder.group(models)
    assert group is not None
    assert group.state is not None
    assert len(group.left) == 4
    assert all(len(own.news.rows) == 2 for own in group.models)


def by(writer: object, version: object):
    def change(header, arrays):
        put("version", to=version)(header, arrays)
        put("written_by", to=writer)(header, arrays)

    return change


NEWER = model_file.VERSION + 1


@pytest.mark.parametrize(
    ("writer", "version", "message"),
    [
        ("0.9.0", NEWER, f"version {NEWER}, written by gradstep 0.9.0, .*: install gradstep 0.9.0 or newer$"),
        ("1.0rc1", NEWER + 5, "install gradstep 1.0rc1 or newer$"),
        ("rm -rf", NEWER, "written by a newer gradstep, .*: install that$"),
        (None, NEWER, "written by a newer gradstep"),
        (3, NEWER, "written by a newer gradstep"),
        ("0.0.1", model_file.VERSION - 1, "this gradstep reads version"),
        ("0.9.0", str(NEWER), f"its format is version '{NEWER}', this gradstep reads version"),
        ("0.9.0", float(NEWER), "this gradstep reads version"),
    ],
)
def test_a_file_of_another_version_says_who_reads_it(content, scratch, writer, version, message) -> None:
    refused(scratch, forged(content, by(writer, version)), message)


def test_a_model_says_what_wrote_it(content) -> None:
    assert re.search(rb'written_by\\": \\"' + re.escape(gs.__version__.encode()), content)


def test_a_newer_folder_says_who_reads_it(tmp_path: Path) -> None:
    trainer = gs.Trainer(epochs=1, backend="numpy", checkpoint=gs.Checkpoint(tmp_path))
    trainer.fit(X, Y)
    index = tmp_path / "training.safetensors"
    index.write_bytes(forged(index.read_bytes(), by("0.9.0", 99)))
    with pytest.raises(
        CorruptFileError, match=r"version 99, written by gradstep 0\.9\.0, .* 0\.9\.0 or newer$"
    ):
        trainer.fit(X, Y, resume=True)
