"""
A first training
================

You will train a network on handwritten digits, watch it learn, see which digits it takes for which, and look
at its weights as pictures. Everything that is drawn here is one call.
"""

import gradstep as gs

# %%
# The data
# --------
# 1,797 digits of 8 x 8 pixels come with scikit-learn. ``load_digits`` holds out 15 % to validate on and 15 %
# to test on, always the same rows. ``data.train`` unpacks as ``X, y``.

data = gs.datasets.load_digits()
data.train, data.validation, data.test

# %%
# The training
# ------------
# One hidden layer of 50 units, 60 passes over the rows. The validation rows are evaluated after every epoch
# and never trained on. ``random_state`` makes it the same training every time, on any number of threads.

trainer = gs.Trainer(hidden=(50,), epochs=60, random_state=0)
trainer.fit(*data.train, eval_set=data.validation)
trainer.evaluate(*data.test)

# %%
# The curves
# ----------
# The loss is what is minimised; the cost is the loss plus the L2 term, ``l2 * sum(W**2)``. Where the dashed
# line leaves the solid one, the network learns things about its own rows that do not hold for others.

gs.plots.curves(trainer)

# %%
# What is taken for what
# ----------------------
# A row of the matrix is a true class, a column what the network says. Right answers lie on the diagonal.

gs.plots.confusion_matrix(trainer, *data.test)

# %%
# How sure it is
# --------------
# The probability that every test row's true class gets. Wrong answers far to the left are those of which the
# network was sure.

gs.plots.probability_histograms(trainer, *data.test)

# %%
# What it looks at
# ----------------
# Without a hidden layer the weights of a class are a picture of it: ink where it is red speaks for the class,
# ink where it is blue against it.

softmax = gs.Trainer(l2=0.05, epochs=60, random_state=0).fit(*data.train)
gs.plots.class_images(softmax, image_shape=(8, 8))

# %%
# What to try next
# ----------------
# - ``gs.report(trainer, "report.html", test_set=data.test)`` writes all of these pictures and the tables as
#   one page that you can send.
# - ``trainer.save("digits.model")`` and ``gs.load_model("digits.model")``: a file that runs nothing when it
#   is loaded.
# - ``gs.datasets.load_csv("table.csv", target="column")`` in the place of the digits.
# - ``hidden=(100, 50)``, or ``hidden=()`` for plain softmax regression.
