"""
Decision boundaries by activation
=================================

You will see what shapes a network can draw between two classes: straight ones without a hidden layer, corners
with ReLU, round ones with tanh.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_circles, make_moons

import gradstep as gs

moons = make_moons(400, noise=0.2, random_state=0)
circles = make_circles(400, noise=0.12, factor=0.5, random_state=0)

# %%
# Six networks on moons
# ---------------------
# All have 20 hidden units, but for the first, which has none. The colours are the probability of the orange
# class; the black line is where it is one half.


def draw(axes, trainer, X, y, title):
    low, high = X.min(axis=0) - 0.4, X.max(axis=0) + 0.4
    x0, x1 = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
    probability = trainer.predict_proba(np.c_[x0.ravel(), x1.ravel()])[:, 1].reshape(x0.shape)
    axes.contourf(x0, x1, probability, levels=np.linspace(0, 1, 21), cmap="PuOr_r", vmin=-0.6, vmax=1.6)
    axes.contour(x0, x1, probability, levels=[0.5], colors="black", linewidths=1.5)
    for label, colour in enumerate(["#40208a", "#a84300"]):
        axes.plot(
            *X[y == label].T, ".", color=colour, markersize=4, markeredgecolor="white", markeredgewidth=0.3
        )
    axes.set(title=f"{title}: {trainer.score(X, y):.1%}", xticks=[], yticks=[])


settings = {"l2": 1e-5, "optimizer": "adam", "learning_rate": 0.01, "epochs": 100, "random_state": 0}
activations = ["identity", "relu", "leaky_relu", "tanh", "logistic", "selu"]
figure, grid = plt.subplots(2, 3, figsize=(10, 6.2), layout="constrained")
for axes, activation in zip(grid.ravel(), activations, strict=True):
    hidden = () if activation == "identity" else (20,)
    trainer = gs.Trainer(hidden=hidden, activation=activation, **settings).fit(*moons)
    draw(axes, trainer, *moons, "no hidden layer" if not hidden else activation)
plt.show()

# %%
# How many units a circle takes
# -----------------------------
# A unit of a ReLU layer bends the boundary along one line. Two lines enclose nothing; three make a hexagon;
# with more the shape becomes round.

figure, grid = plt.subplots(1, 4, figsize=(11, 3.1), layout="constrained")
for axes, units in zip(grid, [2, 3, 6, 40], strict=True):
    trainer = gs.Trainer(hidden=(units,), **settings | {"epochs": 200, "random_state": 1}).fit(*circles)
    draw(axes, trainer, *circles, f"{units} units")
plt.show()

# %%
# What to try next
# ----------------
# - ``hidden=(10, 10)`` with ``activation=["relu", "tanh"]``: one for each layer.
# - ``l2=0.01``, and the boundary becomes smoother.
# - An activation of your own is one class of two formulas: see CONTRIBUTING.
