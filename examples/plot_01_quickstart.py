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
# Which judgments should be collected first? We set a quarter of the judgments aside,
# hide the labels of the others and reveal them, fifty at a time, as a strategy asks.

rows = np.random.RandomState(0).permutation(len(d.y))
held_out, pool = rows[:600], rows[600:]
searches = {}
for strategy in ("entropy", "random"):
    searches[strategy] = ActiveLearningSearch(
        BinaryClassifier(random_state=0),
        strategy=strategy,
        batch_size=50,
        n_initial=50,
        max_labels=700,
        validation=(d.X.iloc[held_out], d.y[held_out], d.groups[held_out]),
        n_repeats=4,
        n_jobs=2,
        random_state=0,
    ).fit(d.X.iloc[pool], d.y[pool], groups=d.groups[pool])
    print(f"{strategy:8} {searches[strategy].learning_curve_['mean'].round(3)}")

# %%
# One figure: the estimated leniency of each participant against the truth, and the
# learning curves.

effects = model.effects_["groups"]
truth = dict(zip(d.truth.participant_ids, d.truth.participant_effects, strict=True))
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
left.set(xlabel="true leniency (logits)", ylabel="estimate with 95 % interval")
left.set_title("Participants' leniency is recovered")
LearningCurveDisplay.from_estimators(searches, score_name="held-out accuracy", ax=right)
right.set_title("Learning curves, mean and 95 % interval of 4 runs")
plt.show()

# %%
# Knowing who answers lowers the held-out log loss from 0.64 to 0.59, and the intervals
# of the participants' leniency cover the truth. Asking where the model is uncertain is
# no better than asking at random for the first 450 labels and a little better from then
# on; with four runs the intervals overlap.
