"""A small study for each kind of question."""

from __future__ import annotations

from bead_sklearn.annotate import Item, Quotas, Study, make_question

SENTENCES = [
    "The quiet gardener watered the old tree behind the house.",
    "A letter was given the neighbour yesterday.",
    "The dog that the cat chased barked.",
    "Yesterday, the tired pilot slowly opened the door.",
    "The book seemed to have been read by nobody.",
    "They gave up it without a word.",
]

#: Settings of the question, columns of an item, a good answer as typed in a terminal.
KINDS = {
    "binary": (
        {"prompt": "Is this a natural sentence of English?"},
        lambda text, k: {"text": text},
    ),
    "categorical": (
        {
            "prompt": "Given the first sentence, is the second one true?",
            "text": ("premise", "hypothesis"),
            "labels": ("entailment", "neutral", "contradiction"),
        },
        lambda text, k: {"premise": text, "hypothesis": "Somebody did something."},
    ),
    "forced_choice": (
        {
            "prompt": "Which sentence sounds better?",
            "options": ("option_a", "option_b"),
            "outside_option": "neither",
        },
        lambda text, k: {"option_a": text, "option_b": text.upper()},
    ),
    "multi_select": (
        {
            "prompt": "Which feelings does the sentence call up?",
            "options": ("joy", "anger", "surprise", "sadness", "trust"),
        },
        lambda text, k: {"text": text},
    ),
    "ordinal": (
        {
            "prompt": "How natural is this sentence?",
            "categories": (1, 2, 3, 4, 5, 6, 7),
            "ends": ("not at all", "completely"),
        },
        lambda text, k: {"text": text},
    ),
    "slider": (
        {
            "prompt": "How natural is this sentence?",
            "ends": ("not at all", "completely"),
        },
        lambda text, k: {"text": text},
    ),
    "magnitude": (
        {
            "prompt": "How long does what is described take?",
            "bounds": (0, None),
            "unit": "minutes",
        },
        lambda text, k: {"text": text},
    ),
    "cloze": (
        {"prompt": "Fill the blanks with one word each."},
        lambda text, k: {"text": "The gardener watered the ___ behind the ___."},
    ),
    "free_text": (
        {"prompt": "Say the same in other words.", "context": "before"},
        lambda text, k: {"text": text, "before": "Somebody asked what had happened."},
    ),
}


def make_study(kind="binary", n_items=6, n_participants=3, gold=(), **settings):
    """Return a study with one question of a kind."""
    question, columns = KINDS[kind]
    settings.setdefault("quotas", Quotas(judgments_per_item=2, gold_share=0.2))
    settings.setdefault("instructions", "Read each sentence once.\n\nTrust your ear.")
    return Study(
        name=f"A study of {kind.replace('_', ' ')} judgments",
        question=make_question(kind, **question),
        items={
            f"s{k:02d}": Item(
                columns(SENTENCES[k % len(SENTENCES)], k),
                dict(gold).get(f"s{k:02d}"),
            )
            for k in range(n_items)
        },
        participants=[f"p{k:02d}" for k in range(1, n_participants + 1)],
        **settings,
    )
