"""
Forced choice: which sentence is better?
========================================

Participants choose the better of two sentences. Each sentence has one utility,
whatever side it stands on; and many people have a favourite side.
"""

# %%
# The data: one column per option; the label is the name of the chosen column.

import matplotlib.pyplot as plt
import numpy as np

from bead_sklearn import ForcedChoiceClassifier
from bead_sklearn.datasets import make_judgments

d = make_judgments(
    "forced_choice", n_participants=60, n_items=200, participant_sd=1.5, random_state=0
)
print(d.X.iloc[0].to_dict(), d.y[0])

# %%
# One utility for both options, and a bias for the second that differs between
# participants.

model = ForcedChoiceClassifier(random_state=0).fit(d.X, d.y, groups=d.groups)
print(model.summary())

# %%
# Sides and names do not matter: with the columns exchanged the choices are the same.

mirrored = d.X.set_axis(d.X.columns[::-1], axis=1)
other_name = dict(zip(model.options_, model.options_[::-1], strict=True))
y = np.array([other_name[label] for label in d.y], dtype=object)
mirror = ForcedChoiceClassifier(random_state=0).fit(mirrored, y, groups=d.groups)
difference = mirror.predict_proba(mirrored)[:, ::-1] - model.predict_proba(d.X)
print(f"largest difference between the probabilities: {np.abs(difference).max():.1e}")

# %%
# One figure: the bias of each participant, estimated against true, and how it shows
# in the raw share of second options.

effects = model.effects_["groups"]
truth = d.truth.participant_effects
bias = truth[:, 1] - truth[:, 0]
by_id = dict(zip(d.truth.participant_ids, bias, strict=True))
true_bias = np.array([by_id[level] for level in effects.levels])
shares = np.array([(d.y[d.groups == p] == "option_b").mean() for p in effects.levels])
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.errorbar(
    true_bias,
    effects.modes[:, 0],
    yerr=1.96 * effects.sds[:, 0],
    fmt="o",
    markersize=4,
    linewidth=0.8,
)
limits = np.array([-4, 4])
left.plot(limits, limits, color="0.6", linewidth=1, zorder=0)
left.set(xlabel="true bias for the second option (logits)", ylabel="estimate, 95 %")
left.set_title("Favourite sides are recovered")
right.scatter(true_bias, shares, s=18)
right.axhline(0.5, color="0.6", linewidth=1, zorder=0)
right.set(xlabel="true bias (logits)", ylabel="share of second options chosen")
right.set_title("and distort the raw shares")
inside = np.abs(true_bias - effects.modes[:, 0]) <= 1.96 * effects.sds[:, 0]
print(f"95 % intervals that cover the truth: {inside.mean():.0%}")
plt.show()

# %%
# Participants with a favourite side choose it in up to nine of ten trials; the model
# tells this bias from the quality of the sentences.
