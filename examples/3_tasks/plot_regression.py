"""
Several real outputs, and counts
================================

You will predict two values at once with one network, and counts by the Poisson loss, whose predictions are
never below 0.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_friedman1

import gradstep as gs

# %%
# Two values of a row
# -------------------
# How far, and how far to the side, a ball flies that is thrown upwards with a speed, an angle and a side
# wind. y has two columns, in metres; each is standardised for the training and given back in its own units.

random = np.random.default_rng(0)
speed, angle = random.uniform(5, 30, 3000), random.uniform(np.radians(10), np.radians(80), 3000)
wind = random.normal(0, 2, 3000)
flight = 2 * speed * np.sin(angle) / 9.81
y = np.c_[speed * np.cos(angle) * flight, wind * flight] + random.normal(0, 0.5, (3000, 2))
X = np.c_[speed, angle, wind]

regressor = gs.Regressor(
    hidden=(40,),
    activation="tanh",
    optimizer="adam",
    learning_rate=gs.schedules.Cosine(0.01),
    epochs=60,
    random_state=0,
)
regressor.fit(X[:2000], y[:2000], eval_set=(X[2000:2500], y[2000:2500]))
gs.plots.predictions(regressor, X[2500:], y[2500:], title="Distance and drift (m)")

# %%
# Its history tells R2 and the mean absolute error, the latter in the units of y.

gs.plots.curves(regressor, panels=["loss", "r2", "mean_absolute_error"], log=True)

# %%
# Counts
# ------
# How often something happens: whole numbers, mostly small, of which the larger scatter more. The squared loss
# takes them for values like any other, and predicts less than nothing at the lower end. With
# ``loss="poisson"`` the network's score is the logarithm of the mean.

X, rate = make_friedman1(3000, n_features=8, noise=0.0, random_state=0)
counts = np.random.default_rng(1).poisson(np.exp((rate - 16) / 4)).astype(float)
settings = {
    "hidden": (30,),
    "optimizer": "adam",
    "learning_rate": gs.schedules.Cosine(0.005),
    "epochs": 50,
    "l2": 1e-4,
}
models = {
    loss: gs.Regressor(loss=loss, **settings, random_state=0).fit(X[:2000], counts[:2000])
    for loss in ("squared", "poisson")
}

figure, grid = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharex=True)
true_mean = np.exp((rate[2000:] - 16) / 4)
order = np.argsort(true_mean)
for axes, (loss, model), colour in zip(grid, models.items(), ["#0072b2", "#d55e00"], strict=True):
    predicted = model.predict(X[2000:])
    axes.plot(true_mean, predicted, ".", color=colour, alpha=0.4)
    axes.plot(true_mean[order], true_mean[order], color="black", linewidth=1)
    axes.axhspan(-2, 0, color="grey", alpha=0.25, linewidth=0)
    axes.set(xlabel="true mean of the count", ylim=(-1.5, 12), xlim=(0, 10))
    axes.set_title(f"{loss}: {(predicted < 0).mean():.1%} below 0", loc="left", weight="bold")
grid[0].set_ylabel("predicted mean")
plt.show()

# %%
# What to try next
# ----------------
# - ``gs.Regressor().fit(X, y, sample_weight=exposure)`` for counts per time that was watched: y is then count
#   / exposure.
# - ``standardize_targets=False`` to train on y as it is.
# - ``gs.FusedSearchCV(regressor, {"l2": [1e-4, 1e-2]}, scoring="neg_mean_poisson_deviance")``.
