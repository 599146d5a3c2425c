"""
Categorical judgments: does the second sentence follow?
=======================================================

Readers see two sentences and say whether the second follows from the first, is
contradicted by it, or neither. Labels have no order, and readers differ in how much
they favour each: some say "neutral" wherever they can.
"""

# %%
# The data: a premise and a hypothesis per row.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold

from bead_sklearn import CategoricalClassifier
from bead_sklearn.datasets import make_judgments

d = make_judgments(
    "categorical", n_participants=60, n_items=150, participant_sd=1.5, random_state=0
)
print(d.X.iloc[0].to_dict(), d.y[0])

# %%
# Each label but the first has a linear predictor; the effects of one reader on both
# covary.

model = CategoricalClassifier(random_state=0).fit(d.X, d.y, groups=d.groups)
print(model.summary())

# %%
# In plain words:

print(model.describe())

# %%
# Does it help to know who reads? A tenth of the judgments is held out ten times.

losses = {"random_intercepts": [], "fixed": []}
for train, test in KFold(10, shuffle=True, random_state=0).split(d.X):
    for effects, values in losses.items():
        fold = CategoricalClassifier(mixed_effects=effects, random_state=0)
        fold.fit(d.X.iloc[train], d.y[train], groups=d.groups[train])
        p = fold.predict_proba(d.X.iloc[test], groups=d.groups[test])
        values.append(log_loss(d.y[test], p, labels=fold.classes_))
for effects, values in losses.items():
    print(f"{effects:18} held-out log loss {np.mean(values):.3f}")

# %%
# One figure: how each reader answers an average item, by what the model estimates.

effects = model.effects_["groups"]
eta = model.intercept_ + effects.modes
logits = np.column_stack([np.zeros(len(eta)), eta])
shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
order = np.argsort(shares[:, 2])
figure, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
below = np.zeros(len(shares))
for label, column, colour in zip(
    model.classes_, shares[order].T, ("#b2182b", "#2166ac", "0.8"), strict=True
):
    ax.bar(np.arange(len(shares)), column, bottom=below, color=colour, label=label)
    below += column
ax.set(
    xlabel="readers, by how often they say neutral",
    ylabel="estimated share of answers",
    xlim=(-0.6, len(shares) - 0.4),
    ylim=(0, 1),
)
ax.set_title("Readers favour different labels for the same pair of sentences")
ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
plt.show()

# %%
# Knowing who reads lowers the held-out log loss, because the same average pair is
# neutral for some readers nine times in ten and for others hardly ever.
