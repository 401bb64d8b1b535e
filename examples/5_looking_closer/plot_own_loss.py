"""
A loss of your own, and its gradient check
==========================================

You will write a loss in four formulas, find out by differences whether its gradient is right, and train with
it where the squared loss fails: on values of which some are far off.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import gradstep as gs

# %%
# The loss
# --------
# ``log(cosh(s - y))`` is half the squared error where that is small, and the absolute error less ``log(2)``
# where it is large: values that are far off pull with the force 1 and no more. A loss is one class. NumPy
# runs its formulas on whole batches, and Numba compiles them.


@dataclass(frozen=True)
class LogCosh(gs.losses.Loss):
    """Mean over the outputs of ``log(cosh(s - y))``."""

    takes = "values"
    metrics = (gs.metrics.R2(), gs.metrics.MeanAbsoluteError())

    @staticmethod
    def parts(s, y, top):
        distance = np.abs(s - y)
        return distance + np.log1p(np.exp(-2 * distance)) - np.log(2.0), 0 * s

    @staticmethod
    def slope(s, y, top, a, k):
        return np.tanh(s - y) / k

    @staticmethod
    def answers(scores):
        return scores


# %%
# Is the gradient right?
# ----------------------
# ``gradient_check`` moves entries of every parameter array a little and holds the slope of the cost against
# the analytic gradient. Central differences come to about 1e-10, forward ones are good to about 1e-7.

random = np.random.default_rng(0)
X = random.uniform(-3, 3, (400, 1))
y = np.sin(2 * X[:, 0]) + 0.3 * X[:, 0] + random.normal(0, 0.1, 400)
regressor = gs.Regressor(
    hidden=(30,),
    activation="tanh",
    loss=LogCosh(),
    init=gs.Xavier(),
    backend="numpy",
    optimizer="adam",
    learning_rate=gs.schedules.Cosine(0.02),
    epochs=150,
    random_state=0,
)
check = gs.gradient_check(regressor, X[:40], y[:40], entries=None)
print("passed:", check.passed())
check

# %%
# If it were wrong
# ----------------
# The same with a slope that forgets to divide where it saturates. The check says so, and in which arrays.


@dataclass(frozen=True)
class Mistaken(LogCosh):
    """The slope of the squared error below the loss of another."""

    @staticmethod
    def slope(s, y, top, a, k):
        return (s - y) / k


wrong = gs.gradient_check(regressor.set_params(loss=Mistaken()), X[:40], y[:40], entries=None)
print("passed:", wrong.passed())

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
arrays = check.by("central")["array"]
for offset, (name, found), colour in zip(
    (-0.2, 0.2), {"right": check, "wrong": wrong}.items(), ("#0072b2", "#d55e00"), strict=True
):
    axes.bar(np.arange(len(arrays)) + offset, found.by("central")["relative"], 0.38, color=colour, label=name)
axes.axhline(1e-7, color="black", linestyle="--", linewidth=1, label="1e-7")
axes.set_xticks(range(len(arrays)), arrays)
axes.set(
    yscale="log", ylabel="largest relative difference", title="Analytic gradient against central differences"
)
axes.set_ylim(top=1e3)
axes.legend(frameon=False, loc="upper center", ncols=3)
plt.show()

# %%
# What it is good for
# -------------------
# One value in twelve is off by several units, always upwards. The squared loss follows them; ``LogCosh`` does
# less.

y_off = y + random.choice([0.0, 8.0], 400, p=[11 / 12, 1 / 12])
models = {
    "squared": regressor.set_params(loss="squared"),
    "log cosh": gs.Regressor(**regressor.get_params(deep=False) | {"loss": LogCosh()}),
}
line = np.linspace(-3, 3, 400)[:, None]
figure, axes = plt.subplots(figsize=(7.4, 4.4), layout="constrained")
axes.plot(X, y_off, ".", color="#c0c6cc", label="rows")
axes.plot(
    line, np.sin(2 * line) + 0.3 * line, color="black", linestyle="--", linewidth=1, label="what is true"
)
for (name, model), colour in zip(models.items(), ("#d55e00", "#0072b2"), strict=True):
    axes.plot(line, model.fit(X, y_off).predict(line), color=colour, linewidth=2, label=name)
axes.set(ylim=(-2.5, 11), xlabel="x", ylabel="y", title="One value in twelve is off by 8")
axes.legend(frameon=False, ncols=2)
plt.show()

# %%
# What to try next
# ----------------
# - ``backend="auto"``: Numba compiles the formulas at the first ``fit``. A struct of the same name in
#   ``cpp/kernels/losses.hpp`` makes it as fast as those that are there.
# - ``gs.gradient(regressor, X, y)`` gives the gradients as arrays.
# - ``python -m gradstep gradcheck --hidden 50`` checks a network from the shell.
