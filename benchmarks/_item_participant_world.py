"""Which pairs of item and participant to ask: a simulated world, round by round.

300 items with ten features, 40 participants with an intercept each and at most 20
answers, yes/no judgments from a logistic model; 20 random pairs first, then batches of
ten. The error is that of the items' linear predictor. All strategies learn with the
same mixed model, which knows the standard deviation of the participants, or estimates
it from the answers so far under a half-normal prior of scale 2.5 logits.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import expit

from bead_sklearn import BinaryClassifier, MixedEffects
from bead_sklearn.query import AOptimal, ExpectedInformationGain, JointAOptimal

N_ITEMS, N_PEOPLE, N_FEATURES = 300, 40, 10
N_FIRST, BATCH, BUDGET, MOST = 20, 10, 300, 20

STRATEGIES = [
    "random",
    "joint_a_optimal",
    "a_optimal",
    "entropy",
    "expected_information_gain",
]


class World:
    """Items, participants and what they would answer."""

    def __init__(self, seed: int, sd: float) -> None:
        rng = np.random.default_rng(seed)
        self.items = np.c_[np.ones(N_ITEMS), rng.normal(size=(N_ITEMS, N_FEATURES))]
        self.effects = rng.normal(size=N_FEATURES + 1)
        leniency = rng.normal(size=N_PEOPLE) * sd
        chance = expit((self.items @ self.effects)[:, None] + leniency)
        self.answers = rng.random((N_ITEMS, N_PEOPLE)) < chance
        self.asked = np.zeros((N_ITEMS, N_PEOPLE), dtype=bool)
        self.pairs: list[tuple[int, int]] = []
        self.rng = rng
        while len(self.pairs) < N_FIRST:
            self.ask(int(rng.integers(N_ITEMS)), int(rng.integers(N_PEOPLE)))

    def ask(self, item: int, person: int) -> None:
        """Ask a pair, unless it was asked."""
        if not self.asked[item, person]:
            self.asked[item, person] = True
            self.pairs.append((item, person))

    def model(self, sd: float | None) -> BinaryClassifier:
        """Fit what is known; None estimates the standard deviation."""
        if sd is None:
            effects = MixedEffects(prior_sd_scale=2.5)
        else:
            effects = MixedEffects(
                prior_variance=sd**2, estimate_variance_components=False
            )
        rows, people = np.array(self.pairs).T
        y = self.answers[rows, people]
        model = BinaryClassifier(mixed_effects=effects, alpha=1.0)
        return model.fit(self.items[rows, 1:], y, groups=people)

    def error(self, model: BinaryClassifier) -> float:
        """Root mean squared error of the items' linear predictor."""
        found = np.concatenate([np.ravel(model.intercept_), np.ravel(model.coef_)])
        return float(np.sqrt(np.mean((self.items @ (found - self.effects)) ** 2)))

    def free(self) -> np.ndarray:
        """Pairs that may be asked."""
        free = ~self.asked
        free[:, self.asked.sum(axis=0) >= MOST] = False
        return free


def _next(world: World, model: Any, strategy: str, n: int) -> list[tuple[int, int]]:
    if strategy == "joint_a_optimal":
        pairs = JointAOptimal().select_pairs(
            model,
            world.items[:, 1:],
            range(N_PEOPLE),
            n,
            asked=np.array(world.pairs),
            max_per_participant=MOST,
        )
        return [tuple(pair) for pair in pairs.tolist()]
    rows, people = np.nonzero(world.free())
    if strategy == "random":
        picks = world.rng.choice(len(rows), n, replace=False)
    elif strategy == "entropy":
        eta = world.items[:, 1:] @ np.ravel(model.coef_) + model.intercept_[0]
        noise = 1e-9 * world.rng.random(len(rows))
        picks = np.argsort(np.abs(eta)[rows] + noise)[:n]
    else:
        chosen = {
            "a_optimal": AOptimal(),
            "expected_information_gain": ExpectedInformationGain(),
        }[strategy]
        X = world.items[rows, 1:]
        pool = chosen.score_pool(model, X, groups=people)
        picks = pool.select(n, world.rng.permutation(len(rows)))
    return list(zip(rows[picks].tolist(), people[picks].tolist(), strict=True))


def run(seed: int, sd: float, strategy: str, *, known: bool = True) -> list[float]:
    """Return the error after 20, 30, ..., 300 judgments."""
    world = World(seed, sd)
    errors = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while True:
            model = world.model(sd if known else None)
            errors.append(world.error(model))
            if len(world.pairs) >= BUDGET:
                return errors
            for item, person in _next(world, model, strategy, BATCH):
                world.ask(item, person)
