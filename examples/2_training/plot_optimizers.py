"""
Optimizers side by side
=======================

You will train one network by seven optimizers, compare their curves, and see that an optimizer can only be
judged at a learning rate of its own.
"""

import warnings

from sklearn.exceptions import ConvergenceWarning

import gradstep as gs

# Trainings are cut short here on purpose.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

data = gs.datasets.load_digits()
optimizers = {
    "sgd": gs.optimizers.SGD(),
    "momentum": gs.optimizers.SGD(momentum=0.9),
    "nesterov": gs.optimizers.SGD(momentum=0.9, nesterov=True),
    "adam": gs.optimizers.Adam(),
    "adamw": gs.optimizers.AdamW(weight_decay=0.01),
    "rmsprop": gs.optimizers.RMSprop(),
    "adagrad": gs.optimizers.Adagrad(),
}

# %%
# One rate for all
# ----------------
# The step of plain descent is the rate times the gradient; that of Adam and RMSprop is about the rate itself,
# however large the gradient is. 0.003 is much for the one and little for the other.

common = gs.Trainer(hidden=(50,), l2=1e-4, epochs=30, random_state=0)


def train(name, rate):
    trainer = gs.Trainer(
        **common.get_params(deep=False) | {"optimizer": optimizers[name], "learning_rate": rate}
    )
    return trainer.fit(*data.train, eval_set=data.validation)


same_rate = {name: train(name, 0.003) for name in optimizers}
gs.plots.curves(same_rate, panels=["loss", "accuracy"], log=True, title="All at a rate of 0.003")

# %%
# A rate for each
# ---------------
# Seven rates for every optimizer. ``Sweep`` trains those of one optimizer together: every batch is read and
# standardised once for all of them.

rates = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
table = {"optimizer": [], "learning_rate": [], "validation_accuracy": []}
best_rate = {}
for name, optimizer in optimizers.items():
    trainer = gs.Trainer(**common.get_params(deep=False) | {"optimizer": optimizer})
    sweep = gs.Sweep(trainer, {"learning_rate": rates}, metric="validation_accuracy")
    sweep.fit(*data.train, eval_set=data.validation)
    best_rate[name] = sweep.best_params_["learning_rate"]
    table["optimizer"] += [name] * len(rates)
    table["learning_rate"] += list(sweep.results_["learning_rate"])
    table["validation_accuracy"] += list(sweep.results_["validation_accuracy"])

gs.plots.heat_map(table, "optimizer", "learning_rate")

# %%
# Each at its best
# ----------------
# With a rate of its own the order is another one, and on the validation rows the distances are small: far
# apart are the train losses, which nobody asks for.

own_rate = {f"{name}, {rate:g}": train(name, rate) for name, rate in best_rate.items()}
gs.plots.curves(own_rate, panels=["loss", "accuracy"], log=True, title="Each at the best of seven rates")

# %%
# What to try next
# ----------------
# - ``learning_rate="auto"``, the default, is half a cosine from a rate that fits the optimizer and the number
#   of inputs.
# - ``gs.Sweep(trainer, {"optimizer__beta1": [0.8, 0.9, 0.95]})``: the numbers within an optimizer are
#   searched as any other.
# - ``average=gs.averaging.EMA(decay=0.99)`` evaluates the moving average of the weights, ``clip_norm=1.0``
#   shortens long gradients.
