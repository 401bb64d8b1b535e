"""
A linear probe on hidden features
=================================

You will train a network on some classes, take what its hidden layer makes of rows as features, and learn
classes that it has never seen from a handful of rows. What is done here with digits is done in the same way
with the embeddings of a large network.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import gradstep as gs

# Trainings are cut short here on purpose.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

# %%
# The rows
# --------
# Digits of 8 x 8 pixels that lie anywhere in a frame of 14 x 14. 0 to 5 are known to the network, 6 to 9 are
# new.

images, y = load_digits(return_X_y=True)
random = np.random.default_rng(0)
X = np.zeros((len(images), 14, 14), np.uint8)
for frame, image, (down, right) in zip(X, images, random.integers(0, 7, (len(X), 2)), strict=True):
    frame[down : down + 8, right : right + 8] = image.reshape(8, 8)
X = X.reshape(-1, 196)
known, new = y < 6, y >= 6

# %%
# The network
# -----------
# It is trained on the digits 0 to 5, moved about in every epoch, so that it learns shapes and not places.
# ``transform`` gives the outputs of its last hidden layer.

network = gs.Trainer(
    hidden=(128,),
    dropout=0.2,
    augment=gs.augment.Translate(3, image_shape=(14, 14)),
    optimizer="adam",
    learning_rate=gs.schedules.Cosine(0.003),
    epochs=100,
    batch_size=50,
    random_state=0,
)
network.fit(X[known], y[known])
features = network.transform(X[new]).astype(np.float64)
print(features.shape)

# %%
# What it looks for
# -----------------
# The weights of the twenty hidden units that count most: strokes, bends and edges, at all places. New digits
# have strokes, too.

gs.plots.class_images(network, image_shape=(14, 14), max_images=20)

# %%
# Probes
# ------
# A probe is softmax regression on frozen features. Twenty strengths of L2 train in one pass, and the best by
# validation rows counts; ten draws of the rows show how much is luck.


def probe(rows, labels, count, seed):
    order = np.random.default_rng(seed).permutation(len(labels))
    train, rest = order[:count], order[count:]
    validation, test = rest[:100], rest[100:]
    trainer = gs.Trainer(optimizer="adam", learning_rate=0.02, epochs=30, batch_size=20, random_state=0)
    sweep = gs.Sweep(trainer, {"l2": np.geomspace(1e-5, 1.0, 20).tolist()}, metric="validation_accuracy")
    sweep.fit(rows[train], labels[train], eval_set=(rows[validation], labels[validation]))
    return sweep.best_trainer_.score(rows[test], labels[test])


counts = [8, 16, 32, 64, 128]
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
for name, rows, colour in (("pixels", X[new], "#0072b2"), ("hidden features", features, "#d55e00")):
    found = 100 * np.array([[probe(rows, y[new], count, seed) for seed in range(10)] for count in counts])
    mean, deviation = found.mean(axis=1), found.std(axis=1, ddof=1)
    axes.plot(counts, mean, "o-", color=colour, label=name)
    axes.fill_between(counts, mean - deviation, mean + deviation, color=colour, alpha=0.15, linewidth=0)
axes.set_xscale("log", base=2)
axes.set_xticks(counts, [str(count) for count in counts])
axes.set(
    xlabel="rows of the new digits", ylabel="test accuracy (%)", title="Linear probes: means of ten draws"
)
axes.grid(alpha=0.3)
axes.legend(frameon=False, loc="lower right")
plt.show()

# %%
# What to try next
# ----------------
# - ``X = numpy.load("embeddings.npy", mmap_mode="r")``: rows of a mapped file are read where they lie, never
#   copied as a whole.
# - ``make_pipeline(gs.Trainer(hidden=(64,)), GradientBoostingClassifier())``: a network as a step of a
#   pipeline.
# - ``network.transform(X, layer=0)`` for another layer than the last.
