"""
Rehearsing a study before anybody is paid
=========================================

A study says what is asked about what, of whom and how often. Before its links go out,
simulated participants can answer it, through the same schedule, store and refits as
people. Here one of them answers without reading: does the quality report notice?
"""

# %%
# The study: sixty sentences, ten of them with a known answer, and eight participants.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from bead_sklearn.annotate import (
    Item,
    JudgmentStore,
    Quotas,
    Rehearsal,
    SimulatedAnnotators,
    Study,
    make_question,
)
from bead_sklearn.datasets import make_judgments

sentences = make_judgments("binary", n_participants=1, n_items=60, random_state=0)
texts = dict(zip(sentences.items, sentences.frame["text"], strict=True))
study = Study(
    name="Naturalness",
    question=make_question("binary", prompt="Is this a natural sentence of English?"),
    items={
        name: Item({"text": text}, "yes" if k < 10 else None)
        for k, (name, text) in enumerate(sorted(texts.items()))
    },
    participants=[f"p{k}" for k in range(1, 9)],
    quotas=Quotas(
        judgments_per_item=5,
        items_per_participant=45,
        gold_share=0.15,
        repeat_share=0.1,
    ),
    refit_every=60,
    strategy="random",
)

# %%
# Seven participants follow the simulated truth; one presses keys at random, quickly.


class OneCareless:
    """Simulated participants, one of whom does not read."""

    def __init__(self, people):
        self.people = people
        self.random = np.random.RandomState(1)

    def answer(self, item, participant):
        said = self.people.answer(item, participant)
        if participant != "p5":
            return said
        answer = str(self.random.choice(["yes", "no"]))
        return type(said)(answer, said.confidence, 0.4)


people = OneCareless(
    SimulatedAnnotators.from_truth(study, participant_sd=0.5, text_sd=2.5)
)
with (
    tempfile.TemporaryDirectory() as folder,
    JudgmentStore(Path(folder) / "rehearsal.db") as store,
):
    n = Rehearsal(study, store, people).run()
    report = store.document("report")
    print(n, "judgments:", store.check())

# %%
# What the organiser's page would say.

quality = report["quality"]
print(f"Krippendorff's alpha {quality['alpha']:.2f}")
for person in quality["participants"]:
    print(person["participant"], *person["flags"], sep="; ")

# %%
# Accuracy on the gold items against agreement with the others, the careless one apart.

figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
for person in quality["participants"]:
    flagged = bool(person["flags"])
    axes.scatter(
        person["agreement"],
        person["gold_accuracy"],
        color="#b3331d" if flagged else "#1c5d99",
        marker="X" if flagged else "o",
        s=70,
    )
    axes.annotate(
        person["participant"],
        (person["agreement"], person["gold_accuracy"]),
        xytext=(7, 4),
        textcoords="offset points",
    )
axes.set_xlabel("agreement with others (0 is chance)")
axes.set_ylabel("right on gold items")
axes.set_title("The careless participant is found", loc="left")
plt.show()
