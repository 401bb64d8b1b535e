"""
In the place of scikit-learn's MLPClassifier
============================================

You will change one import of a program for scikit-learn, and see that the model stays the same: the same
curve, the same weights but for rounding, the same answers.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import gradstep.sklearn

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

# %%
# The same program twice
# ----------------------
# ``gradstep.sklearn`` has the two networks of ``sklearn.neural_network``, derived from them. Initial weights,
# the rows that early stopping holds out and the order of the rows are drawn from ``random_state`` as
# scikit-learn draws them.

settings = {"hidden_layer_sizes": (30,), "max_iter": 500, "random_state": 0}
theirs = neural_network.MLPClassifier(**settings).fit(X_train, y_train)
ours = gradstep.sklearn.MLPClassifier(**settings).fit(X_train, y_train)

for name, network in {"scikit-learn": theirs, "gradstep": ours}.items():
    accuracy = network.score(X_test, y_test)
    print(f"{name:12}: {network.n_iter_} epochs, loss {network.loss_:.12f}, test accuracy {accuracy:.4f}")

# %%
# The curve and the difference
# ----------------------------
# The two curves lie on each other. Below, what is between them: the sums of a batch are taken in another
# order, and float64 rounds at about 1e-16 of a number. The dotted line is what two neighbouring float64
# numbers differ by; dots at the foot are epochs of which every digit is the same.

ours_curve, theirs_curve = np.array(ours.loss_curve_), np.array(theirs.loss_curve_)
epochs = np.arange(1, len(ours_curve) + 1)
difference = np.abs(ours_curve / theirs_curve - 1)

figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7, 5.4), layout="constrained")
above.plot(epochs, theirs_curve, color="#e69f00", linewidth=5, alpha=0.6, label="scikit-learn")
above.plot(epochs, ours_curve, color="#0072b2", linewidth=1.6, label="gradstep")
above.set(ylabel="loss", title="The same curve")
above.legend(frameon=False)
below.semilogy(epochs, np.maximum(difference, 1e-17), ".", color="#0072b2")
below.axhline(np.finfo(float).eps, color="grey", linestyle=":")
below.set(xlabel="epoch", ylabel="relative difference", ylim=(7e-18, 1e-14), title="What is between them")
plt.show()

# %%
# Every weight
# ------------
# A dot for every weight of both layers, when Adam has come to its stop.

figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
for layer, (ours_W, theirs_W) in enumerate(zip(ours.coefs_, theirs.coefs_, strict=True), 1):
    axes.plot(theirs_W.ravel(), ours_W.ravel(), ".", label=f"layer {layer}")
apart = max(np.abs(a - b).max() for a, b in zip(ours.coefs_, theirs.coefs_, strict=True))
axes.axline((0, 0), slope=1, color="grey", linewidth=0.8, zorder=0)
axes.set(xlabel="weight in scikit-learn", ylabel="weight in gradstep", title=f"Farthest apart: {apart:.1e}")
axes.legend(frameon=False)
plt.show()

# %%
# What to try next
# ----------------
# - ``python -m gradstep.sklearn your_script.py`` runs a program with the two classes replaced, without an
#   edit.
# - ``class_weight="balanced"``, ``dropout=0.2`` or ``precision="float32"``: parameters that scikit-learn's
#   class does not have.
# - ``gs.FusedSearchCV`` in the place of ``GridSearchCV`` trains all values of ``alpha`` in one pass.
