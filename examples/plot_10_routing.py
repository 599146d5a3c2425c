"""
Routing: who should answer what?
================================

Four annotators know different kinds of questions. A router learns who from rewards of
past answers, and assigns new questions so that nobody gets too many.
"""

# %%
# The data: each question was answered by two of four annotators; the others are NaN.

import matplotlib.pyplot as plt
import numpy as np

from bead_sklearn import AnnotatorRouter
from bead_sklearn.routing import routing_gain

rng = np.random.default_rng(0)
TOPICS = {
    "sums": "what is {} plus {} times two",
    "history": "who ruled the old kingdom in the year {} or {}",
    "cooking": "how long to boil {} eggs with {} potatoes",
    "law": "which court heard case {} against party {}",
}
NAMES = ["ann", "bob", "cem", "dia"]


def draw(n):
    topic = rng.integers(0, len(TOPICS), n)
    forms = list(TOPICS.values())
    texts = [forms[t].format(*rng.integers(2, 99, 2)) for t in topic]
    return texts, np.where(topic[:, None] == np.arange(len(NAMES)), 0.9, 0.3)


texts, expected = draw(200)
rewards = (rng.random(expected.shape) < expected).astype(float)
for row in rewards:
    row[rng.choice(len(NAMES), 2, replace=False)] = np.nan

# %%
# Fit, and route new questions with and without a limit.

router = AnnotatorRouter(annotators=NAMES, random_state=0).fit(texts, rewards)
new_texts, truth = draw(100)
chosen = router.route(new_texts)
limited = router.route(new_texts, capacity=25)
columns = {name: i for i, name in enumerate(NAMES)}


def gain(names):
    return routing_gain(truth, np.array([columns[name] for name in names]))


print(
    f"share of the possible gain: {gain(chosen):.2f}, at most 25 each: "
    f"{gain(limited):.2f}"
)

# %%
# Cem leaves and Eve comes; she is good at everything. After thirty of her answers the
# router knows.

router.set_annotators(["ann", "bob", "eve", "dia"])
first = router.route(new_texts)
router.partial_fit(texts[:30], np.full(30, 0.95), groups=["eve"] * 30)
later = router.route(new_texts)

# %%
# The figure: how many questions each gets.

figure, axes = plt.subplots(figsize=(7, 3))
labels = [*NAMES, "eve"]
stages = {
    "free": chosen,
    "capacity 25": limited,
    "eve is new": first,
    "eve is known": later,
}
for place, (label, names) in enumerate(stages.items()):
    counts = [list(names).count(name) for name in labels]
    axes.bar(np.arange(len(labels)) + 0.2 * place - 0.3, counts, 0.2, label=label)
axes.set_xticks(range(len(labels)), labels)
axes.set_ylabel("questions of 100")
axes.legend()
figure.tight_layout()
plt.show()

# %%
# With capacities everybody is used, and the newcomer gets her share when it is known
# what she can do.
