"""The best pairs of an item and a participant, from two lists.

The predictor of item i judged by participant j is eta_i + s_i' u_j with s_i the
covariates of the participants' effects. All that the A-optimality criterion needs of a
pair is then a bilinear form of a vector of the item and one of the participant; pairs
are looked at block by block and none is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.inputs._levels import object_array
from bead_sklearn.query._expected_curvature import average_curvature
from bead_sklearn.query._latent import read_judgments
from bead_sklearn.query._latent_rows import LatentRows
from bead_sklearn.query._members import last_step
from bead_sklearn.query._model_parts import participant_factors
from bead_sklearn.query._selection import check_integer
from bead_sklearn.query._thought import ThoughtPosterior

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Pairs looked at together.
_BLOCK = 1_000_000


def select_pairs(
    estimator: Any,
    items: Any,
    participants: Sequence[Any],
    n: int,
    *,
    participant: str | None = None,
    asked: ArrayLike | None = None,
    max_per_participant: int | None = None,
    max_per_item: int | None = None,
) -> Ints:
    """Choose pairs; see `JointAOptimal.select_pairs`."""
    check_integer(n, "n")
    people = list(participants)
    if not people or _num_samples(items) == 0:
        raise ValueError(
            f"select_pairs needs at least one item and one participant, got "
            f"{_num_samples(items)} and {len(people)}."
        )
    if len(set(people)) < len(people):
        raise ValueError("participants must hold each participant once.")
    pairs = _Pairs.read(estimator, items, people, participant)
    quota = _Quota(
        len(pairs.items),
        len(people),
        _check_asked(asked, len(pairs.items), len(people)),
        max_per_item,
        max_per_participant,
    )
    chosen: list[tuple[int, int]] = []
    while len(chosen) < n:
        pick = pairs.best(quota)
        if pick is None:
            break
        chosen.append(pick)
        quota.use(*pick)
        if len(chosen) < n:
            pairs.observe(*pick)
    return np.array(chosen, dtype=np.intp).reshape(-1, 2)


@dataclass
class _Quota:
    """Which pairs may still be asked."""

    n_items: int
    n_people: int
    asked: Ints
    max_per_item: int | None
    max_per_participant: int | None

    def __post_init__(self) -> None:
        self.taken: dict[int, list[int]] = {}
        self.by_item = np.zeros(self.n_items, dtype=np.intp)
        self.by_person = np.zeros(self.n_people, dtype=np.intp)
        for item, person in self.asked.tolist():
            self.use(item, person)

    def use(self, item: int, person: int) -> None:
        """Count a pair."""
        self.taken.setdefault(item, []).append(person)
        self.by_item[item] += 1
        self.by_person[person] += 1

    def forbid(self, scores: Floats, start: int) -> None:
        """Write -inf where pairs of a block of items may not be asked."""
        stop = start + len(scores)
        if self.max_per_participant is not None:
            scores[:, self.by_person >= self.max_per_participant] = -np.inf
        if self.max_per_item is not None:
            scores[self.by_item[start:stop] >= self.max_per_item] = -np.inf
        for item in range(start, stop):
            if self.by_item[item]:
                scores[item - start, self.taken[item]] = -np.inf


class _Pairs:
    """Bilinear forms of items and participants."""

    def __init__(
        self,
        items: LatentRows,
        effects: LatentRows,
        slopes: Floats,
        whose: Ints,
        family: Any,
    ) -> None:
        self.items, self.slopes, self.family = items, slopes, family
        n, r = slopes.shape
        self.rows = items.joined(effects)
        self.posterior = ThoughtPosterior(self.rows)
        # Positions of the effects of each participant, (P, r).
        self.people = n + whose[:, None] * r + np.arange(r)
        self.moves = np.zeros((len(self.rows), 0))
        self.own = items.variance() - np.einsum("ij,ij->i", items.shared, items.shared)
        self._prior = items.variance()
        people = self.rows.shared[self.people]
        self._prior_between = people @ people.transpose(0, 2, 1) + self._own_between()

    @classmethod
    def read(
        cls, estimator: Any, items: Any, people: list[Any], participant: str | None
    ) -> _Pairs:
        """Read both lists with the model."""
        model = last_step(estimator)
        (name, *others) = participant_factors(model, participant) or (None,)
        if name is None or others:
            raise ValueError(
                "select_pairs needs a model with one factor of participants, got "
                f"{len(others) + (name is not None)}."
            )
        given, groups = _judged_by(
            model, name, items, [people[0]] * _num_samples(items)
        )
        by_item = read_judgments(estimator, given, groups, participant)
        if by_item.index.shape[1] > 1:
            raise ValueError(
                f"select_pairs is for judgments with one linear predictor; those of "
                f"{type(model).__name__} have {by_item.index.shape[1]}. Make a pool of "
                "rows and use joint_a_optimal."
            )
        first = _safe_indexing(items, np.zeros(len(people), dtype=np.intp))
        given, groups = _judged_by(model, name, first, people)
        by_person = read_judgments(estimator, given, groups, participant)
        assert by_person.effects is not None
        if by_item.slopes is None:
            raise ValueError(
                "select_pairs cannot tell the participants' effects from the items "
                "where each participant has a head over many features. Make a pool of "
                "rows and use joint_a_optimal."
            )
        for terms in by_item.population.own:
            known = terms.codes[terms.codes >= 0]
            if len(np.unique(known)) < len(known):
                raise ValueError(
                    f"items must hold each level of {terms.factor!r} once."
                )
        return cls(
            by_item.population,
            by_person.effects,
            by_item.slopes,
            by_person.participant,
            by_item.family,
        )

    def observe(self, item: int, person: int) -> None:
        """Take a pair as asked."""
        at = np.concatenate([[item], self.people[person]])
        weights = np.concatenate([[1.0], self.slopes[item]])
        eta = float(self.rows.mean[at] @ weights)
        pick = self.rows.take(at)
        before = float(weights @ pick.covariance(pick) @ weights)
        curvature = self._curvature(np.array([eta]), np.array([before]))[0]
        root = (np.sqrt(curvature) * weights)[:, None]
        for move in self.posterior.observe(at, root):
            self.moves = np.column_stack([self.moves, move])

    def _curvature(self, eta: Floats, variance: Floats) -> Floats:
        index = np.arange(len(eta))[:, None]
        blocks = variance[:, None, None]
        return average_curvature(self.family, eta, index, blocks)[:, 0, 0]

    def best(self, quota: _Quota) -> tuple[int, int] | None:
        """Return the best pair that may be asked."""
        n, r = self.slopes.shape
        vectors = np.hstack([self.rows.shared, self.moves])
        signed = np.hstack([self.rows.shared, -self.moves])
        targets = signed[:n]
        spread = targets.T @ targets / n
        own = self.own / n
        # Inner products with these are mean products of covariances with the targets.
        along = vectors[:n] @ spread + own[:, None] * targets
        squares = np.einsum("ij,ij->i", vectors[:n], along)
        squares += own * np.einsum("ij,ij->i", targets, vectors[:n]) + own * self.own
        variance = np.einsum("ij,ij->i", signed[:n], vectors[:n]) + self.own
        people = vectors[self.people]
        signed_people = signed[self.people]
        between = np.einsum("pak,pbk->pab", signed_people, people)
        between += self._own_between()
        spread_people = np.einsum(
            "pak,kl,pbl->pab", people, spread, people, optimize=True
        )
        best, found = -np.inf, None
        size = max(1, _BLOCK // len(self.people))
        for start in range(0, n, size):
            part = slice(start, min(start + size, n))
            s = self.slopes[part]
            cross = np.zeros((len(s), len(self.people)))
            moved = np.zeros_like(cross)
            eta = np.repeat(self.rows.mean[part][:, None], len(self.people), axis=1)
            for a in range(r):
                cross += s[:, [a]] * (vectors[part] @ signed_people[:, a].T)
                moved += s[:, [a]] * (along[part] @ people[:, a].T)
                eta += s[:, [a]] * self.rows.mean[self.people[:, a]]
            v = variance[part][:, None] + 2.0 * cross
            v += np.einsum("ia,pab,ib->ip", s, between, s, optimize=True)
            t = squares[part][:, None] + 2.0 * moved
            t += np.einsum("ia,pab,ib->ip", s, spread_people, s, optimize=True)
            # The information of an answer is what was expected before the batch.
            free = self.rows.shared.shape[1]
            prior = self._prior[part][:, None] + np.einsum(
                "ia,pab,ib->ip", s, self._prior_between, s, optimize=True
            )
            for a in range(r):
                both = vectors[part, :free] @ people[:, a, :free].T
                prior += 2.0 * s[:, [a]] * both
            w = self._curvature(eta.ravel(), prior.ravel()).reshape(eta.shape)
            scores = w * t / (1.0 + w * v)
            quota.forbid(scores, start)
            top = int(scores.argmax())
            if scores.flat[top] > best:
                best = float(scores.flat[top])
                item, person = divmod(top, scores.shape[1])
                found = (start + item, person)
        return found

    def _own_between(self) -> Floats:
        """Covariance of the effects of each participant that is theirs alone."""
        n_people, r = self.people.shape
        total = np.zeros((n_people, r, r))
        for terms in self.rows.own:
            values = np.where(terms.codes[:, None] >= 0, terms.values, 0.0)[self.people]
            total += values @ values.transpose(0, 2, 1)
        return total


def _judged_by(
    model: Any, factor: str, items: Any, people: list[Any]
) -> tuple[Any, Any]:
    """Return X and groups of items that these participants judge, one each."""
    (structure,) = (item for item in model._structures if item.name == factor)
    if len(structure.sources) > 1:
        raise ValueError(
            f"select_pairs needs a factor of single ids; {factor!r} combines "
            f"{list(structure.sources)}."
        )
    (source,) = structure.sources
    ids = object_array(people)
    if source in model._group_factors:
        return items, ids
    if nw.dependencies.is_into_dataframe(items):
        frame = nw.from_native(items, eager_only=True)
        column = nw.new_series(source, list(people), backend=frame.implementation)
        return frame.with_columns(column).to_native(), None
    if isinstance(items, list) and items and isinstance(items[0], dict):
        rows = zip(items, people, strict=True)
        return [{**item, source: who} for item, who in rows], None
    raise ValueError(
        f"The model reads participants from the column {source!r}: items must be a "
        f"data frame or a list of dicts, got {type(items).__name__}."
    )


def _check_asked(asked: ArrayLike | None, n_items: int, n_people: int) -> Ints:
    if asked is None:
        return np.empty((0, 2), dtype=np.intp)
    pairs = np.asarray(asked)
    if pairs.size == 0:
        return np.empty((0, 2), dtype=np.intp)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(
            "asked must hold positions of items and participants, shape (n_asked, 2), "
            f"got shape {pairs.shape} of {pairs.dtype}."
        )
    if pairs.min() < 0 or (pairs.max(axis=0) >= (n_items, n_people)).any():
        raise ValueError(
            f"asked must hold positions among {n_items} items and {n_people} "
            f"participants, got up to {pairs.max(axis=0).tolist()}."
        )
    return pairs.astype(np.intp)
