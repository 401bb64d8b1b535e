"""
Texts as sparse rows
====================

You will train on texts by way of TF-IDF: rows of thousands of columns, nearly all of them 0. The rows stay
sparse, and only what is there is multiplied.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

import gradstep as gs

# %%
# Texts to learn from
# -------------------
# Sentences on four subjects. Each has words of its own, and all share the others; two words of five are of
# another subject, so that no word alone decides.

vocabularies = {
    "garden": "seed soil root bloom hedge compost prune lawn petal rake weed blossom orchard spade mulch",
    "sea": "tide wave harbour sail anchor gull reef keel salt current mast deck shore pilot buoy",
    "kitchen": "pan flour simmer oven spice knife boil dough whisk stew roast butter recipe bowl crust",
    "railway": "track signal train platform rail engine wagon tunnel ticket brake coach whistle depot",
}
words = {subject: text.split() for subject, text in vocabularies.items()}
everywhere = "the a old new under over before after with small bright quiet early late morning evening long"
common = everywhere.split()
names = list(words)
random = np.random.default_rng(0)


def sentence(subject):
    others = [word for name in names if name != subject for word in words[name]]
    chosen = [random.choice(words[subject] if random.random() < 0.6 else others) for _ in range(8)]
    numbers = [f"no{random.integers(4000)}" for _ in range(3)]  # as catalogues have them: they tell nothing
    return " ".join(random.permutation([*chosen, *random.choice(common, 8), *numbers]))


subjects = random.choice(names, 4000)
texts = np.array([sentence(subject) for subject in subjects])
print(subjects[0], "|", texts[0])

# %%
# A pipeline
# ----------
# ``TfidfVectorizer`` gives a sparse matrix, and the trainer takes it as it is. ``validation_fraction`` holds
# out rows behind the vectorizer, where an ``eval_set`` could not be given.

pipeline = make_pipeline(
    TfidfVectorizer(),
    gs.Trainer(
        hidden=(20,),
        optimizer="adam",
        learning_rate=0.003,
        l2=0.01,
        epochs=20,
        validation_fraction=0.2,
        random_state=0,
    ),
)
pipeline.fit(texts[:3000], subjects[:3000])
matrix = pipeline[0].transform(texts[:3000])
print(f"{matrix.shape[0]} x {matrix.shape[1]}, of which {matrix.nnz / np.prod(matrix.shape):.2%} are not 0")
print(f"test accuracy {pipeline.score(texts[3000:], subjects[3000:]):.3f}")
gs.plots.curves(pipeline[-1], panels=["loss", "accuracy"])

# %%
# Which words speak for what
# --------------------------
# Without a hidden layer every word has a weight for every subject. The strongest eight of each:

linear = make_pipeline(
    TfidfVectorizer(), gs.Trainer(optimizer="adam", learning_rate=0.01, epochs=20, random_state=0)
)
linear.fit(texts[:3000], subjects[:3000])
vocabulary, weights = linear[0].get_feature_names_out(), linear[-1].coef_

figure, grid = plt.subplots(1, 4, figsize=(11, 3.4), layout="constrained", sharex=True)
for axes, name, row in zip(grid, linear[-1].classes_, weights, strict=True):
    strongest = np.argsort(row)[-8:]
    axes.barh(vocabulary[strongest], row[strongest], color="#009e73")
    axes.set_title(name, loc="left", weight="bold")
    axes.set_xlabel("weight")
plt.show()

# %%
# What is taken for what
# ----------------------

gs.plots.confusion_matrix(linear[-1], linear[0].transform(texts[3000:]), subjects[3000:])

# %%
# What to try next
# ----------------
# - ``HashingVectorizer`` or ``OneHotEncoder`` in the place of TF-IDF: any sparse matrix of SciPy will do.
# - ``gs.FusedSearchCV(pipeline, {"trainer__l2": [1e-4, 1e-3, 1e-2]})``: the vectorizer is fitted once for a
#   fold.
# - ``partial_fit`` with ``HashingVectorizer`` for texts that come as a stream.
