"""From judgments to the columns of the linear predictor.

Text becomes encoder features; they, and numeric columns that are many against the
rows, stand under a ridge. Everything else is fixed and unpenalised.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.linalg import lapack

from bead_sklearn.encoders import fit_encoder, resolve_encoder
from bead_sklearn.inputs import DistinctText, Judgments
from bead_sklearn.solvers import DenseBlock

#: With fewer judgments per numeric column than this, ``alpha="auto"`` puts the columns
#: under a ridge.
ROWS_PER_COLUMN = 10

#: Smallest pivot of a matrix of correlations at which its rank is beyond doubt, and
#: the rows from which one is summed at once.
_CLEAR_RANK = 1e-5
_CHUNK = 4096

#: Largest side of a dense matrix that the ridge needs.
_MAX_DENSE = 12_000
_MAX_DENSE_CELLS = 500_000_000


@dataclass(frozen=True)
class Columns:
    """The columns of the linear predictor for some rows.

    Attributes
    ----------
    fixed : DenseBlock
        Intercept and unpenalised columns.
    ridge : DenseBlock or None
        Columns under the ridge, centred, perhaps in a basis of the row space.
    residual : ndarray of shape (n_rows,) or None
        Squared length of what of each row the basis does not span.
    unspanned : DenseBlock or None
        That part of each row itself, if asked for.
    """

    fixed: DenseBlock
    ridge: DenseBlock | None
    residual: np.ndarray | None
    unspanned: DenseBlock | None = None


@dataclass
class FeatureBuilder:
    """Learns and builds the columns of the linear predictor.

    Parameters
    ----------
    encoder : object
        The estimator's ``encoder`` parameter.
    alpha : float or "auto"
        The estimator's ``alpha`` parameter.
    encoder_options : dict
        Passed on to :func:`~bead_sklearn.encoders.resolve_encoder`.
    """

    encoder: Any
    alpha: float | str
    encoder_options: dict[str, Any] = field(default_factory=dict)

    def fit(self, judgments: Judgments, weights: np.ndarray) -> Columns:
        """Learn encoders, which columns are penalised, and the centring."""
        self.encoders_ = {}
        for name, text in judgments.texts.items():
            encoder = resolve_encoder(self.encoder, **self.encoder_options)
            self.encoders_[name] = fit_encoder(encoder, text.values)
        n = float(weights.sum())
        p = len(judgments.numeric_names)
        self.ridge_numeric_ = p > 0 and (
            self.alpha != 0 if self.alpha != "auto" else n < ROWS_PER_COLUMN * p
        )
        self.n_numeric_ = p
        # Named columns have units of their own; columns of an array are features.
        self.standardize_ = (
            self.ridge_numeric_
            and self.alpha == "auto"
            and judgments.numeric_names != [f"x{i}" for i in range(p)]
        )
        self.ridge_text_ = bool(self.encoders_) and self.alpha != 0
        raw = self._raw(judgments)
        self.text_names_ = self._name_text_features(judgments.texts)
        fixed_names = ["(Intercept)"]
        if not self.ridge_numeric_:
            fixed_names += judgments.numeric_names
        if self.encoders_ and not self.ridge_text_:
            fixed_names += self.text_names_
        self._fit_fixed(raw.fixed, weights, fixed_names)
        self.ridge_names_ = []
        if self.ridge_text_:
            self.ridge_names_ += self.text_names_
        if self.ridge_numeric_:
            self.ridge_names_ += judgments.numeric_names
        self.ridge_center_: np.ndarray | None = None
        self.ridge_basis_: np.ndarray | None = None
        if raw.ridge is not None:
            self._fit_ridge(raw.ridge, weights)
        return self._finish(raw)

    def transform(self, judgments: Judgments, *, unspanned: bool = False) -> Columns:
        """Build the columns of new rows, with what the basis leaves out if asked."""
        return self._finish(self._raw(judgments), unspanned)

    def covariates(self, judgments: Judgments) -> np.ndarray:
        """Return the numeric columns, for random slopes named in a formula."""
        if judgments.numeric is None:
            return np.zeros((judgments.n_rows, 0))
        return _dense(judgments.numeric)

    def coefficients(
        self, fixed: np.ndarray, ridge: np.ndarray
    ) -> tuple[float, np.ndarray, list[str]]:
        """Return intercept, coefficients and their names in the columns of X."""
        full = np.zeros(len(self.fixed_names_))
        full[self.kept_] = self.fixed_transform_ @ fixed
        intercept, coefficients = full[0], full[1:]
        if self.ridge_center_ is not None:
            if self.ridge_basis_ is not None:
                ridge = self.ridge_basis_ @ ridge
            ridge = ridge / self.ridge_scale_
            intercept = intercept - self.ridge_center_ @ ridge
            coefficients = np.concatenate([coefficients, ridge])
        return float(intercept), coefficients, self.fixed_names_[1:] + self.ridge_names_

    def _fit_fixed(
        self, block: DenseBlock, weights: np.ndarray, names: list[str]
    ) -> None:
        """Keep a set of linearly independent columns."""
        self.fixed_names_ = names
        rows = block.rows()
        # Centred and scaled columns keep the normal equations accurate for columns
        # such as years; the intercept, column 0, stays as it is.
        center = np.average(rows, axis=0, weights=weights)
        spread = np.average((rows - center) ** 2, axis=0, weights=weights)
        center[0], spread[0] = 0.0, 1.0
        constant = spread <= (1e-12 * np.abs(center)) ** 2
        self.fixed_center_ = np.where(constant, 0.0, center)
        self.fixed_scale_ = np.sqrt(np.where(constant, 1.0, spread))
        self.kept_ = _independent_columns(
            rows, self.fixed_center_, self.fixed_scale_, np.sqrt(weights)
        )
        rank = len(self.kept_)
        self.fixed_transform_ = np.diag(1.0 / self.fixed_scale_[self.kept_])
        shifts = self.fixed_center_ / self.fixed_scale_
        self.fixed_transform_[0, 1:] = -shifts[self.kept_[1:]]
        if len(names) > len(weights) and rank >= len(weights):
            raise ValueError(
                f"X has {len(names) - 1} unpenalised columns for {len(weights)} "
                "judgments, so alpha=0 has no unique solution. Use alpha='auto' or a "
                "positive alpha."
            )
        if rank < len(names):
            dropped = [names[i] for i in range(len(names)) if i not in self.kept_]
            shown = ", ".join(map(repr, dropped[:5])) + ", ..." * (len(dropped) > 5)
            warnings.warn(
                f"{len(dropped)} column(s) of X are constant or a linear combination "
                f"of others; their coefficients are set to 0: {shown}.",
                UserWarning,
                stacklevel=5,
            )

    def _fit_ridge(self, block: DenseBlock, weights: np.ndarray) -> None:
        """Centre the penalised columns; rotate them if they outnumber the rows."""
        per_distinct = block.distinct_sums(weights)
        self.ridge_center_ = per_distinct @ block.values / per_distinct.sum()
        self.ridge_scale_ = np.ones(block.n_columns)
        if self.standardize_:
            centred = block.values - self.ridge_center_
            spread = per_distinct @ centred**2 / per_distinct.sum()
            named = np.arange(block.n_columns) >= block.n_columns - self.n_numeric_
            self.ridge_scale_[named & (spread > 0)] = np.sqrt(
                spread[named & (spread > 0)]
            )
        n, d = block.values.shape
        if min(n, d) > _MAX_DENSE:
            raise ValueError(
                f"X has {d} penalised columns and {n} distinct rows; the ridge needs a "
                f"dense matrix of the smaller side, at most {_MAX_DENSE}. Reduce the "
                "columns first, for instance by sklearn.decomposition.TruncatedSVD."
            )
        if d > n:
            centred = (block.values - self.ridge_center_) / self.ridge_scale_
            _, sizes, right = linalg.svd(centred, full_matrices=False)
            rank = int((sizes > 1e-10 * sizes.max(initial=1e-300)).sum())
            self.ridge_basis_ = right[:rank].T

    def _raw(self, judgments: Judgments) -> Columns:
        text = None
        if judgments.texts:
            text = self._encode(judgments.texts)
        numeric = None
        if judgments.numeric is not None:
            numeric = DenseBlock(_dense(judgments.numeric))
        ridge = _join(
            [
                text if self.ridge_text_ else None,
                numeric if self.ridge_numeric_ else None,
            ]
        )
        fixed = _join(
            [
                DenseBlock(np.ones((judgments.n_rows, 1))),
                None if self.ridge_numeric_ else numeric,
                None if self.ridge_text_ else text,
            ]
        )
        assert fixed is not None
        return Columns(fixed, ridge, None)

    def _encode(self, texts: dict[str, DistinctText]) -> DenseBlock:
        """Features of every distinct combination of texts."""
        parts = []
        for name, text in texts.items():
            features = self.encoders_[name].transform(text.values)
            parts.append((np.asarray(_dense(features), dtype=float), text.index))
        if len(parts) == 1:
            return DenseBlock(*parts[0])
        key = np.zeros(len(parts[0][1]), dtype=np.int64)
        for features, index in parts:
            key = np.unique(key * len(features) + index, return_inverse=True)[1]
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        values = np.hstack([features[index[first]] for features, index in parts])
        return DenseBlock(values, inverse)

    def _name_text_features(self, texts: dict[str, DistinctText]) -> list[str]:
        """Name the features of all text columns."""
        names = []
        for column, text in texts.items():
            encoder = self.encoders_[column]
            if hasattr(encoder, "get_feature_names_out"):
                features = [str(name) for name in encoder.get_feature_names_out()]
            else:
                n_features = encoder.transform(text.values[:1]).shape[1]
                features = [f"feature{i}" for i in range(n_features)]
            prefix = "" if len(texts) == 1 else f"{column}__"
            names += [f"{prefix}{name}" for name in features]
        return names

    def _finish(self, raw: Columns, unspanned: bool = False) -> Columns:
        standard = (raw.fixed.values - self.fixed_center_) / self.fixed_scale_
        fixed = DenseBlock(standard[:, self.kept_], raw.fixed.index)
        if raw.ridge is None:
            return Columns(fixed, None, None)
        centred = (raw.ridge.values - self.ridge_center_) / self.ridge_scale_
        residual = outside = None
        if self.ridge_basis_ is not None:
            projected = centred @ self.ridge_basis_
            if unspanned:
                outside = DenseBlock(
                    centred - projected @ self.ridge_basis_.T, raw.ridge.index
                )
            left = (centred**2).sum(axis=1) - (projected**2).sum(axis=1)
            residual = np.maximum(left, 0.0)
            if raw.ridge.index is not None:
                residual = residual[raw.ridge.index]
            centred = projected
        ridge = DenseBlock(centred, raw.ridge.index)
        return Columns(fixed, ridge, residual, outside)


def _independent_columns(
    rows: np.ndarray, center: np.ndarray, scale: np.ndarray, roots: np.ndarray
) -> np.ndarray:
    """Return which standardised columns span all, the first among them.

    Their correlations say so at half the digits; where that is not enough, an
    orthogonal decomposition.
    """
    n_columns = rows.shape[1]
    gram = np.zeros((n_columns, n_columns))
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        scaled = (rows[part] - center) / scale * roots[part, None]
        gram += scaled.T @ scaled
    norms = np.sqrt(np.diagonal(gram))
    if (norms > 0).all():
        lower, _, _, info = lapack.dpstrf(gram / np.outer(norms, norms), lower=1)
        if info == 0 and np.diagonal(lower).min() > _CLEAR_RANK:
            return np.arange(n_columns)
    scaled = (rows - center) / scale * roots[:, None]
    scaled /= np.where(norms > 0, norms, 1.0)
    _, r, pivots = linalg.qr(scaled, mode="economic", pivoting=True)
    diagonal = np.abs(np.diagonal(r))
    rank = int((diagonal > 1e-9 * diagonal.max(initial=1e-300)).sum())
    kept = np.sort(pivots[:rank])
    if 0 not in kept and rank:
        # The intercept stays: what it is a combination of gives way.
        kept = _keep_first(scaled, kept)
    return kept


def _keep_first(scaled: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Swap the first column in for the kept column that it depends on most."""
    solution = linalg.lstsq(scaled[:, kept], scaled[:, 0])[0]
    out = int(np.abs(solution).argmax())
    return np.sort(np.append(np.delete(kept, out), 0))


def _join(blocks: list[DenseBlock | None]) -> DenseBlock | None:
    present = [block for block in blocks if block is not None]
    if len(present) <= 1:
        return present[0] if present else None
    return DenseBlock(np.hstack([block.rows() for block in present]))


def _dense(x: Any) -> np.ndarray:
    if not sparse.issparse(x):
        return np.asarray(x)
    n_rows, n_columns = x.shape
    if n_rows * n_columns > _MAX_DENSE_CELLS:
        raise ValueError(
            f"X is a sparse matrix of {n_rows} rows and {n_columns} columns, too large "
            "to be made dense, which the solver needs. Reduce the columns first, for "
            "instance by sklearn.decomposition.TruncatedSVD, or pass the text itself."
        )
    return np.asarray(x.toarray())
