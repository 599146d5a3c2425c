"""What a masked language model says of fillers in contexts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.encoders import MaskedLMEncoder
from bead_sklearn.encoders._masked_model import Prompt

#: Texts, and number of the blank in them.
Blanks = Sequence[tuple[tuple[str, ...], int]]

#: Largest number of directions of fillers, and of fillers in contexts.
_N_FILLER, _N_HEAD = 16, 16

#: Rows whose states are held at once, and rows that directions are learned from.
_CHUNK, _MAX_ROWS = 4096, 20_000

#: Directions whose share of the largest is below this are rounding.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Directions:
    """A basis of features: their main directions, of length 1 on average.

    Attributes
    ----------
    center : ndarray of shape (d,)
        What is subtracted.
    basis : ndarray of shape (d, r)
        Features times it are the coordinates.
    """

    center: np.ndarray
    basis: np.ndarray

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        deviations: np.ndarray,
        n_most: int,
        *,
        whiten: bool = False,
    ) -> Directions:
        """Return the directions in which features vary most.

        Parameters
        ----------
        features : ndarray of shape (n, d)
            Their mean becomes the centre.
        deviations : ndarray of shape (m, d)
            What they vary by.
        n_most : int
            How many directions are kept at most.
        whiten : bool, default=False
            Whether the coordinates vary alike.
        """
        rows = deviations.astype(np.float64)
        if len(rows) > rows.shape[1]:
            rows = np.asarray(np.linalg.qr(rows, mode="r"))
        _, sizes, right = np.linalg.svd(rows, full_matrices=False)
        kept = int((sizes > _ROUNDING * max(sizes.max(initial=0.0), 1e-12)).sum())
        kept = min(kept, n_most)
        basis, sizes = right[:kept].T, sizes[:kept]
        if whiten:
            basis, sizes = basis / sizes, np.ones(kept)
        basis = basis / np.sqrt((sizes**2).sum() / max(len(deviations), 1) or 1.0)
        return cls(features.mean(axis=0, dtype=np.float64), basis)

    def coordinates(self, features: np.ndarray) -> np.ndarray:
        """Return the features in the basis, (n, r)."""
        return np.asarray((features - self.center) @ self.basis)


@dataclass(frozen=True)
class FillerPart:
    """Some fillers of one number of tokens for some blanks.

    Attributes
    ----------
    blanks, fillers : ndarray of int
        Which.
    tokens : ndarray of int of shape (n_fillers, m)
        Tokens of the fillers.
    """

    blanks: np.ndarray
    fillers: np.ndarray
    tokens: np.ndarray


class LanguageFeatures:
    """Features of fillers by a masked language model.

    - ``log_probability``: sum over the tokens of the filler of their log probability,
      as many masks standing in the blank as it has tokens;
    - ``filler0``, ...: main directions of the rows e of the output layer, the mean
      over the tokens of the filler, whatever the context; all vary alike, so that
      effects over them are those of fillers one by one if these are few;
    - ``head0``, ...: main directions of the products (z - m) * e, state at the mask
      by row, summed over the tokens: the terms that make up the logarithm of the
      probability, as far as they depend on the context; m is the mean state at that
      mask of so many.

    Parameters
    ----------
    encoder : MaskedLMEncoder
        Fitted.
    blank : str
        What marks a blank.
    """

    #: Name of the one feature that is no direction.
    score = "log_probability"

    def __init__(self, encoder: MaskedLMEncoder, blank: str) -> None:
        self.encoder = encoder
        self.blank = blank
        self._known: dict[tuple[int, Prompt], np.ndarray] | None = None

    def fit(
        self,
        names: Blanks,
        pairs: list[tuple[np.ndarray, np.ndarray]],
        fillers: list[str],
        sets: np.ndarray,
    ) -> list[np.ndarray]:
        """Learn the directions, and return the features of pairs.

        Parameters
        ----------
        names : list of (tuple of str, int)
            Texts, and number of the blank in them.
        pairs : list of tuple of ndarray of int of shape (n,)
            Blanks and fillers; directions are learned from the first.
        fillers : list of str
            Candidates.
        sets : ndarray of int of shape (n,)
            Choice set of each of the first pairs, in order.

        Returns
        -------
        features : list of ndarray of shape (n, n_features)
            In the order of ``names``.
        """
        index, codes = pairs[0]
        rows = self._filler_rows(fillers)
        deviations = rows - rows.mean(axis=0)
        self.filler_ = Directions.fit(rows, deviations, _N_FILLER, whiten=True)
        self._known = {}
        self.state_, self.states_ = self._mean_states(names, fillers, codes)
        part = _whole_sets(sets, _MAX_ROWS)
        products = np.empty((len(part), self.encoder.n_components_), dtype=np.float32)
        for at, _, found in self._pairs(names, index[part], fillers, codes[part]):
            products[at] = found
        starts = np.flatnonzero(np.diff(sets[part], prepend=-1))
        sizes = np.diff(np.append(starts, len(part)))
        means = np.add.reduceat(products, starts) / sizes[:, None]
        deviations = products - np.repeat(means, sizes, axis=0)
        self.head_ = Directions.fit(products, deviations, _N_HEAD)
        features = [self.pairs(names, i, fillers, c) for i, c in pairs]
        self._known = None
        return features

    @property
    def filler_names(self) -> list[str]:
        """Names of the directions of fillers."""
        return [f"filler{i}" for i in range(self.filler_.basis.shape[1])]

    @property
    def head_names(self) -> list[str]:
        """Names of the directions of fillers in contexts."""
        return [f"head{i}" for i in range(self.head_.basis.shape[1])]

    @property
    def names(self) -> list[str]:
        """Names of all features."""
        return [self.score, *self.head_names, *self.filler_names]

    def pairs(
        self,
        names: Blanks,
        index: np.ndarray,
        fillers: list[str],
        codes: np.ndarray,
    ) -> np.ndarray:
        """Return the features of pairs of a blank and a filler, (n, n_features).

        Parameters
        ----------
        names : list of (tuple of str, int)
            Texts, and number of the blank in them.
        index : ndarray of int of shape (n,)
            Which of them each row is about.
        fillers : list of str
            Candidates.
        codes : ndarray of int of shape (n,)
            Which of them each row has.
        """
        logs = np.empty(len(codes))
        heads = np.empty((len(codes), self.head_.basis.shape[1]))
        for at, found, products in self._pairs(names, index, fillers, codes):
            logs[at], heads[at] = found, self.head_.coordinates(products)
        filler = self.filler_.coordinates(self._filler_rows(fillers))[codes]
        return np.column_stack([logs, heads, filler])

    def table(self, names: Blanks, fillers: list[str]) -> np.ndarray:
        """Return features of all fillers in all blanks, (n_blanks, n_fillers, K)."""
        n_filler, n_head = len(self.filler_names), len(self.head_names)
        result = np.empty((len(names), len(fillers), 1 + n_filler + n_head))
        filler = self.filler_.coordinates(self._filler_rows(fillers))
        result[:, :, 1 + n_head :] = filler
        shift = self.head_.center @ self.head_.basis
        everyone = np.arange(len(fillers))
        prompts, spaced = self._prompts(names)
        for part in self._parts(spaced, fillers, everyone, np.arange(len(names))):
            m = part.tokens.shape[1]
            z, norms = self._states([prompts[i] for i in part.blanks], m)
            e, b = self._output_rows(part.tokens)
            flat_z, flat_e = z.reshape(len(z), -1), e.reshape(len(e), -1)
            deviations = flat_z - self._center(m).ravel()
            row, column = np.ix_(part.blanks, part.fillers)
            log_norms = norms.sum(axis=1, dtype=np.float64)
            result[row, column, 0] = flat_z @ flat_e.T + b.sum(axis=1)
            result[row, column, 0] -= log_norms[:, None]
            for k in range(n_head):
                weights = np.tile(self.head_.basis[:, k], m)
                head = (deviations * weights) @ flat_e.T
                result[row, column, 1 + k] = head
        result[:, :, 1 : 1 + n_head] -= shift
        return result

    def token_columns(
        self,
        names: Blanks,
        index: np.ndarray,
        fillers: list[str],
        codes: np.ndarray,
    ) -> tuple[Any, np.ndarray]:
        """Return the blanks and the tokens of rows, as a network takes them.

        Parameters
        ----------
        names, index, fillers, codes
            As in :meth:`pairs`.

        Returns
        -------
        texts : TokenColumn
            Texts with as many masks as tokens of the filler.
        tokens : ndarray of int of shape (n, m)
            Tokens of the fillers, -1 beyond their number.
        """
        from bead_sklearn.nn._data import TokenColumn

        model = self.encoder.language_model()
        prompts, spaced = self._prompts(names)
        by_flag = [self._tokens(fillers, flag) for flag in (False, True)]
        lengths = np.array([[len(ids) for ids in tokens] for tokens in by_flag])
        flags = spaced[index].astype(np.intp)
        n_masks = lengths[flags, codes]
        table = np.full((2, len(fillers), int(lengths.max())), -1)
        for flag, tokens in enumerate(by_flag):
            for code, ids in enumerate(tokens):
                table[flag, code, : len(ids)] = ids
        kinds, places = np.unique(
            np.column_stack([n_masks, index]), axis=0, return_inverse=True
        )
        encoded: dict[str, list[list[int]]] = {
            name: [] for name in ("input_ids", "attention_mask", "masks")
        }
        for m in np.unique(kinds[:, 0]).tolist():
            some = [prompts[i] for i in kinds[kinds[:, 0] == m, 1]]
            rows, first = model.tokenize_prompts(some, m, self.encoder.max_length)
            encoded["input_ids"] += rows
            encoded["attention_mask"] += [[1] * len(row) for row in rows]
            encoded["masks"] += [list(range(at, at + m)) for at in first]
        pad = {"input_ids": int(model.tokenizer.pad_token_id), "masks": -1}
        return TokenColumn(encoded, places.reshape(-1, 1), pad), table[flags, codes]

    def _pairs(
        self,
        names: Blanks,
        index: np.ndarray,
        fillers: list[str],
        codes: np.ndarray,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield rows, their log probabilities and their products (z - m) * e."""
        prompts, spaced = self._prompts(names)
        for part in self._parts(spaced, fillers, codes, index):
            here = np.zeros(len(prompts), dtype=bool)
            here[part.blanks] = True
            one = np.zeros(len(fillers), dtype=bool)
            one[part.fillers] = True
            rows = np.flatnonzero(here[index] & one[codes])
            if not len(rows):
                continue
            blanks = np.unique(index[rows])
            m = part.tokens.shape[1]
            z, norms = self._states([prompts[i] for i in blanks], m)
            e, b = self._output_rows(part.tokens)
            z_place = np.searchsorted(blanks, index[rows])
            e_place = np.searchsorted(part.fillers, codes[rows])
            for start in range(0, len(rows), _CHUNK):
                some = slice(start, start + _CHUNK)
                states, own = z[z_place[some]], e[e_place[some]]
                logits = (states * own).sum(axis=2, dtype=np.float64)
                logs = (logits + b[e_place[some]] - norms[z_place[some]]).sum(axis=1)
                products = (states - self._center(z.shape[1])) * own
                yield rows[some], logs, products.sum(axis=1)

    def _mean_states(
        self, names: Blanks, fillers: list[str], codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean state (d,), and those of masks of so many (M, M, d)."""
        prompts, spaced = self._prompts(names)
        by_number: dict[int, list[np.ndarray]] = {}
        for part in self._parts(spaced, fillers, codes, np.arange(len(names))):
            m = part.tokens.shape[1]
            z, _ = self._states([prompts[i] for i in part.blanks], m)
            by_number.setdefault(m, []).append(z)
        states = {m: np.concatenate(parts) for m, parts in by_number.items()}
        every = [z.reshape(-1, z.shape[2]) for z in states.values()]
        mean = np.concatenate(every).mean(axis=0)
        table = np.tile(mean, (max(states), max(states), 1))
        for m, z in states.items():
            table[m - 1, :m] = z.mean(axis=0)
        return mean, table

    def _states(self, prompts: list[Prompt], m: int) -> tuple[np.ndarray, np.ndarray]:
        """Return states (n, m, d) and log norms (n, m); in fit each is found once."""
        known = self._known
        if known is None:
            return self.encoder.states(prompts, m)
        new = [p for p in dict.fromkeys(prompts) if (m, p) not in known]
        if new:
            values = np.concatenate(
                [part.reshape(len(new), m, -1) for part in self.encoder.states(new, m)],
                axis=2,
            )
            known |= {(m, p): value for p, value in zip(new, values, strict=True)}
        stacked = np.stack([known[m, p] for p in prompts])
        return stacked[..., :-1], stacked[..., -1]

    def _center(self, m: int) -> np.ndarray:
        """Return the mean states at m masks, (m, d)."""
        if m <= len(self.states_):
            return np.asarray(self.states_[m - 1, :m])
        return np.tile(self.state_, (m, 1))

    def _parts(
        self,
        spaced: np.ndarray,
        fillers: list[str],
        codes: np.ndarray,
        index: np.ndarray,
    ) -> Iterator[FillerPart]:
        """Yield blanks and fillers that occur, by the number of tokens."""
        used = np.unique(codes)
        used_blanks = np.unique(index)
        for flag in (False, True):
            blanks = used_blanks[spaced[used_blanks] == flag]
            if not len(blanks):
                continue
            tokens = self._tokens([fillers[i] for i in used], flag)
            lengths = np.array([len(ids) for ids in tokens])
            for m in np.unique(lengths):
                which = np.flatnonzero(lengths == m)
                table = np.array([tokens[i] for i in which])
                yield FillerPart(blanks, used[which], table)

    def _prompts(self, names: Blanks) -> tuple[list[Prompt], np.ndarray]:
        """Return the blanks as prompts, and whether a space stands before each."""
        prompts = []
        for texts, number in names:
            pieces = " ".join(texts).split(self.blank)
            parts = pieces[: number + 1], pieces[number + 1 :]
            prompts.append(self.encoder.prompt(*parts))
        spaced = [before[-1:].isspace() for before, _ in prompts]
        return prompts, np.array(spaced, dtype=bool)

    def _tokens(self, fillers: list[str], spaced: bool) -> list[list[int]]:
        return self.encoder.language_model().tokenize_fillers(fillers, spaced)

    def _output_rows(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return e (n, m, d) and b (n, m)."""
        e, b = self.encoder.language_model().output_rows(tokens.ravel())
        return e.reshape(*tokens.shape, -1), b.reshape(tokens.shape)

    def _filler_rows(self, fillers: list[str]) -> np.ndarray:
        """Return the mean of e over the tokens of each filler, (n, d)."""
        tokens = self._tokens(fillers, spaced=True)
        lengths = np.array([len(ids) for ids in tokens])
        e, _ = self._output_rows(np.concatenate([np.array(ids) for ids in tokens]))
        starts = np.cumsum(lengths) - lengths
        return np.asarray(np.add.reduceat(e, starts) / lengths[:, None])


def _whole_sets(sets: np.ndarray, n_most: int) -> np.ndarray:
    """Return the rows of choice sets spread evenly, about so many at most."""
    n_sets = int(sets[-1]) + 1
    step = -(-len(sets) // n_most)
    return np.flatnonzero(sets % step == 0) if n_sets >= step else np.arange(len(sets))
