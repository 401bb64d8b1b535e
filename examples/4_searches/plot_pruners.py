"""
Ending the weaker trials early
==============================

You will let 60 networks begin and few come to the end, and see what that saves and what it risks.
"""

import matplotlib.pyplot as plt
import numpy as np

import gradstep as gs

data = gs.datasets.load_digits()
trainer = gs.Trainer(hidden=(30,), optimizer="adam", epochs=27, random_state=0)
space = {
    "l2": gs.LogUniform(1e-6, 1e-1),
    "learning_rate": gs.LogUniform(1e-4, 0.3),
    "optimizer__beta1": gs.Uniform(0.5, 0.99),
}
pruners = {
    "none": None,
    "SuccessiveHalving": gs.SuccessiveHalving(min_epochs=1, factor=3),
    "Hyperband": gs.Hyperband(factor=3),
    "MedianStopping": gs.MedianStopping(),
}

# %%
# Four searches of the same trials
# --------------------------------
# A pruner compares all trials at some epochs, and says which go on. Those that go on do so from where they
# are: they are the networks that they would have become without one.

searches = {
    name: gs.Sweep(trainer, space, n_trials=60, pruner=pruner, random_state=0).fit(
        *data.train, eval_set=data.validation
    )
    for name, pruner in pruners.items()
}

figure, grid = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained", sharey=True)
for axes, (name, search) in zip(grid, searches.items(), strict=True):
    for trial, history in enumerate(search.histories_):
        best = trial == search.best_index_
        look = (
            {"color": "#d55e00", "linewidth": 2.5, "zorder": 3}
            if best
            else {"color": "#0072b2", "alpha": 0.35}
        )
        axes.plot(history["epoch"], history["validation_loss"], **look)
    epochs = sum(int(history["epoch"][-1]) for history in search.histories_)
    axes.set(xlabel="epoch", yscale="log", ylim=(0.05, 10))
    axes.set_title(f"{name}\n{epochs} epochs, best loss {search.best_score_:.3f}", loc="left", fontsize=11)
grid[0].set_ylabel("validation loss")
plt.show()

# %%
# Who would have been the best?
# -----------------------------
# The rank of every trial after three epochs, over its rank at the end of the search without a pruner. Where
# dots lie near the diagonal an early look tells the end, and pruning is safe. The orange dot is the one that
# was the best in the end: a pruner finds a good setting in a fraction of the epochs, and not always the best.

losses = np.array([history["validation_loss"][[2, -1]] for history in searches["none"].histories_])
early, final = losses.argsort(axis=0).argsort(axis=0).T + 1
figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
axes.axline((1, 1), slope=1, color="grey", linestyle="--", linewidth=1)
axes.plot(early, final, "o", color="#0072b2", alpha=0.7)
axes.plot(early[final.argmin()], 1, "o", color="#d55e00", markersize=10)
axes.axvspan(0, 20.5, color="#009e73", alpha=0.12, linewidth=0, label="the third that goes on")
axes.set(xlabel="rank after 3 epochs", ylabel="rank after 27 epochs", xlim=(0, 61), ylim=(0, 61))
axes.legend(frameon=False)
plt.show()

# %%
# The survivors in the plane of two parameters
# --------------------------------------------

gs.plots.parallel_coordinates(
    searches["SuccessiveHalving"].results_, ["l2", "learning_rate", "optimizer__beta1"], "validation_loss"
)

# %%
# What to try next
# ----------------
# - ``metric="validation_accuracy"`` ranks by another column, and so do the pruners.
# - ``gs.optuna.search(study, trainer, space, X, y)`` lets Optuna propose the settings, a batch at a time.
# - ``checkpoint=gs.Checkpoint("folder")`` keeps a search while it runs.
