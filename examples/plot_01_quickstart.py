"""
Quickstart: participants differ, and a model can know it
========================================================

Sixty participants judge sentences: acceptable or not? Some are lenient, some are
strict. We fit a model that estimates each participant's leniency, read its summary,
check it against the truth of the simulation, and let active learning choose which
judgments to collect.
"""

# %%
# The data: one row per judgment. ``X`` holds the sentences, ``groups`` the
# participants. Here they are simulated, so we know the truth.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold

from bead_sklearn import ActiveLearningSearch, BinaryClassifier
from bead_sklearn.active_learning import LearningCurveDisplay
from bead_sklearn.datasets import make_judgments

d = make_judgments("binary", n_participants=60, n_items=400, random_state=0)
print(d.frame.head())

# %%
# Fit, and read how much participants differ.

model = BinaryClassifier(random_state=0).fit(d.X, d.y, groups=d.groups)
print(model.summary())

# %%
# How much does it help to know who answers? We hold out a tenth of the judgments ten
# times and compare with the same model without participants.

losses = {"random_intercepts": [], "fixed": []}
for train, test in KFold(10, shuffle=True, random_state=0).split(d.X):
    for effects, values in losses.items():
        fold = BinaryClassifier(mixed_effects=effects, random_state=0)
        fold.fit(d.X.iloc[train], d.y[train], groups=d.groups[train])
        p = fold.predict_proba(d.X.iloc[test], groups=d.groups[test])
        values.append(log_loss(d.y[test], p))
for effects, values in losses.items():
    print(f"{effects:18} held-out log loss {np.mean(values):.3f}")

# %%
# Which judgments should be collected first? The search hides the labels and reveals
# them as a strategy asks; rows of held-out participants score it.

curves = {}
for strategy in ("margin", "random"):
    curves[strategy] = ActiveLearningSearch(
        BinaryClassifier(random_state=0),
        strategy=strategy,
        batch_size=40,
        n_initial=40,
        max_labels=400,
        validation=0.3,
        scoring="neg_log_loss",
        n_repeats=5,
        n_jobs=2,
        random_state=0,
    ).fit(d.X, d.y, groups=d.groups)

# %%
# One figure: the estimated leniency of each participant against the truth, and the
# learning curves.

effects = model.effects_["groups"]
truth = dict(zip(d.truth.participants, d.truth.participant_effects[:, 0]))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.errorbar(
    [truth[level] for level in effects.levels],
    effects.modes[:, 0],
    yerr=1.96 * effects.sds[:, 0],
    fmt="o",
    markersize=4,
    linewidth=0.8,
)
limits = np.array([-3, 3])
left.plot(limits, limits, color="0.6", linewidth=1, zorder=0)
left.set(xlabel="true effect (logits)", ylabel="estimate with 95 % interval")
left.set_title("Participants' leniency is recovered")
LearningCurveDisplay.from_searches(curves).plot(ax=right)
right.set_title("Learning curve for new participants")
plt.show()
