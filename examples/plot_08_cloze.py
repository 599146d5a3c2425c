"""
Cloze: what participants fill in, and who fills in what
=======================================================

Eighty participants fill blanks. The model knows which fillers others gave in the same
sentence and in similar ones, how long they are, and which words a participant likes.
"""

# %%
# One row per blank and participant. Three quarters of the judgments are for training.

import matplotlib.pyplot as plt
import numpy as np

from bead_sklearn import ClozeClassifier
from bead_sklearn.datasets import make_judgments

d = make_judgments("cloze", n_participants=80, n_items=60, random_state=0)
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

for name, loss in losses.items():
    print(f"{name:24} {loss.mean():.3f}")

# %%
# One figure: what an answer gains over the shares by sentence.

baseline = losses.pop("shares by sentence")
gains = [baseline - loss for loss in losses.values()]
figure, axes = plt.subplots(figsize=(6, 2.2), layout="constrained")
axes.errorbar(
    [gain.mean() for gain in gains],
    range(len(gains)),
    xerr=[1.96 * gain.std() / np.sqrt(len(test)) for gain in gains],
    fmt="o",
)
axes.axvline(0.0, color="0.6", linewidth=1)
axes.set(yticks=range(len(gains)), yticklabels=losses, ylim=(-0.5, 1.5))
axes.set(xlabel="gain in held-out log-probability (nats, 95 % interval)")
plt.show()

# %%
# For sentences that were seen, the model without participants is as good as the shares
# by sentence; knowing who answers gains another 0.06 nats per answer.
