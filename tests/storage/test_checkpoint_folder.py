"""The folder of a training that is kept."""

from __future__ import annotations

from pathlib import Path

import gradstep as gs
from gradstep.storage.checkpoint_folder import CheckpointFolder
from gradstep.storage.saved import SavedIndex


def test_the_index_of_very_many_trials_is_read_again(tmp_path: Path) -> None:
    identity = {f"parameter {j} of trial {i}": "0.1" for i in range(35_000) for j in range(10)}
    models = tuple((trial, 0) for trial in range(35_000))
    checkpoint = gs.Checkpoint(tmp_path / "kept")
    with CheckpointFolder.open(checkpoint, resume=False, whose="`checkpoint` of Sweep") as folder:
        folder.write(SavedIndex(identity, ((models, "all are alike"),)), [(models, None)], must=True)
    with CheckpointFolder.open(checkpoint, resume=True, whose="`checkpoint` of Sweep") as folder:
        assert folder.begun is not None
        assert folder.begun.identity == identity
        assert [own for own, _ in folder.begun.groups] == [models]
