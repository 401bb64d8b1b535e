"""
How much of a number is luck
============================

You will train three settings with many seeds, and find out whether one is really better than another.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradstep as gs

data = gs.datasets.load_digits()
settings = {"epochs": 20, "l2": 1e-3, "evaluate_every": "epoch", "evaluate_untrained": True}
trainers = {
    "no hidden layer": gs.Trainer(**settings),
    "20 units": gs.Trainer(**settings, hidden=(20,)),
    "100 units": gs.Trainer(**settings, hidden=(100,)),
}

# %%
# Ten seeds of each
# -----------------
# The seed draws initial weights and the order of rows. ``repeat`` gives every seed's metrics, and prints mean
# and standard deviation below.

found = {
    name: gs.repeat(trainer, *data.train, seeds=10, eval_set=data.validation, test_set=data.test)
    for name, trainer in trainers.items()
}
found["20 units"]

# %%
# Means in bands
# --------------
# Of several seeds ``curves`` draws the mean, in a band of one standard deviation.

gs.plots.curves(found, panels=["loss", "accuracy"], log=True)

# %%
# Is the one better?
# ------------------
# 270 test rows: one row more or less is 0.37 points. The dots are single trainings. Two settings differ if
# their dots do not mix; a single training of each, as most tables have it, could have shown either order of
# the two networks.

figure, axes = plt.subplots(figsize=(7.4, 3), layout="constrained")
names = []
for place, (name, repeats) in enumerate(found.items()):
    accuracy = 100 * repeats["test_accuracy"]
    axes.plot(accuracy, place + np.linspace(-0.2, 0.2, len(accuracy)), "o", color="#0072b2", alpha=0.6)
    axes.plot(accuracy.mean(), place, "|", color="#d55e00", markersize=34, markeredgewidth=2.5)
    names.append(f"{name}\n{accuracy.mean():.2f} ± {accuracy.std(ddof=1):.2f}")
axes.set_yticks(range(len(names)), names)
axes.set(xlabel="test accuracy (%)", ylim=(2.5, -0.5), title="Ten seeds each, and their means")
axes.grid(axis="x", alpha=0.3)
plt.show()

# %%
# What to try next
# ----------------
# - ``print(found["20 units"].to_latex())`` for a report.
# - ``executor=4`` trains the seeds on four processes, to the same bits.
# - ``gradstep train --data digits --seeds 5`` does it from the shell.
