"""
Schedules and the learning-rate range test
==========================================

You will find out which learning rates a network can bear by one short run, see the schedules that there are,
and train by them.
"""

import gradstep as gs

data = gs.datasets.load_digits()
trainer = gs.Trainer(hidden=(50,), l2=1e-3, batch_size=50, epochs=20, random_state=0)

# %%
# Which rates will do
# -------------------
# The range test trains with a rate that rises from update to update. Where the loss begins to fall is the
# least useful rate; where it becomes rough or rises again, the largest.

test = gs.learning_rate_range_test(trainer, *data.train, low=1e-4, high=10.0, epochs=4)
gs.plots.range_test(test)

# %%
# The schedules
# -------------
# A schedule is a pure function of the number of the update. Here an epoch has 26 updates.

per_epoch = -(-len(data.train) // 50)
schedules = {
    "constant": gs.schedules.Constant(0.8),
    "step decay": gs.schedules.StepDecay(0.8, factor=0.3, every=5),
    "cosine": gs.schedules.Cosine(0.8),
    "warm restarts": gs.schedules.Cosine(0.8, period=5),
    "triangles": gs.schedules.CyclicTriangular(0.001, 0.8, step_size=5 * per_epoch),
    "one cycle": gs.schedules.OneCycle(0.8),
}
gs.plots.learning_rate(schedules, updates=20 * per_epoch, updates_per_epoch=per_epoch)

# %%
# What they come to
# -----------------
# All trainings differ in the schedule alone, so one pass over the rows trains them all. Where a rate is at
# its highest the loss jumps about; where it falls to nothing the network comes to rest.

space = {"learning_rate": list(schedules.values())}
sweep = gs.Sweep(trainer, space, keep_trainers=True).fit(*data.train, eval_set=data.validation)
runs = dict(zip(schedules, sweep.histories_, strict=True))
gs.plots.curves(runs, panels=["loss", "accuracy"], log=True)

# %%
# A rule of your own
# ------------------
# Any function will do: of the update, or of the epoch where its parameter is called ``epoch``.


def warm_up_then_fall(epoch):
    return 0.8 * min((epoch + 1) / 4, 0.85 ** (epoch - 3))


trainer.set_params(learning_rate=warm_up_then_fall).fit(*data.train, eval_set=data.validation)
gs.plots.learning_rate(
    {"a rule of one's own": trainer, "one cycle": schedules["one cycle"]},
    updates=20 * per_epoch,
    updates_per_epoch=per_epoch,
)

# %%
# What to try next
# ----------------
# - ``gs.schedules.ReduceOnPlateau(0.3)`` lowers the rate where the validation loss no longer falls.
# - ``gs.Sweep(trainer, {"learning_rate__high": gs.LogUniform(0.01, 1)})`` searches a number within a
#   schedule.
# - ``callbacks=(gs.Snapshots(),)`` keeps the model at the end of every cycle: see the example on snapshots.
