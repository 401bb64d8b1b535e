"""
FusedSearchCV in the place of GridSearchCV
==========================================

You will cross-validate a grid with scikit-learn's words, find the same scores to the last bit, and see which
settings trained together.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs

X, y = load_breast_cancer(return_X_y=True)
trainer = gs.Trainer(hidden=(20,), learning_rate=0.1, epochs=30, random_state=0)
grid = {"l2": [1e-4, 1e-3, 1e-2, 1e-1], "learning_rate": [0.003, 0.03, 0.3]}

# %%
# The same scores
# ---------------
# Parameters, attributes and columns are those of ``GridSearchCV``. A model is, to the bit, what the same
# estimator fitted on the rows of its fold alone would be, so the scores are equal and not only close.

fused = gs.FusedSearchCV(trainer, grid, cv=5).fit(X, y)
plain = GridSearchCV(trainer.set_params(evaluate_every=None), grid, cv=5).fit(X, y)
ours, theirs = fused.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
print(f"all {len(ours)} mean scores equal: {np.array_equal(ours, theirs)}")
print(f"best {fused.best_params_}, {fused.best_score_:.4f}")
print(f"{len(ours) * fused.n_splits_} models in {len(fused.groups_)} trainings, one for each fold")

# %%
# The grid
# --------

gs.plots.heat_map(fused.cv_results_, "param_l2", "param_learning_rate", "mean_test_score")

# %%
# A pipeline
# ----------
# Transformers are fitted on the rows of a fold that are trained on, once for all settings that do not change
# them. Here three numbers of components make three groups for every fold.

pipeline = make_pipeline(StandardScaler(), PCA(), gs.Trainer(hidden=(20,), epochs=30, random_state=0))
space = {"pca__n_components": [2, 5, 15], "trainer__l2": [1e-4, 1e-3, 1e-2, 1e-1]}
search = gs.FusedSearchCV(pipeline, space, cv=5, scoring=["accuracy", "roc_auc"], refit="roc_auc").fit(X, y)
results = search.cv_results_

figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
for components, colour in zip(space["pca__n_components"], ("#0072b2", "#d55e00", "#009e73"), strict=True):
    rows = results["param_pca__n_components"] == components
    l2 = results["param_trainer__l2"][rows].astype(float)
    mean, deviation = results["mean_test_roc_auc"][rows], results["std_test_roc_auc"][rows]
    axes.errorbar(l2, mean, deviation, fmt="o-", capsize=4, color=colour, label=f"{components} components")
axes.set(xscale="log", xlabel="l2", ylabel="ROC AUC, five folds", title="Mean and deviation over the folds")
axes.grid(alpha=0.3)
axes.legend(frameon=False, loc="lower left")
plt.show()

# %%
# What to try next
# ----------------
# - ``gs.FusedSearchCV(gradstep.sklearn.MLPClassifier(random_state=0), {"alpha": [1e-4, 1e-2]})``:
#   scikit-learn's network, all of its settings in one pass.
# - Distributions in the place of lists, with ``n_iter=60``: a ``RandomizedSearchCV``.
# - ``executor=4`` or a client of Dask: folds train on several processes or machines.
