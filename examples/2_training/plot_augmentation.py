"""
Augmentation of images
======================

You will train on few images, and have each of them moved about a little in every epoch: the network sees more
than there is.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

import gradstep as gs

# Trainings are cut short here on purpose.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

# %%
# The images
# ----------
# Digits of 8 x 8 pixels that lie anywhere in a frame of 14 x 14, 300 to train on. A network of plain layers
# does not know that a digit stays the same when it is moved: it has to see it everywhere.

digits = gs.datasets.load_digits()
random = np.random.default_rng(0)


def framed(rows):
    frames = np.zeros((len(rows), 14, 14), np.uint8)
    for frame, image, (down, right) in zip(
        frames, rows.X, random.integers(0, 7, (len(rows), 2)), strict=True
    ):
        frame[down : down + 8, right : right + 8] = image.reshape(8, 8)
    return frames.reshape(-1, 196), rows.y


(X, y), validation, test = framed(digits.train), framed(digits.validation), framed(digits.test)
X, y = X[:300], y[:300]

# %%
# What the network is shown
# -------------------------
# ``Translate(3)`` moves an image by up to three pixels in any direction, another way in every epoch. The
# draws are the trainer's own; this is what they look like.

figure, grid = plt.subplots(3, 10, figsize=(10, 3.3), layout="constrained")
for digit, column in enumerate(grid.T):
    image = X[y == digit][0].reshape(14, 14)
    for axes, (down, right) in zip(column, [(0, 0), *random.integers(-3, 4, (2, 2))], strict=True):
        axes.imshow(
            np.pad(image, 3)[3 - down : 17 - down, 3 - right : 17 - right], cmap="Greys", vmin=0, vmax=16
        )
        axes.set(xticks=[], yticks=[])
for axes, name in zip(grid[:, 0], ["as it lies", "moved", "again"], strict=True):
    axes.set_ylabel(name)
plt.show()

# %%
# With and without
# ----------------
# What is evaluated are the rows as they lie. Without augmentation the network soon has nothing more to learn
# from its 300 images; with it the train loss stays higher, and the validation loss falls far below.

settings = {
    "hidden": (100,),
    "l2": 1e-4,
    "optimizer": "adam",
    "learning_rate": 0.002,
    "epochs": 150,
    "batch_size": 50,
}
augments = {
    "as they lie": None,
    "moved by up to 1": gs.augment.Translate(1, image_shape=(14, 14)),
    "moved by up to 3": gs.augment.Translate(3, image_shape=(14, 14)),
}
trainers = {
    name: gs.Trainer(**settings, augment=augment, random_state=0) for name, augment in augments.items()
}
for trainer in trainers.values():
    trainer.fit(X, y, eval_set=validation)
gs.plots.curves(trainers, panels=["loss", "accuracy"])

# %%
# Is it luck?
# -----------
# Five seeds of each, on test rows.

figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
for place, trainer in enumerate(trainers.values()):
    found = gs.repeat(trainer.set_params(evaluate_every=None), X, y, seeds=5, test_set=test)
    accuracies = 100 * found["test_accuracy"]
    axes.plot(accuracies, [place] * len(accuracies), "o", color="#0072b2", alpha=0.6)
    axes.plot(accuracies.mean(), place, "|", color="#d55e00", markersize=26, markeredgewidth=2.5)
axes.set_yticks(range(len(trainers)), list(trainers))
axes.set(xlabel="test accuracy (%)", title="Five seeds each, and their means", ylim=(2.5, -0.5))
axes.grid(axis="x", alpha=0.3)
plt.show()

# %%
# What to try next
# ----------------
# - ``gs.augment.HorizontalFlip(image_shape=(3, 32, 32))`` for photographs; a digit is another one in a
#   mirror.
# - ``gs.augment.Compose([flip, translate])`` does both.
# - ``image_shape=data.train.image_shape`` where the data set knows it.
