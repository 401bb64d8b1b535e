"""
Several models from one training
================================

You will train once with a cyclic rate, keep the network at the end of every cycle, and let them vote; and do
the same with the best of a search.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification

import gradstep as gs

X, y = make_classification(
    4000,
    30,
    n_informative=12,
    n_classes=4,
    n_clusters_per_class=3,
    class_sep=1.3,
    flip_y=0.02,
    random_state=4,
)
train, validation, test = (X[:1000], y[:1000]), (X[1000:2000], y[1000:2000]), (X[2000:], y[2000:])

# %%
# Snapshots
# ---------
# Where the rate has fallen to nothing the network lies in a hollow of its cost; the next cycle throws it out
# again, to another one.

trainer = gs.Trainer(
    hidden=(60,),
    l2=1e-3,
    dropout=0.2,
    learning_rate=gs.schedules.Cosine(1.0, period=12),
    epochs=72,
    callbacks=(gs.Snapshots(),),
    random_state=0,
)
trainer.fit(*train, eval_set=validation)
figure = gs.plots.curves(trainer, panels=["loss", "accuracy"])
for axes in figure.axes:
    for end in range(12, 73, 12):
        axes.axvline(end, color="grey", linestyle=":", linewidth=1)
figure

# %%
# Each alone, and all together
# ----------------------------
# The soft vote is the mean of the probabilities. The best single one is chosen on these test rows, which
# favours it.

ensemble = gs.VotingEnsemble(trainer.snapshots_)
table = ensemble.table(*test)
figure, axes = plt.subplots(figsize=(7.4, 3.6), layout="constrained")
names = [f"end of cycle {int(name) + 1}" if name.isdigit() else name for name in table["member"]]
colours = ["#c0c6cc"] * len(trainer.snapshots_) + ["#0072b2", "#d55e00"]
bars = axes.barh(names, 100 * table["accuracy"], color=colours)
axes.bar_label(bars, fmt="%.1f", padding=3)
axes.invert_yaxis()
axes.set(xlabel="test accuracy (%)", xlim=(70, 80), title="Snapshots of one training")
plt.show()

# %%
# How many of them
# ----------------
# The last few snapshots, beside the best few of a search of 16 strengths of L2 and initial weights, which
# trained in one pass.

search = gs.Sweep(
    trainer.set_params(callbacks=(), learning_rate=gs.schedules.Cosine(1.0), epochs=30),
    {"l2": gs.LogUniform(1e-4, 5e-3), "init__seed": gs.IntUniform(0, 10**6)},
    n_trials=16,
    metric="validation_accuracy",
    keep_trainers=True,
    random_state=0,
)
search.set_params(trainer__init=gs.He()).fit(*train, eval_set=validation)
sizes = range(1, 7)
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
last = [gs.VotingEnsemble(trainer.snapshots_[-size:]).score(*test) for size in sizes]
best = [search.ensemble(best=size).score(*test) for size in sizes]
axes.plot(sizes, [100 * share for share in last], "o-", color="#0072b2", label="the last snapshots")
axes.plot(sizes, [100 * share for share in best], "s-", color="#d55e00", label="the best of a search")
axes.set(xlabel="networks that vote", ylabel="test accuracy (%)", title="More voters")
axes.grid(alpha=0.3)
axes.legend(frameon=False, loc="lower right")
plt.show()

# %%
# What to try next
# ----------------
# - ``gs.schedules.CyclicTriangular(1e-5, 0.1, step_size=500)``: Smith's triangles have ends of cycles, too.
# - ``voting="hard"`` counts votes, ``weights=[...]`` weighs them.
# - ``average=gs.averaging.LastEpochs(10)``: the mean of the weights, which is one network and not several.
