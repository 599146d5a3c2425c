"""
Cloze: what participants fill in, and who fills in what
=======================================================

Forty participants fill blanks. The model knows which fillers others gave in the same
sentence and in similar ones, how long they are, and which words a participant likes.
"""

# %%
# One row per blank and participant. Three quarters of the judgments are for training.

import matplotlib.pyplot as plt
import numpy as np

from bead_sklearn import ClozeClassifier
from bead_sklearn.datasets import make_judgments

d = make_judgments("cloze", n_participants=40, n_items=60, random_state=0)
print(d.frame.head())
rows = np.random.RandomState(0).permutation(len(d.y))
train, test = rows[: len(rows) * 3 // 4], rows[len(rows) * 3 // 4 :]

# %%
# Fit with and without participants. The coefficient of ``typicality`` is 1 if the
# smoothed shares of the fillers are right as they are.

models = {}
for effects in ("auto", "fixed"):
    model = ClozeClassifier(mixed_effects=effects, random_state=0)
    models[effects] = model.fit(d.X.iloc[train], d.y[train], groups=d.groups[train])
print(models["auto"].summary())
print(models["auto"].predict_table(d.X.iloc[test[:5]], groups=d.groups[test[:5]]))

# %%
# The baseline is the share of each filler in the same sentence, one added to each
# count. How many nats does each held-out answer cost?

classes = models["auto"].classes_.tolist()
texts = d.X["text"].to_numpy()
counts = {text: np.ones(len(classes)) for text in texts}
for i in train:
    counts[texts[i]][classes.index(d.y[i])] += 1
shares = [
    counts[texts[i]][classes.index(d.y[i])] / counts[texts[i]].sum() for i in test
]
losses = {"shares by sentence": -np.log(shares)}
for effects, name in (("fixed", "model"), ("auto", "model with participants")):
    logs = models[effects].log_proba_of(
        d.X.iloc[test], d.y[test], groups=d.groups[test]
    )
    losses[name] = -logs

# %%
# One figure.

means = [loss.mean() for loss in losses.values()]
errors = [1.96 * loss.std() / np.sqrt(len(test)) for loss in losses.values()]
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.errorbar(means, range(len(losses)), xerr=errors, fmt="o")
axes.set(yticks=range(len(losses)), yticklabels=losses, ylim=(-0.5, 2.5))
axes.set(xlabel="held-out log loss (nats), mean and 95 % interval")
plt.show()
for name, loss in losses.items():
    print(f"{name:24} {loss.mean():.3f}")
