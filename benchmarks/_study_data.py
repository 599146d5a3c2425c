"""Families, structures and true values of the simulation study, and draws from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from _designs import design, factor

from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    ConditionalLogit,
    Cumulative,
    CumulativeLogit,
    CumulativeProbit,
    Family,
    LogNormal,
    MultinomialLogit,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)
from bead_sklearn.solvers import Design

#: Family with its true parameters, unit of the effects, intercept. The place of a
#: family here is part of its seeds: new ones go to the end.
FAMILIES: dict[str, tuple[Family, float, float]] = {
    "bernoulli": (Bernoulli(), 1.0, -0.3),
    "bernoulli_probit": (BernoulliProbit(), 0.6, -0.2),
    "normal": (Normal(1.0), 1.0, 0.5),
    "lognormal": (LogNormal(0.6), 0.6, 0.5),
    "cumulative_logit": (
        CumulativeLogit(5, parameters=np.array([-1.8, 0.2, 0.1, 0.2])),
        1.0,
        0.0,
    ),
    "truncated_normal": (TruncatedNormal(0.0, 1.0, 0.25), 0.2, 0.45),
    "beta": (Beta(8.0), 0.7, -0.2),
    "ordered_beta": (OrderedBeta(-1.5, 1.7, 6.0), 0.7, 0.1),
    "cumulative_probit": (
        CumulativeProbit(5, parameters=np.array([-1.1, -0.3, -0.4, -0.3])),
        0.6,
        0.0,
    ),
    "multinomial_logit": (MultinomialLogit(3), 1.0, -0.3),
    "conditional_logit": (ConditionalLogit(np.arange(1)), 1.0, 0.0),
}

#: Families whose marginal likelihood is exact without quadrature.
EXACT = ("normal", "lognormal")

#: True effects in the unit of the family: a covariate of the row, one of the
#: participant (of the row again where people choose among alternatives), and standard
#: deviations.
SLOPES = np.array([0.8, -0.5])
SD_PARTICIPANT, SD_SLOPE, CORRELATION, SD_ITEM = 1.0, 0.5, 0.3, 0.7

#: Of several outputs: what multiplies fixed effects, correlation of random ones.
OUTPUT_FACTORS = np.array([1.0, -0.6])
OUTPUT_CORRELATION = 0.5

N_ITEMS = 50
N_ALTERNATIVES = 3

_TRUE_SDS = {
    "(1 | p)": [SD_PARTICIPANT],
    "(1 + x | p)": [SD_PARTICIPANT, SD_SLOPE],
    "(1 | p) + (1 | i)": [SD_PARTICIPANT, SD_ITEM],
    "(0 + x | p)": [SD_PARTICIPANT],
    "(0 + x | p) + (1 | i)": [SD_PARTICIPANT, SD_ITEM],
}


@dataclass(frozen=True)
class Setting:
    """A structure of random effects and an amount of data.

    Attributes
    ----------
    structure : str
        Random part of the formula.
    participants, per_participant : int
        Number of people, and of judgments of each.
    nodes : int
        Of the quadrature that is compared with Laplace; 1 is none.
    """

    structure: str
    participants: int
    per_participant: int
    nodes: int

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.structure}, {self.participants} x {self.per_participant}"

    @property
    def true_sds(self) -> np.ndarray:
        """Standard deviations of the effects in the unit of the family."""
        return np.array(_TRUE_SDS[self.structure])


SETTINGS = [
    Setting("(1 | p)", 200, 5, 9),
    Setting("(1 | p)", 100, 20, 9),
    Setting("(1 + x | p)", 100, 20, 5),
    Setting("(1 | p) + (1 | i)", 80, 20, 1),
]
#: A participant's intercept says nothing about a choice.
CHOICE_SETTINGS = [
    Setting("(0 + x | p)", 200, 5, 9),
    Setting("(0 + x | p)", 100, 20, 9),
    Setting("(0 + x | p) + (1 | i)", 80, 20, 1),
]


def settings(family: str) -> list[Setting]:
    """Return the settings in which a family is studied."""
    return CHOICE_SETTINGS if family == "conditional_logit" else SETTINGS


class Sample(NamedTuple):
    """One data set: design, family without its true parameters, responses, truth."""

    design: Design
    family: Family
    y: np.ndarray
    fixed: np.ndarray


def draw(family: str, setting: Setting, rng: np.random.Generator) -> Sample:
    """Draw one data set."""
    if family == "conditional_logit":
        return _draw_choices(setting, rng)
    distribution, unit, intercept = FAMILIES[family]
    n_outputs = distribution.n_outputs
    contrast = distribution.output_contrast() if n_outputs > 1 else None
    shares = OUTPUT_FACTORS if n_outputs > 1 else np.ones(1)
    q, k = setting.participants, setting.per_participant
    participant = np.repeat(np.arange(q), k)
    x = rng.standard_normal(q * k)
    between = rng.permutation(np.arange(q) % 2)[participant] - 0.5
    X = np.column_stack([x, between])
    effects = _effects(rng, (q, 2), n_outputs)
    fixed = unit * SLOPES[:, None] * shares
    eta = intercept + X @ fixed + unit * SD_PARTICIPANT * effects[participant, 0]
    factors = [factor(participant, name="p", contrast=contrast)]
    if "x" in setting.structure:
        rest = np.sqrt(1.0 - CORRELATION**2)
        slope = SD_SLOPE * (CORRELATION * effects[:, 0] + rest * effects[:, 1])
        eta += unit * slope[participant] * x[:, None]
        factors = [factor(participant, x[:, None], name="p", contrast=contrast)]
    if "i)" in setting.structure:
        item = np.argsort(rng.random((q, N_ITEMS)), axis=1)[:, :k].ravel()
        eta += unit * SD_ITEM * _effects(rng, (N_ITEMS,), n_outputs)[item]
        factors.append(factor(item, name="i", contrast=contrast))
    eta = eta if n_outputs > 1 else eta[:, 0]
    state = np.random.RandomState(rng.integers(2**32 - 1))
    y = distribution.simulate(eta, state)
    if family == "beta":  # rounding error can reach the ends, where there is no density
        y = np.clip(y, 1e-12, 1.0 - 1e-12)
    if distribution.has_intercept:
        fixed = np.vstack([np.full((1, n_outputs), intercept), fixed])
    parts = design(
        X, *factors, intercept=distribution.has_intercept, n_outputs=n_outputs
    )
    return Sample(parts, _fresh(distribution), y, fixed.ravel())


def _draw_choices(setting: Setting, rng: np.random.Generator) -> Sample:
    """Draw choices among alternatives; people differ in the slope of ``x``."""
    q, k = setting.participants, setting.per_participant
    sets = np.repeat(np.arange(q * k), N_ALTERNATIVES)
    participant = sets // k
    X = rng.standard_normal((len(sets), 2))
    slope = SD_PARTICIPANT * rng.standard_normal(q)
    eta = X @ SLOPES + slope[participant] * X[:, 0]
    factors = [factor(participant, X[:, :1], name="p", intercept=False)]
    if "i)" in setting.structure:
        item = np.argsort(rng.random((q * k, N_ITEMS)), axis=1)[:, :N_ALTERNATIVES]
        item = item.ravel()
        eta += SD_ITEM * rng.standard_normal(N_ITEMS)[item]
        factors.append(factor(item, name="i"))
    family = ConditionalLogit(sets)
    y = family.simulate(eta, np.random.RandomState(rng.integers(2**32 - 1)))
    return Sample(design(X, *factors, intercept=False, sets=sets), family, y, SLOPES)


def _effects(
    rng: np.random.Generator, shape: tuple[int, ...], n_outputs: int
) -> np.ndarray:
    """Draw standard normal effects, correlated over the outputs."""
    draws = rng.standard_normal((*shape, n_outputs))
    off_diagonal = OUTPUT_CORRELATION * (1.0 - np.eye(n_outputs))
    return draws @ np.linalg.cholesky(np.eye(n_outputs) + off_diagonal).T


def _fresh(family: Family) -> Family:
    """Return the family without its true parameters, as a user would start."""
    if isinstance(family, Cumulative):
        return type(family)(family.n_categories)
    if isinstance(family, TruncatedNormal):
        return TruncatedNormal(family.lower, family.upper)
    if isinstance(family, MultinomialLogit):
        return family
    return type(family)()
