r"""Rewards as Gaussian processes that annotators share and deviate from.

    r_{ia} = mu + m_a + c_a (f(x_i) + g_a(x_i) + d_i + e_{ia}),
    m_a ~ N(0, s_m^2),  f ~ GP(0, s_f^2 k),  g_a ~ GP(0, s_g^2 k),
    d_i ~ N(0, s_d^2),  e_{ia} ~ N(0, s_e^2),

independent of each other. c_a is how widely the ratings of an annotator spread, beside
those of all. Divided by it they have the covariance
(s_m / c_a)^2 J + (s_f^2 + s_g^2) K + (s_d^2 + s_e^2) I. The sum over annotators of
their log-likelihoods is maximised in the length scale of k, s_m and these two sums: a
composite likelihood (Chandler & Bate 2007, Biometrika 94, 167-183), which needs no
matrix larger than one annotator's. Products of residuals of different annotators have
the expectation s_f^2 k(x_i, x_j) + s_d^2 [i = j]; least squares over all of them tells
the parts that annotators share (Haseman & Elston 1972, Behavior Genetics 2, 3-19).
Given the variances, the posterior mean of all parts comes from conjugate gradients.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize
from sklearn.utils.extmath import randomized_svd

from bead_sklearn.routing._kernel import Kernel, squared_distances
from bead_sklearn.routing._ratings import Cells

#: Largest sum of cubed numbers of ratings of annotators (a set of items that several
#: rated counts once) that chooses the length scale; from a share of the items beyond.
_TUNING_WORK = 5e8
#: Length scales, in units of the median distance, and where the climb begins.
_LENGTHS = (0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.2, 2.0, 3.0)
_FIRST_LENGTH = 5
#: Numbers of leading principal components whose distances count alike.
_COMPONENTS = (10, 20, 40, 80)
_N_DISTANCES = 200
#: Beyond this many rows and columns principal components are approximate.
_MAX_DENSE = 2000
#: Ratings that the spread of all counts for in that of one annotator.
_PRIOR = 20.0
#: Squared distances below this share of the largest are rounding.
_SAME = 1e-12
_BOUND = np.log(1e6)
_CG_TOL = 1e-10
_CG_MAX = 1000


@dataclass(frozen=True)
class Variances:
    """Variance components, in squared units of the reward.

    Of an annotator whose ratings spread as widely as those of all.

    Attributes
    ----------
    length : float
        Length scale of the kernel.
    shared, own : float
        s_f^2 and s_g^2.
    annotator : float
        s_m^2.
    item, residual : float
        s_d^2 and s_e^2.
    mean : float
        mu.
    """

    length: float
    shared: float
    own: float
    annotator: float
    item: float
    residual: float
    mean: float


@dataclass(frozen=True)
class Spread:
    """How widely ratings spread about the means of their annotators.

    The mean square of an annotator counts as one of ``_PRIOR`` ratings more, which
    spread like those of all.

    Attributes
    ----------
    overall : float
        Standard deviation about the mean of all ratings.
    by_annotator : ndarray of shape (n_annotators,)
        c_a, whose mean square over ratings is about 1; 1 without ratings.
    """

    overall: float
    by_annotator: np.ndarray

    @classmethod
    def of(cls, cells: Cells, n_annotators: int) -> Spread:
        """Return the spread of ratings."""
        weight = np.bincount(cells.annotator, cells.weight, n_annotators)
        total = np.bincount(cells.annotator, cells.weight * cells.reward, n_annotators)
        mean = total / np.where(weight > 0, weight, 1.0)
        about_all = cells.reward - total.sum() / weight.sum()
        about_own = cells.reward - mean[cells.annotator]
        overall = np.sqrt(
            (cells.weight @ about_all**2 + cells.within.sum()) / weight.sum()
        )
        squares = cells.weight * about_own**2 + cells.within
        own = np.bincount(cells.annotator, squares, n_annotators)
        pooled = own.sum() / weight.sum()
        if pooled <= _SAME * max(1.0, overall) ** 2:
            return cls(float(overall), np.ones(n_annotators))
        ratio = (own / pooled + _PRIOR) / (weight + _PRIOR)
        return cls(float(overall), np.sqrt(ratio))


class GaussianProcessHead:
    """Posterior mean rewards of annotators.

    Parameters
    ----------
    cells : Cells
        Mean rewards.
    n_annotators : int
        Number of annotators, rated or not.
    rng : RandomState
        Chooses items for the length scale, and landmarks.
    """

    def __init__(
        self, cells: Cells, n_annotators: int, rng: np.random.RandomState
    ) -> None:
        self.coordinates = Coordinates(cells.features, rng)
        items = self.coordinates(cells.features)
        spread = Spread.of(cells, n_annotators)
        self.scales = spread.by_annotator
        found = _estimate(
            cells, _tuning_cells(cells, rng), items, spread, several=n_annotators > 1
        )
        self.kernel = Kernel(items, found.length, rng)
        reward, weight = cells.tables(n_annotators)
        residual = (reward - found.mean) / self.scales
        found = self.variances = _share(found, self.kernel, residual, weight)
        solved = _solve(found, self.kernel, residual, weight, self.scales)
        total = solved.sum(axis=1, keepdims=True)
        self.offsets = found.mean + found.annotator * solved.sum(axis=0) / self.scales
        self.weights = self.kernel.weights(
            np.hstack([found.own * solved, found.shared * total])
        )

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rewards of each annotator (n, A), and of a new one (n,)."""
        parts = self.kernel.at(self.coordinates(features), self.weights)
        shared = parts[:, -1]
        rewards = self.offsets + self.scales * (parts[:, :-1] + shared[:, None])
        return rewards, self.variances.mean + shared


def _tuning_cells(cells: Cells, rng: np.random.RandomState) -> np.ndarray:
    """Return the cells of the items that choose the length scale."""
    sizes: dict[bytes, int] = {}
    for own in _by_annotator(cells, np.arange(len(cells.item))):
        sizes[_rows_key(cells, own)] = len(own)
    work = float(sum(size**3 for size in sizes.values()))
    chosen = np.ones(cells.n_items, dtype=bool)
    if work > _TUNING_WORK:
        n_chosen = int(cells.n_items * (_TUNING_WORK / work) ** (1.0 / 3.0))
        chosen[rng.permutation(cells.n_items)[max(n_chosen, 2) :]] = False
    return np.flatnonzero(chosen[cells.item])


def _by_annotator(cells: Cells, chosen: np.ndarray) -> list[np.ndarray]:
    """Return the chosen cells of each annotator who has any, in the order of items."""
    order = chosen[np.lexsort((cells.item[chosen], cells.annotator[chosen]))]
    ends = np.flatnonzero(np.diff(cells.annotator[order])) + 1
    return np.split(order, ends)


def _rows_key(cells: Cells, own: np.ndarray) -> bytes:
    """Tell which items were rated, and how often."""
    return cells.item[own].tobytes() + cells.weight[own].tobytes()


def _estimate(
    cells: Cells,
    chosen: np.ndarray,
    items: np.ndarray,
    spread: Spread,
    *,
    several: bool,
) -> Variances:
    """Maximise the sum of the annotators' marginal likelihoods."""
    mean = float(np.average(cells.reward, weights=cells.weight))
    unit = spread.overall
    if unit <= 1e-12 * max(1.0, abs(mean)):
        return Variances(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, mean)
    share = cells.weight[chosen].sum() / cells.weight.sum()
    scales = unit * spread.by_annotator
    within = float((cells.within / scales[cells.annotator] ** 2).sum()) * share
    tried: dict[int, _Composite] = {}

    def value(place: int) -> float:
        if not 0 <= place < len(_LENGTHS):
            return -np.inf
        if place not in tried:
            tried[place] = _Composite(
                cells, chosen, items, _LENGTHS[place], unit, spread.by_annotator
            )
            tried[place].maximise(within, several=several)
        return tried[place].value

    place, step = _FIRST_LENGTH, 1
    if value(place - 1) > value(place):
        step = -1
    while value(place + step) > value(place):
        place += step
    length, found = _LENGTHS[place], tried[place]
    return Variances(
        length=length,
        shared=0.0,
        own=found.own * unit**2,
        annotator=found.annotator * unit**2,
        item=0.0,
        residual=found.residual * unit**2,
        mean=found.mean * unit + mean,
    )


class Coordinates:
    """Principal components of the items, in units in which the kernel is isotropic.

    The squared distance is the mean of the squared distances in the leading 10, 20,
    40 and 80 components (all, if they are fewer), each in units of its median: what
    texts differ in most counts most.

    Parameters
    ----------
    features : ndarray of shape (n_items, d)
        The items.
    rng : RandomState
        Draws the items whose distances are looked at.
    """

    def __init__(self, features: np.ndarray, rng: np.random.RandomState) -> None:
        self.center = features.mean(axis=0)
        centred = features - self.center
        directions = _principal_directions(centred, max(_COMPONENTS), rng)
        n_directions = directions.shape[1]
        numbers = sorted({min(number, n_directions) for number in _COMPONENTS})
        some = rng.permutation(len(features))[:_N_DISTANCES]
        scores = centred[some] @ directions
        squares = np.zeros(n_directions)
        for number in numbers:
            squares[:number] += 1.0 / _unit(scores[:, :number]) / len(numbers)
        self.map = directions * np.sqrt(squares)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return the coordinates of items, (n, at most 80)."""
        return np.asarray((features - self.center) @ self.map)


def _principal_directions(
    centred: np.ndarray, n_components: int, rng: np.random.RandomState
) -> np.ndarray:
    """Return the leading right singular vectors, (d, at most n_components)."""
    if min(centred.shape) > _MAX_DENSE:
        return np.asarray(randomized_svd(centred, n_components, random_state=rng)[2].T)
    if len(centred) < centred.shape[1]:
        right = np.linalg.svd(centred, full_matrices=False)[2]
        return np.asarray(right[:n_components].T)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return np.asarray(vectors[:, np.argsort(-values, kind="stable")[:n_components]])


def _unit(rows: np.ndarray) -> float:
    """Return the median of the squared distances that are not 0."""
    squared = squared_distances(rows, rows)
    positive = squared[squared > _SAME * squared.max(initial=0.0)]
    return float(np.median(positive)) if len(positive) else 1.0


class _Composite:
    """Sum of the log-likelihoods of the annotators for one length scale.

    In the eigenbasis of each annotator's kernel matrix, rows scaled by the roots of
    their weights, all but the annotator's intercept is diagonal.
    """

    def __init__(
        self,
        cells: Cells,
        chosen: np.ndarray,
        items: np.ndarray,
        length: float,
        unit: float,
        scales: np.ndarray,
    ) -> None:
        mean = np.average(cells.reward, weights=cells.weight)
        values, ys, ones, starts = [], [], [], [0]
        bases: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        for own in _by_annotator(cells, chosen):
            root = np.sqrt(cells.weight[own])
            scale = scales[cells.annotator[own[0]]]
            key = _rows_key(cells, own)
            if key not in bases:
                rows = items[cells.item[own]]
                kernel = np.exp(squared_distances(rows, rows) / (-2.0 * length**2))
                bases[key] = np.linalg.eigh(kernel * np.outer(root, root))
            eigenvalues, vectors = bases[key]
            values.append(np.maximum(eigenvalues, 0.0))
            ys.append(vectors.T @ (root * (cells.reward[own] - mean) / (unit * scale)))
            ones.append(vectors.T @ root / scale)
            starts.append(starts[-1] + len(own))
        self.eigenvalues = np.concatenate(values)
        self.y = np.concatenate(ys)
        self.one = np.concatenate(ones)
        self.starts = np.array(starts[:-1])
        self.n = float(cells.weight[chosen].sum())

    def maximise(self, within: float, *, several: bool) -> None:
        """Find the ratios of variances; ``within`` is a sum of squares to add."""

        def loss(logs: np.ndarray) -> float:
            kernel, annotator = self._ratios(logs, several)
            return -self._evaluate(kernel, annotator, within)

        start = np.array([0.0, -2.0] if several else [0.0])
        result = optimize.minimize(
            loss,
            start,
            method="Nelder-Mead",
            options={"xatol": 0.02, "fatol": 1e-3, "maxfev": 300},
        )
        kernel, annotator = self._ratios(result.x, several)
        self.value = self._evaluate(kernel, annotator, within)
        self.own = kernel * self.residual
        self.annotator = annotator * self.residual

    def _ratios(self, logs: np.ndarray, several: bool) -> tuple[float, float]:
        clipped = np.exp(np.clip(logs, -_BOUND, _BOUND))
        return float(clipped[0]), float(clipped[1]) if several else 0.0

    def _evaluate(self, kernel: float, annotator: float, within: float) -> float:
        """Return the profiled log-likelihood; sets ``mean`` and ``residual``."""
        diagonal = kernel * self.eigenvalues + 1.0
        one = self.one / diagonal
        ones = np.add.reduceat(one * self.one, self.starts)
        ys = np.add.reduceat(one * self.y, self.starts)
        shrunk = 1.0 + annotator * ones
        precision = (ones / shrunk).sum()
        self.mean = float((ys / shrunk).sum() / precision) if precision > 0 else 0.0
        square = (self.y**2 / diagonal).sum() - (annotator * ys**2 / shrunk).sum()
        square += within - self.mean**2 * precision
        self.residual = float(max(square, 1e-12 * self.n) / self.n)
        determinant = np.log(diagonal).sum() + np.log(shrunk).sum()
        return float(-0.5 * (self.n * np.log(self.residual) + determinant))


def _share(
    found: Variances, kernel: Kernel, residual: np.ndarray, weight: np.ndarray
) -> Variances:
    """Split kernel and residual variance into what annotators share and the rest."""
    residual = weight * residual
    total, weights = residual.sum(axis=1), weight.sum(axis=1)
    same = (total**2).sum() - (residual**2).sum()
    n_same = (weights**2).sum() - (weight**2).sum()
    smooth = total @ kernel.product(total[:, None])[:, 0]
    smooth -= (residual * kernel.product(residual)).sum()
    n_smooth = weights @ kernel.squares(weights[:, None])[:, 0]
    n_smooth -= (weight * kernel.squares(weight)).sum()
    if n_smooth <= 0:
        return found
    normal = np.array([[n_smooth, n_same], [n_same, n_same]])
    shared, item = _nonnegative(normal, np.array([smooth, same]))
    shared = float(min(shared, found.own))
    item = float(min(item, 0.9 * found.residual))
    return replace(
        found,
        shared=shared,
        own=found.own - shared,
        item=item,
        residual=found.residual - item,
    )


def _nonnegative(normal: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Solve 2 x 2 normal equations under non-negativity."""
    determinant = np.linalg.det(normal)
    if determinant > 1e-9 * normal[0, 0] * normal[1, 1]:
        first, second = np.linalg.solve(normal, right)
        if first >= 0 and second >= 0:
            return float(first), float(second)
    alone = [
        max(0.0, b / a) if a > 0 else 0.0
        for a, b in zip(np.diagonal(normal), right, strict=True)
    ]
    gains = [value * b for value, b in zip(alone, right, strict=True)]
    if gains[0] >= gains[1]:
        return alone[0], 0.0
    return 0.0, alone[1]


def _solve(
    found: Variances,
    kernel: Kernel,
    residual: np.ndarray,
    weight: np.ndarray,
    scales: np.ndarray,
) -> np.ndarray:
    """Solve the covariance of the rated cells against their residuals, (n, A).

    Both sides are scaled by the roots of the weights, so that cells that were not
    rated drop out and the residual variance is the same for all.
    """
    root = np.sqrt(weight)
    right = root * residual
    annotator = found.annotator / scales**2

    def product(values: np.ndarray) -> np.ndarray:
        scaled = root * values
        total = scaled.sum(axis=1, keepdims=True)
        result = annotator * scaled.sum(axis=0) + found.item * total
        if found.own > 0:
            result = result + found.own * kernel.product(scaled)
        if found.shared > 0:
            result = result + found.shared * kernel.product(total)
        return root * result + found.residual * values

    solution = np.zeros_like(right)
    left = right.copy()
    direction = left
    size = start = float((left**2).sum())
    for _ in range(_CG_MAX):
        if size <= _CG_TOL**2 * start:
            break
        image = product(direction)
        step = size / float((direction * image).sum())
        solution += step * direction
        left = left - step * image
        before, size = size, float((left**2).sum())
        direction = left + size / before * direction
    return root * solution
