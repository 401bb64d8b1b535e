"""
Dropout, label smoothing and calibration
========================================

You will see that a network can be right and yet too sure of itself, and what dropout and label smoothing do
about it. A network is calibrated if, of the answers that it gives with 80 %, four out of five are right.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

import gradstep as gs

# Trainings are cut short here on purpose.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = make_classification(
    6000, 30, n_informative=12, n_classes=5, n_clusters_per_class=2, flip_y=0.1, random_state=1
)
X_train, y_train, X_test, y_test = X[:2000], y[:2000], X[2000:], y[2000:]

# %%
# Four networks
# -------------
# They differ in what keeps them from learning their rows by heart. Models with and without dropout are
# different programs, so these train one after the other.

settings = {
    "hidden": (200,),
    "l2": 0.0,
    "optimizer": "adam",
    "learning_rate": 0.002,
    "epochs": 60,
    "random_state": 0,
}
trainers = {
    "plain": gs.Trainer(**settings),
    "dropout": gs.Trainer(**settings, dropout=0.5, input_dropout=0.1),
    "label smoothing": gs.Trainer(**settings, loss=gs.losses.Softmax(label_smoothing=0.2)),
    "l2": gs.Trainer(**settings | {"l2": 0.002}),
}
for trainer in trainers.values():
    trainer.fit(X_train, y_train, eval_set=(X_test, y_test))

gs.plots.curves(trainers, panels=["accuracy", "loss"])

# %%
# How sure they are
# -----------------
# The plain network gives nearly everything to one class, also where it is wrong: the orange heap at the left.

gs.plots.probability_histograms(trainers, X_test, y_test)

# %%
# Are they right as often as they say?
# ------------------------------------
# Answers are sorted into ten bins by how sure the network was; a point says how many of a bin's answers are
# right. Below the diagonal it is too sure, above it too modest. The expected calibration error is the mean
# distance from the diagonal, each bin by its rows.


def reliability(trainer, bins=10):
    probabilities = trainer.predict_proba(X_test)
    sure, right = probabilities.max(axis=1), trainer.predict(X_test) == y_test
    which = np.minimum((sure * bins).astype(int), bins - 1)
    rows = np.bincount(which, minlength=bins)
    used = rows > 0
    said = np.bincount(which, sure, bins)[used] / rows[used]
    true = np.bincount(which, right, bins)[used] / rows[used]
    return said, true, float(np.abs(said - true) @ rows[used] / rows.sum())


figure, axes = plt.subplots(figsize=(5.6, 5.4), layout="constrained")
axes.axline((0, 0), slope=1, color="grey", linestyle="--", linewidth=1)
for (name, trainer), colour in zip(
    trainers.items(), ["#0072b2", "#d55e00", "#009e73", "#cc79a7"], strict=True
):
    said, true, error = reliability(trainer)
    label = f"{name}: {trainer.score(X_test, y_test):.1%} right, error {error:.3f}"
    axes.plot(said, true, "o-", color=colour, label=label)
axes.set(
    xlim=(0.2, 1), ylim=(0, 1), xlabel="how sure it was", ylabel="how often it was right", title="Calibration"
)
axes.grid(alpha=0.3)
axes.legend(frameon=False, loc="upper left", fontsize=9)
plt.show()

# %%
# What to try next
# ----------------
# - ``gs.Sweep(trainer, {"dropout": [0.1, 0.3, 0.5]})``: shares of hidden units train in one pass.
# - ``gs.Sweep(trainer, {"loss__label_smoothing": [0.0, 0.05, 0.1, 0.2]})`` of a trainer with a ``Softmax``
#   loss.
# - scikit-learn's ``CalibratedClassifierCV(trainer)`` mends the probabilities afterwards.
