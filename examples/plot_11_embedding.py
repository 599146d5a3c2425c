"""
Embeddings that learn from clicks
=================================

People search with their own words. Clicks on what is shown teach an embedder which
items belong to which words, and the item vectors then serve a task model.
"""

# %%
# The data: 150 searches; three items are shown each time, and one of the right kind is
# usually clicked.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from bead_sklearn import BinaryClassifier, TwoTowerEmbedder
from bead_sklearn.embedding import mean_reciprocal_rank

rng = np.random.default_rng(0)
KINDS = {
    "something to eat": ["apple pie", "rye bread", "bean soup", "cheese", "noodles"],
    "something to read": ["old novel", "comic", "atlas", "poems", "newspaper"],
    "something to wear": ["wool coat", "sandals", "scarf", "rain hat", "gloves"],
}
queries = list(KINDS)


def search(n):
    rows, clicks, sessions = [], [], []
    for session in range(n):
        query = queries[rng.integers(3)]
        shown = [rng.choice(KINDS[kind]) for kind in rng.permutation(queries)]
        for item in shown:
            rows.append((query, str(item)))
            clicks.append(int(rng.random() < (0.85 if item in KINDS[query] else 0.05)))
            sessions.append(session)
    return rows, np.array(clicks), np.array(sessions)


rows, clicks, sessions = search(150)
embedder = TwoTowerEmbedder(query_lr=0.005, items_lr=0.005, random_state=0)
embedder.fit(rows, clicks, groups=sessions)

# %%
# Rank what is shown in new searches, before and after.

new_rows, _, new_sessions = search(100)
right = [int(item in KINDS[query]) for query, item in new_rows]
before = TwoTowerEmbedder(random_state=0).fit(rows).predict(new_rows)
after = embedder.predict(new_rows)
scores = [
    mean_reciprocal_rank(right, similarity, groups=new_sessions)
    for similarity in (before, after)
]
print(f"mean reciprocal rank before {scores[0]:.2f}, after {scores[1]:.2f}")

# %%
# The item vectors in a task model: which items do people want on a rainy day?

items = [item for kind in KINDS.values() for item in kind]
people = np.repeat(np.arange(12), len(items))
texts = items * 12
wanted = np.array([item in KINDS["something to read"] for item in texts])
leniency = rng.normal(0, 1.5, 12)[people]  # some people say yes to most things
answers = (rng.random(len(texts)) < 1 / (1 + np.exp(2 - 4 * wanted - leniency))) * 1
model = BinaryClassifier(encoder=FrozenEstimator(embedder), random_state=0)
model.fit(texts, answers, groups=people)
print(f"agreement with the truth: {(model.predict(items) == wanted[:15]).mean():.2f}")

# %%
# The figure: similarities of each search with each item.

similarity = embedder.transform_query(queries) @ embedder.transform(items).T
figure, axes = plt.subplots(figsize=(8, 3))
image = axes.imshow(similarity, cmap="RdBu_r", vmin=-1, vmax=1)
axes.set_xticks(range(len(items)), items, rotation=60, ha="right")
axes.set_yticks(range(len(queries)), queries)
figure.colorbar(image, label="cosine")
figure.tight_layout()
plt.show()

# %%
# Items that are clicked for the same words come together.
