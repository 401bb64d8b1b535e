"""
Rows that come in parts, and trainings that go on
=================================================

You will train on rows as they arrive, by ``partial_fit``, and let a training go on that had ended, by
``resume``: to the bit as if it had been one.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import gradstep as gs

# Trainings are cut short here on purpose.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(y))
X, y = X[order], y[order]
X_train, y_train, X_test, y_test = X[:1400], y[:1400], X[1400:], y[1400:]

# %%
# A stream
# --------
# Fourteen parts of 100 rows, each seen five times and then never again. ``classes`` says what labels there
# are, for the first part may not have all of them. The optimizer keeps its state from part to part.

settings = {"hidden": (50,), "optimizer": "adam", "learning_rate": 0.002, "batch_size": 20, "l2": 1e-4}
streamed = gs.Trainer(**settings, epochs=5, random_state=0)
seen, accuracy = [], []
for first in range(0, len(X_train), 100):
    part = slice(first, first + 100)
    for _ in range(5):
        streamed.partial_fit(X_train[part], y_train[part], classes=range(10))
    seen.append(part.stop)
    accuracy.append(streamed.score(X_test, y_test))

whole = gs.Trainer(**settings, epochs=5, random_state=0).fit(X_train, y_train)

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(seen, accuracy, "o-", color="#0072b2", label="after every part")
axes.axhline(
    whole.score(X_test, y_test), color="#d55e00", linestyle="--", label="five epochs over all rows at once"
)
axes.set(xlabel="rows seen", ylabel="test accuracy", title="Learning from a stream", ylim=(0.5, 1))
axes.grid(alpha=0.3)
axes.legend(frameon=False, loc="lower right")
plt.show()

# %%
# Going on
# --------
# Twenty epochs, and then twenty more that somebody wished for later. ``resume`` goes on with the optimizer's
# state and the order of rows where they were, so that the result has the same bits as forty epochs in one
# piece: of the two runs in the picture only one is seen, for the other lies under it.

validation = (X_test, y_test)
parts = gs.Trainer(**settings, epochs=20, random_state=0).fit(X_train, y_train, eval_set=validation)
half = len(parts.history_)
parts.resume(X_train, y_train, eval_set=validation, epochs=20)
at_once = gs.Trainer(**settings, epochs=40, random_state=0).fit(X_train, y_train, eval_set=validation)

same = all(np.array_equal(a, b) for a, b in zip(parts.coefs_, at_once.coefs_, strict=True))
print(f"{half} epochs, then {len(parts.history_) - half} more; the same bits: {same}")
gs.plots.curves({"in two parts": parts, "in one": at_once}, panels=["loss", "accuracy"], log=True)

# %%
# What to try next
# ----------------
# - ``trainer.save("half.model", resumable=True)``, and ``gs.load_model("half.model").resume(X, y,
#   epochs=20)`` in another process.
# - ``checkpoint=gs.Checkpoint("folder")`` keeps a training while it runs; ``fit(X, y, resume=True)`` goes on
#   after a crash.
# - ``warm_start=True``: ``fit`` begins with the weights of before, a new optimizer and a new schedule.
