"""Write small files in the formats of now, to be kept for as long as they are read.

    python tests/data/formats/write.py

Run once for every new version of a format, before the release that brings it; files of versions that were
released are never written again. Beside each model lies what it answers.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sklearn.datasets import load_iris

import gradstep as gs
from gradstep.storage import checkpoint_folder, model_file

FOLDER = Path(__file__).parent
X, Y = load_iris(return_X_y=True)
COMMON = {"backend": "numpy", "random_state": 0, "epochs": 2}


def models() -> dict[str, gs.Trainer | gs.Regressor]:
    """Return a model for every part of the format."""
    names = load_iris().target_names[Y]
    trainer = gs.Trainer(
        hidden=(3,),
        activation="tanh",
        optimizer="adam",
        validation_fraction=0.2,
        metrics=["f1_macro"],
        **COMMON,
    )
    softmax = gs.Trainer(learning_rate=lambda update: 0.1 / (1 + update), precision="float64", **COMMON)
    regressor = gs.Regressor(hidden=(2,), optimizer=gs.optimizers.SGD(momentum=0.9), **COMMON)
    multilabel = gs.Trainer(loss="multilabel", average="ema", **COMMON)
    return {
        "trainer": trainer.fit(X, names),
        "softmax": softmax.fit(X, Y),
        "regressor": regressor.fit(X, X[:, :2]),
        "multilabel": multilabel.fit(X, (X[:, :2] > X[:, :2].mean(axis=0)).astype(int)),
    }


class Killed(Exception):
    """Ends a process in the middle of a training, as far as its folder can tell."""


def leave_half_a_training(folder: Path) -> None:
    """Leave the folder of a search that was killed."""

    def kill(sweep: gs.Sweep) -> None:
        if len(sweep.histories_[0]) >= 3:
            raise Killed

    checkpoint = gs.Checkpoint(folder, every=1e-9)
    trainer = gs.Trainer(optimizer="adam", early_stopping=gs.EarlyStopping(), **COMMON | {"epochs": 6})
    space = {"l2": [1e-4, 1e-2], "optimizer__beta1": [0.8, 0.9]}
    sweep = gs.Sweep(trainer, space, checkpoint=checkpoint, callbacks=[kill], random_state=0)
    try:
        sweep.fit(X, Y)
    except Killed:
        return
    raise RuntimeError("the search came to its end")


def main() -> None:
    """Write them."""
    version = model_file.VERSION
    answers = {}
    for name, model in models().items():
        model.save(FOLDER / f"model-{version}-{name}.safetensors", resumable=name == "trainer")
        answers[name] = getattr(model, "predict_proba", model.predict)(X[::25]).tolist()
    text = json.dumps(answers, indent=1)
    (FOLDER / f"model-{version}.json").write_text(text + "\n", encoding="utf-8")
    folder = FOLDER / f"checkpoint-{checkpoint_folder.VERSION}"
    shutil.rmtree(folder, ignore_errors=True)
    leave_half_a_training(folder)


if __name__ == "__main__":
    main()
