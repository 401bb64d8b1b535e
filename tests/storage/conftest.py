"""Contents of model files, and a place to write others."""

import pytest

from model_files import X, Y, regressor, trainer


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Return the bytes of a small model file."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    trainer(epochs=1, learning_rate=lambda t: 0.1).fit(X, Y).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """Return the bytes of a small file of a Regressor."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model = regressor(
        epochs=1, hidden=(2,), activation="selu", optimizer="adamw", evaluate_every=None, loss="poisson"
    )
    model.fit(X, X[:, :2]).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch") / "model"
