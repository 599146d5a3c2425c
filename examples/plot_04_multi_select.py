"""
Multi-select: which feelings does a sentence evoke?
===================================================

Participants tick any number of feelings. Some tick many, some few, and who ticks one
feeling readily may tick another rarely: the effects of a participant covary over the
options.
"""

# %%
# The data: an indicator matrix, or a set of names per row.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import KFold

from bead_sklearn import MultiSelectClassifier
from bead_sklearn.datasets import make_judgments

d = make_judgments(
    "multi_select", n_participants=60, n_items=150, n_categories=4, random_state=0
)
y = [{d.classes[k] for k in np.flatnonzero(row)} for row in d.y]
print(d.X.iloc[0].to_dict(), y[0])

# %%
# Every feeling has a linear predictor of its own.

model = MultiSelectClassifier(random_state=0).fit(d.X, y, groups=d.groups)
print(model.summary())

# %%
# Held-out log loss per feeling, with participants and without.


def log_loss_per_option(probabilities, selected):
    return -np.log(np.where(selected, probabilities, 1 - probabilities)).mean(axis=0)


losses = {"random_intercepts": [], "fixed": []}
selected = np.array([[name in row for name in model.classes_] for row in y])
for train, test in KFold(5, shuffle=True, random_state=0).split(d.X):
    for effects, values in losses.items():
        fold = MultiSelectClassifier(mixed_effects=effects, random_state=0)
        fold.fit(d.X.iloc[train], [y[i] for i in train], groups=d.groups[train])
        p = fold.predict_proba(d.X.iloc[test], groups=d.groups[test])
        values.append(log_loss_per_option(p, selected[test]))
means = {effects: np.mean(values, axis=0) for effects, values in losses.items()}

# %%
# One figure: what knowing the participant is worth, feeling by feeling.

figure, ax = plt.subplots(figsize=(8, 3.4), layout="constrained")
places = np.arange(len(model.classes_))
ax.barh(places + 0.18, means["fixed"], height=0.34, color="0.75", label="without")
ax.barh(
    places - 0.18,
    means["random_intercepts"],
    height=0.34,
    color="#2166ac",
    label="with participants",
)
ax.set_yticks(places, model.classes_)
ax.invert_yaxis()
ax.set(xlabel="held-out log loss", xlim=(0.4, None))
ax.set_title("Who ticks matters for every feeling")
ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
plt.show()

# %%
# For every feeling, predictions that know who ticks are better than those that know the
# sentence only.
