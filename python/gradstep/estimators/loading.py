"""Any saved model, whatever its class."""

from __future__ import annotations

from os import PathLike

from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.regressor import Regressor
from gradstep.estimators.trainer import Trainer
from gradstep.storage import model_file

_CLASSES: dict[str, type[BaseTrainer]] = {"Trainer": Trainer, "Regressor": Regressor}


def load_model(path: str | PathLike[str]) -> BaseTrainer:
    """Read a model that `Trainer.save`, `Regressor.save` or the command line wrote. Nothing in it is run.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Trainer or Regressor
        Fitted, of the class that was saved.

    Raises
    ------
    CorruptFileError
        The file is damaged, truncated, altered, or no model.
    OSError
        There is no such file, it is a folder, a pipe or a device, or it cannot be read.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> trainer = gs.Trainer(epochs=1, random_state=0).fit(data.train.X, data.train.y)
    >>> trainer.save("digits.model")  # doctest: +SKIP
    >>> gs.load_model("digits.model").predict(data.test.X[:3])  # doctest: +SKIP
    array([1, 4, 4])
    """
    owner, parameters, result = model_file.load(None, path)
    estimator = _CLASSES[owner](**parameters)
    estimator.publish(result)
    return estimator
