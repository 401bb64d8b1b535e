"""
Class weights where a class is rare
===================================

You will look for one row in fifty, see why accuracy says nothing there, and weigh the rare class more.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve
from sklearn.model_selection import train_test_split

import gradstep as gs

# Trainings are cut short here on purpose.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = make_classification(
    12000,
    20,
    n_informative=6,
    n_clusters_per_class=3,
    weights=[0.98],
    flip_y=0.005,
    class_sep=1.5,
    random_state=2,
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
print(f"{y_train.sum()} of {len(y_train)} train rows are of the rare class")

# %%
# Three weights
# -------------
# "balanced" weighs a class by one over its share: here a rare row counts for some forty others. Who always
# says "no" is right in 98 % of the rows, so accuracy is no guide; the history may tell any metric instead,
# here scorers of scikit-learn.

settings = {
    "hidden": (30,),
    "optimizer": "adam",
    "learning_rate": 0.003,
    "l2": 1e-5,
    "epochs": 40,
    "metrics": ["recall", "average_precision"],
    "random_state": 0,
}
weights = {"all alike": None, "rare x 8": {1: 8.0}, "balanced": "balanced"}
trainers = {name: gs.Trainer(**settings, class_weight=weight) for name, weight in weights.items()}
for trainer in trainers.values():
    trainer.fit(X_train, y_train, eval_set=(X_test, y_test))
gs.plots.curves(trainers, panels=["accuracy", "recall"])

# %%
# Precision and recall
# --------------------
# A weight moves the threshold more than it moves the ranking: the curves are close, and the dots, which are
# the answers of ``predict``, are far apart. What is a false alarm worth against a miss? That decides which
# dot is yours.

figure, axes = plt.subplots(figsize=(6.4, 5), layout="constrained")
for (name, trainer), colour in zip(trainers.items(), ["#0072b2", "#d55e00", "#009e73"], strict=True):
    scores, found = trainer.predict_proba(X_test)[:, 1], trainer.predict(X_test) == 1
    precision, recall, _ = precision_recall_curve(y_test, scores)
    label = f"{name} (average precision {average_precision_score(y_test, scores):.2f})"
    axes.plot(recall, precision, color=colour, label=label)
    hits = (found & (y_test == 1)).sum()
    axes.plot(hits / y_test.sum(), hits / max(found.sum(), 1), "o", color=colour, markersize=9)
axes.axhline(y_test.mean(), color="grey", linestyle=":", label="who guesses")
axes.set(
    xlabel="recall: share of the rare rows found", ylabel="precision: share of the alarms that are right"
)
axes.set(xlim=(0, 1), ylim=(0, 1.02), title="Finding one row in fifty")
axes.grid(alpha=0.3)
axes.legend(frameon=False, loc="upper right")
plt.show()

# %%
# The answers
# -----------

for name in ("all alike", "balanced"):
    matrix = confusion_matrix(y_test, trainers[name].predict(X_test))
    print(f"{name:10}  found {matrix[1, 1]:3} of {matrix[1].sum()}, false alarms {matrix[0, 1]}")

gs.plots.confusion_matrix(trainers["balanced"], X_test, y_test, class_names=["usual", "rare"])

# %%
# What to try next
# ----------------
# - ``early_stopping=gs.EarlyStopping("average_precision")``, ``gs.Sweep(...,
#   metric="validation_average_precision")``.
# - ``sample_weight`` of ``fit``, where rows differ in what they are worth; class weights multiply it.
# - scikit-learn's ``TunedThresholdClassifierCV(trainer)`` looks for the threshold by the cost you name.
