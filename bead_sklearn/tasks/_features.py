"""From judgments to the columns of the linear predictor.

Text becomes encoder features; they, and numeric columns that are many against the
responses, stand under a ridge. Everything else is fixed and unpenalised.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import linalg

from bead_sklearn.encoders import fit_encoder, resolve_encoder
from bead_sklearn.families import Family
from bead_sklearn.inputs import (
    DistinctText,
    Judgments,
    PairedText,
    dense_matrix,
    join_texts,
)
from bead_sklearn.solvers import DenseBlock
from bead_sklearn.tasks._rank import independent_columns, moments
from bead_sklearn.tasks._ridge import takes_ridge

#: Averages of columns below this share of their spread are zero.
_ROUNDING = 1e-9

#: Largest side of a dense matrix that the ridge needs.
_MAX_DENSE = 12_000


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
    joint : bool
        Whether the texts of a row are encoded together, as a pair, rather than each
        by itself.
    n_features : int
        The last so many numeric columns are features like those of texts.
    """

    encoder: Any
    alpha: float | str
    encoder_options: dict[str, Any] = field(default_factory=dict)
    joint: bool = False
    n_features: int = 0

    def fit(
        self,
        judgments: Judgments,
        weights: np.ndarray,
        family: Family,
        output_names: tuple[str, ...] = (),
        sample_size: float = np.inf,
    ) -> Columns:
        """Learn encoders, which columns are penalised, and the centring.

        Parameters
        ----------
        judgments : Judgments
            The rows.
        weights : ndarray of shape (n_rows,)
            How many times each row counts.
        family : Family
            Whether there is an intercept, and which rows compete with each other, so
            that only differences of their columns matter.
        output_names : tuple of str
            Names of the outputs of families that have several.
        sample_size : float
            Limiting sample size of the responses.
        """
        self.n_outputs_ = family.n_outputs
        self.output_names_ = output_names
        self.intercept_ = family.has_intercept
        judgments = self._join(judgments)
        self.encoders_ = {}
        for name, text in judgments.texts.items():
            encoder = resolve_encoder(self.encoder, **self.encoder_options)
            self.encoders_[name] = fit_encoder(encoder, text.values)
        p = len(judgments.numeric_names) - self.n_features
        numeric_names = judgments.numeric_names[:p]
        feature_names = judgments.numeric_names[p:]
        self.ridge_numeric_ = takes_ridge(self.alpha, sample_size, p)
        self.n_numeric_ = p
        # Named columns have units of their own; columns of an array are features.
        self.standardize_ = (
            self.ridge_numeric_
            and self.alpha == "auto"
            and numeric_names != [f"x{i}" for i in range(p)]
        )
        self.ridge_text_ = bool(self.encoders_) and self.alpha != 0
        self.ridge_features_ = bool(feature_names) and self.alpha != 0
        raw = self._raw(judgments)
        self.text_names_ = self._name_text_features(judgments.texts)
        self.n_constants_ = len(judgments.constant_names)
        fixed_names = ["(Intercept)"] * self.intercept_ + judgments.constant_names
        if not self.ridge_numeric_:
            fixed_names += numeric_names
        if self.encoders_ and not self.ridge_text_:
            fixed_names += self.text_names_
        if not self.ridge_features_:
            fixed_names += feature_names
        self._fit_fixed(raw.fixed, weights, fixed_names, family.sets)
        self.ridge_names_ = []
        if self.ridge_text_:
            self.ridge_names_ += self.text_names_
        if self.ridge_numeric_:
            self.ridge_names_ += numeric_names
        if self.ridge_features_:
            self.ridge_names_ += feature_names
        self.ridge_center_: np.ndarray | None = None
        self.ridge_basis_: np.ndarray | None = None
        if raw.ridge is not None:
            self._fit_ridge(raw.ridge, weights)
        return self._finish(raw)

    def transform(self, judgments: Judgments, *, unspanned: bool = False) -> Columns:
        """Build the columns of new rows, with what the basis leaves out if asked."""
        return self._finish(self._raw(self._join(judgments)), unspanned)

    def _join(self, judgments: Judgments) -> Judgments:
        """Join the texts of each row if they are encoded together."""
        if not self.joint or len(judgments.texts) < 2:
            return judgments
        name = "+".join(judgments.texts)
        texts = {name: join_texts(list(judgments.texts.values()))}
        return replace(judgments, texts=texts)

    def slopes(self, columns: Columns) -> tuple[np.ndarray, list[str]]:
        """Return all columns but constants as the model sees them, and their names."""
        start = int(self.intercept_) + self.n_constants_
        kept = self.kept_[self.kept_ >= start]
        rows = columns.fixed.rows()[:, len(self.kept_) - len(kept) :]
        names = [self.fixed_names_[i] for i in kept]
        if columns.ridge is not None:
            rows = np.hstack([rows, columns.ridge.rows()])
            basis = self.ridge_basis_
            names = names + (
                self.ridge_names_
                if basis is None
                else [f"direction{i}" for i in range(basis.shape[1])]
            )
        return rows, names

    @property
    def coefficient_names_(self) -> list[str]:
        """Names of the fixed effects in the design, the output fastest."""
        names = [self.fixed_names_[i] for i in self.kept_]
        if not self.output_names_:
            return names
        return [f"{name} [{output}]" for name in names for output in self.output_names_]

    @property
    def n_ridge_(self) -> int:
        """Number of coefficients under the ridge."""
        return len(self.ridge_names_) * self.n_outputs_

    @property
    def is_centred_(self) -> bool:
        """Whether eta is relative to averages of some columns."""
        shifts = [self.fixed_center_ / self.fixed_scale_]
        if self.ridge_center_ is not None:
            shifts.append(self.ridge_center_ / self.ridge_scale_)
        return any(bool((np.abs(shift) > _ROUNDING).any()) for shift in shifts)

    def to_columns(self) -> np.ndarray:
        """Return the matrix that turns fixed effects into those of columns of X."""
        return np.kron(self.fixed_transform_, np.eye(self.n_outputs_))

    def unit_constant(self) -> float:
        """Return what a restricted log-likelihood in the columns of X has more."""
        return float(self.n_outputs_ * np.linalg.slogdet(self.fixed_transform_)[1])

    def coefficients(
        self, fixed: np.ndarray, ridge: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Return intercepts, coefficients and their names in the columns of X.

        Parameters
        ----------
        fixed, ridge : ndarray of shape (n_columns * n_outputs,)
            Coefficients in the design, the output fastest.

        Returns
        -------
        intercept : ndarray of shape (n_outputs,)
            What eta is where all columns of X are 0. Families without an intercept
            have one too: their eta is relative to centred columns.
        coefficients : ndarray of shape (n_outputs, n_columns)
            Per unit of the columns of X.
        names : list of str
            Of the columns.
        """
        by_output = fixed.reshape(-1, self.n_outputs_)
        full = np.zeros((len(self.fixed_names_), self.n_outputs_))
        full[self.kept_] = self.fixed_transform_ @ by_output
        start = int(self.intercept_)
        intercept, coefficients = np.zeros(self.n_outputs_), full[start:]
        if self.intercept_:
            intercept = full[0]
        else:
            intercept -= self.fixed_center_ @ full
        if self.ridge_center_ is not None:
            weights = ridge.reshape(-1, self.n_outputs_)
            if self.ridge_basis_ is not None:
                weights = self.ridge_basis_ @ weights
            weights = weights / self.ridge_scale_[:, None]
            intercept = intercept - self.ridge_center_ @ weights
            coefficients = np.concatenate([coefficients, weights])
        names = self.fixed_names_[start:] + self.ridge_names_
        return intercept, coefficients.T, names

    def _fit_fixed(
        self,
        block: DenseBlock,
        weights: np.ndarray,
        names: list[str],
        sets: np.ndarray | None,
    ) -> None:
        """Keep a set of linearly independent columns."""
        self.fixed_names_ = names
        rows = block.rows()
        # Centred and scaled columns keep the normal equations accurate for columns
        # such as years; the intercept, column 0, stays as it is.
        center, spread = moments(rows, weights)
        if self.intercept_:
            center[0], spread[0] = 0.0, 1.0
        constant = spread <= (1e-12 * np.abs(center)) ** 2
        self.fixed_center_ = np.where(constant, 0.0, center)
        self.fixed_scale_ = np.sqrt(np.where(constant, 1.0, spread))
        within, middle = rows, self.fixed_center_
        if sets is not None:
            # Only differences within sets matter.
            within, middle = rows - _set_means(rows, sets), np.zeros(len(names))
        if names:
            self.kept_ = independent_columns(
                within,
                middle,
                self.fixed_scale_,
                np.sqrt(weights),
                intercept=self.intercept_,
            )
        else:
            self.kept_ = np.zeros(0, dtype=np.intp)
        rank = len(self.kept_)
        self.fixed_transform_ = np.diag(1.0 / self.fixed_scale_[self.kept_])
        if self.intercept_:
            shifts = self.fixed_center_ / self.fixed_scale_
            self.fixed_transform_[0, 1:] = -shifts[self.kept_[1:]]
        if len(names) > len(weights) and rank >= len(weights):
            raise ValueError(
                f"X has {len(names) - self.intercept_} unpenalised columns for "
                f"{len(weights)} judgments, so alpha=0 has no unique solution. Use "
                "alpha='auto' or a positive alpha."
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
            end = block.n_columns - self.n_features
            place = np.arange(block.n_columns)
            named = (place >= end - self.n_numeric_) & (place < end)
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
            # Features that are all alike keep a direction, of which nothing comes.
            rank = max(1, int((sizes > 1e-10 * sizes.max(initial=1e-300)).sum()))
            self.ridge_basis_ = right[:rank].T

    def _raw(self, judgments: Judgments) -> Columns:
        text = None
        if judgments.texts:
            text = self._encode(judgments.texts)
        constants = numeric = features = None
        if judgments.constants is not None:
            constants = DenseBlock(judgments.constants)
        if judgments.numeric is not None:
            values = dense_matrix(judgments.numeric)
            end = values.shape[1] - self.n_features
            numeric = DenseBlock(values[:, :end])
            if self.n_features:
                features = DenseBlock(values[:, end:])
        ridge = _join(
            [
                text if self.ridge_text_ else None,
                numeric if self.ridge_numeric_ else None,
                features if self.ridge_features_ else None,
            ]
        )
        fixed = _join(
            [
                DenseBlock(np.ones((judgments.n_rows, int(self.intercept_)))),
                constants,
                None if self.ridge_numeric_ else numeric,
                None if self.ridge_text_ else text,
                None if self.ridge_features_ else features,
            ]
        )
        assert fixed is not None
        return Columns(fixed, ridge, None)

    def _encode(self, texts: dict[str, DistinctText | PairedText]) -> DenseBlock:
        """Features of every distinct combination of texts."""
        parts = []
        for name, text in texts.items():
            features = self.encoders_[name].transform(text.values)
            values = np.asarray(dense_matrix(features), dtype=float)
            if isinstance(text, PairedText):
                parts.append(_differences(values, text))
                continue
            index = text.index
            if (index < 0).any():  # no text, no features
                values = np.vstack([values, np.zeros((1, values.shape[1]))])
                index = np.where(index < 0, len(values) - 1, index)
            parts.append((values, index))
        if len(parts) == 1:
            return DenseBlock(*parts[0])
        key = np.zeros(len(parts[0][1]), dtype=np.int64)
        for features, index in parts:
            key = np.unique(key * len(features) + index, return_inverse=True)[1]
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        values = np.hstack([features[index[first]] for features, index in parts])
        return DenseBlock(values, inverse)

    def _name_text_features(
        self, texts: dict[str, DistinctText | PairedText]
    ) -> list[str]:
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
        standard = raw.fixed.values - self.fixed_center_
        standard /= self.fixed_scale_
        if len(self.kept_) < standard.shape[1]:
            standard = standard[:, self.kept_]
        fixed = DenseBlock(standard, raw.fixed.index)
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


def _differences(values: np.ndarray, text: PairedText) -> tuple[np.ndarray, np.ndarray]:
    """Features of the second text less those of the first, once per distinct pair."""
    keys = text.first.astype(np.int64) * len(values) + text.second
    distinct, index = np.unique(keys, return_inverse=True)
    first, second = np.divmod(distinct, len(values))
    return values[second] - values[first], index


def _set_means(rows: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Mean of the rows of each set, row by row."""
    starts = np.flatnonzero(np.diff(sets, prepend=-1))
    sizes = np.diff(np.append(starts, len(sets)))
    return (np.add.reduceat(rows, starts) / sizes[:, None])[sets]


def _join(blocks: list[DenseBlock | None]) -> DenseBlock | None:
    present = [block for block in blocks if block is not None]
    if len(present) <= 1:
        return present[0] if present else None
    return DenseBlock(np.hstack([block.rows() for block in present]))
