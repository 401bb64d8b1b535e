"""
From coarse to fine
===================

You will look for the strength of L2 in rounds, each in a narrower range around the best so far, and see when
to stop looking.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification

import gradstep as gs

X, y = make_classification(2000, 50, n_informative=10, n_classes=4, flip_y=0.1, random_state=5)
train, validation = (X[:600], y[:600]), (X[600:], y[600:])

# %%
# Three rounds
# ------------
# Twelve values over six decades, then eight in a quarter of that range, then eight in a tenth of it. Each
# round trains in one pass.

trainer = gs.Trainer(hidden=(60,), optimizer="adam", learning_rate=0.003, epochs=40, random_state=0)
space = {"l2": gs.LogUniform(1e-6, 1.0)}
rounds = [(12, 1.0), (8, 0.25), (8, 0.1)]
found = gs.coarse_to_fine(
    trainer, space, *train, eval_set=validation, rounds=rounds, metric="validation_accuracy", random_state=1
)

figure, axes = plt.subplots(figsize=(7.4, 4.4), layout="constrained")
results = found.results_
for number, colour in zip((1, 2, 3), ("#0072b2", "#d55e00", "#009e73"), strict=True):
    of_round = results["round"] == number
    l2, accuracy = results["l2"][of_round], 100 * results["validation_accuracy"][of_round]
    axes.semilogx(l2, accuracy, "o", color=colour, label=f"round {number}")
    axes.axvspan(l2.min(), l2.max(), ymin=0.03 * (number - 1), ymax=0.03 * number, color=colour, linewidth=0)
axes.axvline(found.best_params_["l2"], color="black", linestyle=":", linewidth=1)
axes.set(xlabel="l2", ylabel="validation accuracy (%)", title=f"Best: l2 = {found.best_params_['l2']:.2g}")
axes.grid(alpha=0.3)
axes.legend(frameon=False)
plt.show()

# %%
# When to stop looking
# --------------------
# The last round's accuracies differ by less than one training differs from the next. Ten seeds of the best
# value and of one three times as large: more rounds would only chase luck.

best = found.best_params_["l2"]
candidates = {f"l2 = {l2:.2g}": l2 for l2 in (best / 3, best, 3 * best)}
figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
for place, l2 in enumerate(candidates.values()):
    repeats = gs.repeat(trainer.set_params(l2=l2, evaluate_every=None), *train, seeds=10, test_set=validation)
    values = 100 * repeats["test_accuracy"]
    axes.plot(values, np.full(len(values), place), "o", color="#0072b2", alpha=0.5)
    axes.plot(values.mean(), place, "|", color="#d55e00", markersize=26, markeredgewidth=2.5)
axes.set_yticks(range(len(candidates)), list(candidates))
axes.set(xlabel="validation accuracy (%)", ylim=(2.5, -0.5), title="Ten seeds each, and their means")
axes.grid(axis="x", alpha=0.3)
plt.show()

# %%
# What to try next
# ----------------
# - ``folds=5`` in the place of validation rows, which a long search wears out: the more settings are tried on
#   the same rows, the more its best is one that suits these rows.
# - Two ranges at once, as ``{"l2": ..., "learning_rate": gs.LogUniform(1e-4, 1e-1)}``: both are narrowed.
# - ``found.sweeps`` has a ``Sweep`` for every round.
