"""
Early stopping and validation curves
====================================

You will let a network learn far too long, stop it where it was best, and draw the curve over a parameter by
which you choose its strength.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification

import gradstep as gs

# %%
# Few rows, many columns and labels of which a tenth is wrong: a network with a hidden layer soon knows them
# by heart.

X, y = make_classification(1500, 40, n_informative=8, n_classes=3, flip_y=0.1, class_sep=1.2, random_state=3)
X_train, y_train, X_val, y_val, X_test, y_test = (
    X[:500],
    y[:500],
    X[500:1000],
    y[500:1000],
    X[1000:],
    y[1000:],
)
validation = (X_val, y_val)

# %%
# Too long
# --------
# The train loss falls to nothing. The validation loss turns early, and what comes after is worse with every
# epoch.

settings = {
    "hidden": (100,),
    "l2": 0.0,
    "optimizer": "adam",
    "learning_rate": 0.002,
    "epochs": 60,
    "random_state": 0,
}
too_long = gs.Trainer(**settings).fit(X_train, y_train, eval_set=validation)
gs.plots.curves(too_long, panels=["loss", "accuracy"])

# %%
# Stopped where it was best
# -------------------------
# ``EarlyStopping`` ends the training after ten epochs without a better validation loss, and goes back to the
# weights of the best one.

rule = gs.EarlyStopping(patience=10)
stopped = gs.Trainer(**settings, early_stopping=rule).fit(X_train, y_train, eval_set=validation)

print(f"{stopped.status_} after epoch {stopped.history_['epoch'][-1]}")
for name, trainer in {"to the last epoch": too_long, "stopped": stopped}.items():
    found = trainer.evaluate(X_test, y_test)
    print(f"{name:18} test loss {found['loss']:.3f}, test accuracy {found['accuracy']:.3f}")

# %%
# How strong should L2 be?
# ------------------------
# The other way: train to the end, and hold the weights small. Nine strengths train in one pass; train and
# validation rows over the strength are a validation curve. Left of its top the network learns by heart, right
# of it learns too little.

space = {"l2": [float(f"{10 ** (power / 2):.2g}") for power in range(-10, -1)]}
sweep = gs.Sweep(gs.Trainer(**settings), space).fit(X_train, y_train, eval_set=validation)
gs.plots.over_parameter(sweep.results_, "l2", ["train_accuracy", "validation_accuracy"])

# %%
# How many rows would help?
# -------------------------
# The learning curve: both accuracies over the number of rows, of the best strength. They draw near each
# other; what more rows would bring can be read off.

sizes = [50, 100, 200, 300, 500]
l2 = sweep.best_params_["l2"]
curve = [
    gs.Trainer(**settings | {"l2": l2}).fit(X_train[:n], y_train[:n], eval_set=validation) for n in sizes
]

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(sizes, [t.history_["train_accuracy"][-1] for t in curve], "o-", color="#0072b2", label="train")
axes.plot(
    sizes, [t.history_["validation_accuracy"][-1] for t in curve], "o--", color="#d55e00", label="validation"
)
axes.set(xlabel="rows trained on", ylabel="accuracy", title=f"Learning curve at l2 = {l2:g}")
axes.grid(alpha=0.3)
axes.legend(frameon=False)
plt.show()

# %%
# What to try next
# ----------------
# - ``gs.Trainer(early_stopping=gs.EarlyStopping("roc_auc"))`` without an ``eval_set``: ``fit`` holds out rows
#   by itself, behind the steps of a pipeline and in a cross-validation, too.
# - ``min_delta=1e-3`` to stop where the gain is small, ``restore_best=False`` to keep the last weights.
# - In a ``Sweep`` every model stops by itself, and the others go on.
