"""
Which labels to buy, and when to stop
=====================================

Labels cost money. Does it pay to choose them, and does a rule that sees no test data
notice when enough have been bought?
"""

# %%
# Tumours to be told apart by thirty measurements. Half of them are a pool whose labels
# can be bought; the other half is set aside and never asked about.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    GrowingBatches,
    LearningCurveDisplay,
    StabilizingPredictions,
)

X, y = load_breast_cancer(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression())
everything = model.fit(X, y).score(X_test, y_test)

# %%
# Two searches, eight starting sets each: labels bought at random, or where the model is
# least sure. Batches grow from three to ten rows.

common = {
    "batch_size": GrowingBatches(10),
    "n_initial": 6,
    "max_labels": 90,
    "validation": (X_test, y_test),
    "n_repeats": 8,
    "random_state": 0,
}
searches = {
    name: ActiveLearningSearch(model, name, **common).fit(X, y)
    for name in ("random", "margin")
}

# %%
# The rule compares the predictions of successive models for the pool, and reads no
# label but those bought. Without test data in the search there is nothing else to read.

rule = StabilizingPredictions()
stopped = ActiveLearningSearch(
    model,
    "margin",
    stopping=rule,
    **common | {"max_labels": None, "validation": None, "n_repeats": 1},
)
bought, reached = [], []
for seed in range(8):
    stopped.set_params(random_state=seed).fit(X, y)
    bought.append(stopped.labeled_.sum())
    reached.append(stopped.score(X_test, y_test))
print(f"{stopped.stopped_by_} stops after {np.mean(bought):.0f} of {len(y)} labels")

# %%
# Mean accuracy with its 95 % intervals, and where the rule stopped.

display = LearningCurveDisplay.from_estimators(searches, score_name="Accuracy")
display.ax_.axhline(everything, color="0.4", linestyle=":", linewidth=1.2)
display.ax_.annotate(
    "all 284 labels",
    (display.ax_.get_xlim()[0], everything),
    xytext=(4, 3),
    textcoords="offset points",
    color="0.3",
)
display.ax_.scatter(
    bought, reached, marker="x", color="C3", zorder=3, label="stopped by the rule"
)
display.ax_.legend(frameon=False, loc="lower right")
plt.show()

# %%
# Chosen labels reach what all labels reach with a fifth of them, and the rule stops
# there without having seen a label that was not bought.
