"""The words that generated sentences are made of, with a rating for each.

A rating runs from -2 to 2. It says how pleasant the word is, and for the embedding
verbs how strongly they imply that their clause is true. No word stands in two
classes, so that a word has one weight wherever it occurs.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

_CLASSES: dict[str, dict[int, str]] = {
    "person": {
        1: "teacher, nurse, doctor, gardener, librarian, baker, grandmother, "
        "firefighter, musician, friend",
        0: "student, driver, farmer, engineer, tailor, waiter, plumber, clerk, "
        "cook, painter, carpenter, reporter, pilot, cousin, visitor, tourist, "
        "accountant, neighbor, singer, sailor",
        -1: "thief, rival, impostor, smuggler, cheater, intruder, swindler, burglar",
    },
    "person_adjective": {
        2: "wonderful, brilliant, delightful",
        1: "kind, friendly, cheerful, honest, clever",
        0: "tall, young, busy, local, retired",
        -1: "rude, lazy, stubborn, clumsy, grumpy",
        -2: "cruel, dreadful, horrible",
    },
    "object": {
        0: "table, book, chair, letter, clock, lamp, basket, camera, suitcase, "
        "bottle, mirror, kettle, ladder, notebook, carpet, bucket, radio, map, "
        "newspaper, ticket, envelope, curtain",
        1: "gift, bicycle, guitar, cake, kite, toy, quilt, statue",
        -1: "invoice, alarm, trap, rag, crate, cactus",
    },
    "object_adjective": {
        2: "beautiful, magnificent, splendid",
        1: "clean, shiny, elegant, colorful",
        0: "large, small, wooden, heavy, round, blue",
        -1: "dusty, rusty, dull, shabby",
        -2: "filthy, broken, hideous",
    },
    "verb": {
        2: "rescued, cherished, treasured",
        1: "repaired, cleaned, polished, restored, admired",
        0: "moved, carried, borrowed, examined, painted, photographed, measured, "
        "packed",
        -1: "dropped, scratched, ignored, misplaced, kicked",
        -2: "ruined, smashed, wrecked",
    },
    "intransitive": {
        2: "celebrated, rejoiced",
        1: "smiled, laughed, danced",
        0: "rested, waited, arrived, paused, nodded",
        -1: "complained, stumbled, argued",
        -2: "wept, panicked",
    },
    "adverb": {
        2: "happily, lovingly, joyfully",
        1: "gently, proudly, calmly, eagerly",
        0: "quietly, slowly, quickly, briefly",
        -1: "reluctantly, nervously, carelessly",
        -2: "angrily, bitterly, spitefully",
    },
    "time": {
        1: "during the holiday, on a sunny day, at the festival",
        0: "yesterday, last week, in the morning, before lunch, at noon, on Monday, "
        "in the evening, two days ago",
        -1: "after the storm, during the blackout, in the rain",
    },
    "place": {
        1: "in the garden, in the park, at the beach, by the fountain",
        0: "in the kitchen, at the station, in the library, in the office, "
        "on the balcony, at the market, in the street, near the river, "
        "behind the school, at the hotel",
        -1: "in the basement, in the alley, near the swamp, at the landfill",
    },
    "embedding_verb": {
        2: "knew, realized, discovered, remembered, proved, regretted",
        1: "confirmed, revealed, learned, admitted",
        0: "said, believed, thought, hoped, claimed, guessed, suspected, announced",
        -1: "doubted, joked, dreamed, pretended",
        -2: "denied, disbelieved, wished, imagined",
    },
    "action": {
        1: "flying a kite, playing a guitar, eating an apple, painting a picture, "
        "baking a cake, feeding the ducks, watering the flowers, hugging a puppy",
        0: "reading a newspaper, riding a bicycle, carrying a suitcase, writing a "
        "letter, drinking some tea, waiting for a bus, folding a blanket, taking a "
        "photograph, talking on the phone, looking at a map, opening a window, "
        "wearing a hat",
        -1: "losing a wallet, breaking a vase, missing a train, spilling some milk, "
        "dropping a tray",
    },
}

#: Words of each class, in a fixed order.
WORD_CLASSES: dict[str, tuple[str, ...]] = {
    name: tuple(
        word.strip() for listed in ratings.values() for word in listed.split(",")
    )
    for name, ratings in _CLASSES.items()
}

#: All words, class after class.
WORDS: tuple[str, ...] = tuple(
    word for words in WORD_CLASSES.values() for word in words
)

#: Rating of each word of ``WORDS``.
RATINGS: np.ndarray = np.array(
    [
        rating
        for ratings in _CLASSES.values()
        for rating, listed in ratings.items()
        for _ in listed.split(",")
    ],
    dtype=float,
)

_STOPS = tuple(accumulate(len(words) for words in WORD_CLASSES.values()))

#: Positions of each class in ``WORDS``.
CLASS_RANGES: dict[str, range] = {
    name: range(stop - len(words), stop)
    for (name, words), stop in zip(WORD_CLASSES.items(), _STOPS, strict=True)
}
