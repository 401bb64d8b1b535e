"""
A sweep of many models in one pass
==================================

You will train 48 networks together, and find in pictures which settings are good and which do not matter.
"""

import gradstep as gs

data = gs.datasets.load_digits()
trainer = gs.Trainer(hidden=(40,), epochs=20, random_state=0)

# %%
# A grid
# ------
# Lists make a grid: six strengths of L2 times four rates. All 24 networks agree in what one pass over the
# rows must share, so every batch is read once for all of them. Each is, to the bit, what it would be if
# trained alone.

space = {"l2": [1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 0.1], "learning_rate": [0.01, 0.03, 0.1, 0.3]}
grid = gs.Sweep(trainer, space, metric="validation_accuracy").fit(*data.train, eval_set=data.validation)
print(f"{len(grid.groups_)} group of {len(grid.trials_)} models; best: {grid.best_params_}")
gs.plots.heat_map(grid.results_, "l2", "learning_rate")

# %%
# The best among all
# ------------------

names = [f"trial {trial}" for trial in range(len(grid.histories_))]
runs = dict(zip(names, grid.histories_, strict=True))
gs.plots.curves(runs, best=f"trial {grid.best_index_}", panels=["loss", "accuracy"])

# %%
# A random search
# ---------------
# Distributions are drawn from, so more parameters cost no more trials. Layer sizes and batch sizes cannot
# share a pass: models that agree in them make a group, and groups train one after the other.

space = {
    "l2": gs.LogUniform(1e-6, 1e-1),
    "learning_rate": gs.LogUniform(0.003, 0.5),
    "hidden": gs.Choice([(10,), (40,), (40, 40)]),
    "batch_size": gs.Choice([20, 100]),
}
search = gs.Sweep(trainer, space, n_trials=48, metric="validation_accuracy", random_state=0)
search.fit(*data.train, eval_set=data.validation)
gs.plots.parallel_coordinates(search.results_, ["l2", "learning_rate", "hidden", "batch_size"])

# %%
# One parameter at a time
# -----------------------
# Every dot is a network; the others of its parameters were drawn, too, so there is no line to join them.

gs.plots.over_parameter(
    search.results_, "learning_rate", ["train_accuracy", "validation_accuracy"], join=False
)

# %%
# The table
# ---------
# Best first. ``to_csv``, ``to_latex`` and ``to_pandas`` write it.

search.results_

# %%
# What to try next
# ----------------
# - ``pruner=gs.SuccessiveHalving()`` ends the weaker trials on the way: see the next example.
# - ``folds=5`` cross-validates every setting, those of a fold in the same passes.
# - ``gs.report(search, "search.html")`` writes the page of a search, ``executor=4`` trains it on four
#   processes.
