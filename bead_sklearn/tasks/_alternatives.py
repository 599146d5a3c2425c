"""Choice sets from many candidates: the answer and a sample of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._rows import AlternativeRows
from bead_sklearn.tasks._utilities import Answers, CandidateFeatures

#: Parts of the data of which each is predicted from the others; fewer for few answers.
N_FOLDS = 10


@dataclass(frozen=True)
class SampledRows(AlternativeRows):
    """Alternatives of choices of which only a sample is there.

    Attributes
    ----------
    offset : ndarray of shape (n_rows,) or None
        Known part of the linear predictor: what the sampling adds, and coefficients
        that are held.
    bias : ndarray of shape (n_rows, r) or None
        Columns whose coefficients are those of people only.
    new_contexts : SampledRows or None
        The same answers in the same columns, as they are in contexts that nobody else
        answered; None if nothing was learned about these.
    """

    offset: np.ndarray | None = None
    bias: np.ndarray | None = None
    new_contexts: SampledRows | None = None


@dataclass(frozen=True)
class Alternatives:
    """Alternatives of answers, without what a language model says of them.

    Attributes
    ----------
    contexts : Contexts
        What was answered.
    index, sets, codes : ndarray of int of shape (n_rows,)
        Context, choice set and candidate of each row; sets are in order.
    values : ndarray of shape (n_rows, n_columns)
        What tells candidates apart.
    names : list of str
        Names of these columns.
    """

    contexts: Contexts
    index: np.ndarray
    sets: np.ndarray
    codes: np.ndarray
    values: np.ndarray
    names: list[str]


@dataclass(frozen=True)
class Scores:
    """What a language model says of alternatives.

    Attributes
    ----------
    values : list of ndarray of shape (n_rows, n_scores + n_features + n_bias)
        Scores, features under the ridge, and directions of a person's bias.
    names : list of str
        Their names.
    n_features, n_bias : int
        How many of the columns are the second and the third.
    """

    values: list[np.ndarray]
    names: list[str]
    n_features: int
    n_bias: int


@dataclass(frozen=True)
class ChoiceSets:
    """Choices with features of their alternatives.

    Attributes
    ----------
    answer : ndarray of int of shape (n_sets,)
        Which answer each choice set belongs to.
    sets, codes : ndarray of int of shape (n_rows,)
        Choice set of each row, in order, and its candidate.
    chosen : ndarray of shape (n_rows,)
        1 for the answer, 0 for the others.
    offset : ndarray of shape (n_rows,)
        Log of how often the candidate was drawn over how often it was expected.
    features : ndarray of shape (n_rows, n_features)
        Learned from the other folds.
    """

    answer: np.ndarray
    sets: np.ndarray
    codes: np.ndarray
    chosen: np.ndarray
    offset: np.ndarray
    features: np.ndarray


def sample_choice_sets(
    features: CandidateFeatures,
    answers: Answers,
    n_candidates: int,
    n_alternatives: int,
    random: np.random.RandomState,
    *,
    fold: np.ndarray,
    with_unseen: bool = False,
) -> ChoiceSets:
    """Return a choice set for each answer, its features learned from other folds.

    An answer is a choice from all that the other folds have. One that they lack says
    nothing on the choice among those known; only where no answer is given twice, each
    is a choice from those of its fold. Alternatives are drawn with
    replacement, half by their shares in the context, a quarter by those overall and a
    quarter all alike. With log(times drawn / expected) added to the utilities, the
    likelihood of the answer within the sample estimates their coefficients without
    bias [1]_, [2]_.

    Parameters
    ----------
    features : CandidateFeatures
        Fitted to the answers.
    answers : Answers
        The training data.
    n_candidates : int
        Number of candidates.
    n_alternatives : int
        How many are drawn per answer; all are taken if they are no more.
    random : RandomState
        Source of the draws.
    fold : ndarray of int of shape (n_answers,)
        Part of the data that each answer belongs to.
    with_unseen : bool, default=False
        Whether candidates that nobody gave are alternatives too.

    References
    ----------
    .. [1] McFadden (1978). Modelling the choice of residential location. In Karlqvist
       et al. (eds.), Spatial Interaction Theory and Planning Models, 75-96.
    .. [2] Frejinger, Bierlaire & Ben-Akiva (2009). Sampling of alternatives for route
       choice modeling. Transportation Research Part B 43(10), 984-994.
       doi:10.1016/j.trb.2009.03.001
    """
    contexts = answers.contexts.index
    times_given = np.bincount(answers.codes, minlength=n_candidates)
    is_repeated = (times_given > 1).any()
    is_offered = (times_given == 0) & with_unseen
    parts = []
    for k in range(int(fold.max()) + 1):
        inside = fold == k
        tables = features.leave_out(answers, inside)
        totals = tables.totals()[:n_candidates]
        members = np.flatnonzero(inside)
        is_seen = totals[answers.codes[members]] > 0
        rows, codes, times, expected = [], [], [], []
        new = np.unique(answers.codes[members[~is_seen]])
        known = np.flatnonzero((totals > 0) | is_offered)
        for which, pool in ((is_seen, known), (~is_seen, new)):
            chosen = members[which]
            if not len(chosen) or len(pool) < 2 or (is_repeated and pool is new):
                continue
            if len(pool) <= n_alternatives + 1:
                rows.append(np.repeat(chosen, len(pool)))
                codes.append(np.tile(pool, len(chosen)))
                times.append(np.ones(len(rows[-1])))
                expected.append(np.ones(len(rows[-1])))
                continue
            by_context = tables.answers if pool is not new else None
            drawn = _draw(
                pool, totals, by_context, contexts[chosen], n_alternatives, random
            )
            row, code, n_drawn = _collect(
                chosen, answers.codes[chosen], drawn, n_candidates
            )
            rows.append(row)
            codes.append(code)
            times.append(n_drawn)
            expected.append(_density(pool, totals, by_context, contexts[row], code))
        if rows:
            row, code = np.concatenate(rows), np.concatenate(codes)
            offset = np.log(np.concatenate(times) / np.concatenate(expected))
            ids = {name: values[row] for name, values in answers.ids.items()}
            columns = features.pairs(tables, contexts[row], code, ids)
            parts.append((row, code, offset, columns))
    if not parts:
        n_features = len(features.names)
        empty = np.zeros(0, dtype=np.intp)
        none = np.zeros(0)
        return ChoiceSets(empty, empty, empty, none, none, np.zeros((0, n_features)))
    row, code, offset, columns = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")
    row, code = row[order], code[order]
    answer, sets = np.unique(row, return_inverse=True)
    chosen_rows = (answers.codes[row] == code).astype(float)
    return ChoiceSets(answer, sets, code, chosen_rows, offset[order], columns[order])


def deal_answers(answers: Answers) -> np.ndarray:
    """Deal answers out to folds, those alike to different ones."""
    codes = answers.codes
    order = np.lexsort((answers.contexts.index, codes))
    fold = np.empty(len(codes), dtype=np.intp)
    fold[order] = np.arange(len(codes)) % min(N_FOLDS, max(2, len(codes) // 4))
    return fold


def deal_contexts(answers: Answers, random: np.random.RandomState) -> np.ndarray:
    """Deal answers out to folds at random, those in the same context to the same."""
    names = answers.contexts.names
    n = len(names)
    fold = np.empty(n, dtype=np.intp)
    fold[sorted(range(n), key=lambda i: repr(names[i]))] = random.permutation(n)
    return fold[answers.contexts.index] % N_FOLDS


def informative_columns(
    values: np.ndarray, sets: np.ndarray, least: float = 1e-6
) -> np.ndarray:
    """Return which columns tell alternatives apart, those first that come first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Columns.
    sets : ndarray of int of shape (n_rows,)
        Choice set of each row, in order.
    least : float, default=1e-6
        Share of its spread within sets that a column has to have of its own.
    """
    starts = np.flatnonzero(np.diff(sets, prepend=-1))
    sizes = np.diff(np.append(starts, len(sets)))
    within = values - (np.add.reduceat(values, starts) / sizes[:, None])[sets]
    norms = np.sqrt((within**2).sum(axis=0))
    kept: list[int] = []
    basis = np.zeros((len(values), 0))
    for j in np.flatnonzero(norms > 1e-9 * np.sqrt((values**2).sum(axis=0))):
        column = within[:, j] / norms[j]
        rest = column - basis @ (basis.T @ column)
        length = np.linalg.norm(rest)
        if length > least:
            kept.append(int(j))
            basis = np.column_stack([basis, rest / length])
    return np.array(kept, dtype=np.intp)


def _draw(
    pool: np.ndarray,
    totals: np.ndarray,
    by_context: Any,
    contexts: np.ndarray,
    n_draws: int,
    random: np.random.RandomState,
) -> np.ndarray:
    """Draw candidates for each answer, (n_answers, n_draws)."""
    n = len(contexts)
    drawn = random.choice(pool, size=(n, n_draws))
    if by_context is None:
        return drawn
    source = random.uniform(size=(n, n_draws))
    overall = np.cumsum(totals[pool])
    at = np.searchsorted(overall, random.uniform(size=(n, n_draws)) * overall[-1])
    drawn = np.where(source < 0.75, pool[np.minimum(at, len(pool) - 1)], drawn)
    # Cumulated counts of all contexts in one line, each in its own stretch.
    ends = np.concatenate([[0.0], np.cumsum(by_context.data)])
    low = ends[by_context.indptr[contexts]]
    high = ends[by_context.indptr[contexts + 1]]
    point = low[:, None] + random.uniform(size=(n, n_draws)) * (high - low)[:, None]
    at = np.searchsorted(ends, point, side="right") - 1
    at = np.minimum(at, by_context.indptr[contexts + 1][:, None] - 1)
    here = by_context.indices[np.maximum(at, 0)]
    return np.where((source < 0.5) & (high > low)[:, None], here, drawn)


def _density(
    pool: np.ndarray,
    totals: np.ndarray,
    by_context: Any,
    contexts: np.ndarray,
    codes: np.ndarray,
) -> np.ndarray:
    """Return the probability that one draw gives each candidate."""
    alike = np.full(len(codes), 1.0 / len(pool))
    if by_context is None:
        return alike
    overall = totals[codes] / totals[pool].sum()
    size = np.asarray(by_context.sum(axis=1)).ravel()[contexts]
    here = np.asarray(by_context[contexts, codes]).ravel()
    share = np.where(size > 0, here / np.maximum(size, 1e-300), overall)
    return np.asarray(0.25 * alike + 0.25 * overall + 0.5 * share)


def _collect(
    chosen: np.ndarray, codes: np.ndarray, drawn: np.ndarray, n_candidates: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each answer's distinct alternatives and how often each is there."""
    everything = np.column_stack([codes, drawn])
    place = np.arange(len(chosen))[:, None]
    keys, times = np.unique(place * n_candidates + everything, return_counts=True)
    return chosen[keys // n_candidates], keys % n_candidates, times.astype(float)
