"""
Several labels a row
====================

You will train a network whose answer is a set: any number of labels at once, or none.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

import gradstep as gs

# %%
# What a row is asked
# -------------------
# Seven questions about a digit, each of which any digit may answer with yes. y is an indicator matrix (n, 7)
# of 0 and 1.

questions = {
    "even": (0, 2, 4, 6, 8),
    "prime": (2, 3, 5, 7),
    "square": (0, 1, 4, 9),
    "above 5": (6, 7, 8, 9),
    "has a loop": (0, 6, 8, 9),
    "multiple of 3": (0, 3, 6, 9),
    "zero": (0,),
}
X, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(X))
X, digits = X[order].astype(np.uint8), digits[order]
y = np.column_stack([np.isin(digits, those) for those in questions.values()]).astype(int)
train, validation, test = slice(0, 1000), slice(1000, 1300), slice(1300, None)
print(y[:5])

# %%
# The training
# ------------
# The loss is the mean over the outputs of their binary cross-entropies. Subset accuracy counts the rows of
# which every answer is right; F1 is over all outputs together.

trainer = gs.Trainer(
    hidden=(50,), loss="multilabel", optimizer="adam", learning_rate=0.003, epochs=60, random_state=0
)
trainer.fit(X[train], y[train], eval_set=(X[validation], y[validation]))
gs.plots.curves(trainer, panels=["loss", "subset_accuracy", "f1"])

# %%
# Question by question
# --------------------

scores = f1_score(y[test], trainer.predict(X[test]), average=None)
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
bars = axes.barh(list(questions), 100 * scores, color="#0072b2")
axes.bar_label(bars, fmt="%.1f", padding=3)
axes.set(xlabel="F1 of the test rows (%)", xlim=(80, 102), title="Every question by itself")
axes.invert_yaxis()
plt.show()

# %%
# Answers
# -------
# ``predict_proba`` has a probability for every label, each by itself: they do not sum to 1.

figure, grid = plt.subplots(2, 5, figsize=(10, 5), layout="constrained", height_ratios=(1, 1.6))
shown = [np.flatnonzero(digits[test] == digit)[0] for digit in (0, 2, 4, 7, 9)]
probabilities = trainer.predict_proba(X[test][shown])
for (image, bars), row, probability in zip(grid.T, shown, probabilities, strict=True):
    image.imshow(X[test][row].reshape(8, 8), cmap="Greys")
    image.set_axis_off()
    colours = ["#d55e00" if p > 0.5 else "#c0c6cc" for p in probability]
    bars.barh(list(questions), probability, color=colours)
    bars.set(xlim=(0, 1), xticks=[0, 0.5, 1])
    bars.invert_yaxis()
    if bars is not grid[1, 0]:
        bars.set_yticks([])
plt.show()

# %%
# What to try next
# ----------------
# - ``class_weight="balanced"`` weighs the answers of every label by how rare they are.
# - ``early_stopping=gs.EarlyStopping("validation_f1")``.
# - ``gradstep train --data table.csv --target first second third`` reads several columns of 0 and 1 as
#   labels.
