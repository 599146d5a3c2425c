"""What makes a candidate a likely answer: its features in a context, for a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from bead_sklearn.inputs import encode_levels, match_levels
from bead_sklearn.tasks._contexts import Contexts, ContextSpace, Relations
from bead_sklearn.tasks._shares import InterpolatedShares, maximise

#: Words, and each punctuation mark by itself.
_TOKEN = re.compile(r"\w+|[^\w\s]")

#: Features of a candidate for a person.
OWN_FEATURES = ("own_words", "own_length")

#: Largest pseudo-count of the words of all beside those of one person.
_MAX_OWN = 1000.0


@dataclass(frozen=True)
class Answers:
    """Answers that a model learns from.

    Attributes
    ----------
    contexts : Contexts
        What they were given to; its index is the context of each answer.
    codes : ndarray of int of shape (n,)
        Which candidate each answer is.
    weights : ndarray of shape (n,)
        How many times each counts.
    ids : dict of str to ndarray of shape (n,)
        Who answered, by factor.
    """

    contexts: Contexts
    codes: np.ndarray
    weights: np.ndarray
    ids: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.codes)


class Words:
    """Words of candidates.

    Parameters
    ----------
    candidates : list of str
        Those that the vocabulary is made of.
    """

    def __init__(self, candidates: list[str]) -> None:
        tokens = (token for text in candidates for token in _TOKEN.findall(text))
        self.places = {token: i for i, token in enumerate(dict.fromkeys(tokens))}

    def count(self, texts: list[str]) -> Any:
        """Count words, csr (n_texts, n_words + 1); the last is all unknown words."""
        unknown = len(self.places)
        tokens = [_TOKEN.findall(text) for text in texts]
        rows = np.repeat(np.arange(len(texts)), [len(found) for found in tokens])
        columns = [
            self.places.get(token, unknown) for found in tokens for token in found
        ]
        shape = (len(texts), unknown + 1)
        counts = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
        counts.sum_duplicates()
        return counts


class CandidateFeatures:
    """Features of candidates in contexts, learned from answers.

    - ``typicality``: log of the smoothed share of the candidate in the context;
    - ``words``: mean log of the smoothed shares of its words in the context;
    - ``frequency``: log of its smoothed share over all contexts;
    - ``length``: log of its number of characters or words;
    - ``own_words``: mean log of how much more often the person uses its words than
      others do, for each factor of ids;
    - ``own_length``: log of how much more probable its length is for the person than
      for anybody, by a normal distribution of log lengths whose mean varies.

    Parameters
    ----------
    encoder : object
        The estimator's ``encoder`` parameter, for the texts of contexts.
    encoder_options : dict
        Passed on to :func:`~bead_sklearn.encoders.resolve_encoder`.
    unit : {"character", "word"}
        What the length of a candidate is counted in.
    with_words : bool
        Whether candidates are told apart by their words too.
    """

    def __init__(
        self,
        encoder: Any,
        encoder_options: dict[str, Any],
        unit: str,
        with_words: bool,
    ) -> None:
        self.encoder = encoder
        self.encoder_options = encoder_options
        self.unit = unit
        self.with_words = with_words

    def fit(self, answers: Answers, candidates: list[str]) -> CandidateFeatures:
        """Learn similarities of contexts, smoothing constants and people's words.

        Parameters
        ----------
        answers : Answers
            The training data.
        candidates : list of str
            What the codes of the answers stand for.
        """
        self.space_ = ContextSpace(self.encoder, self.encoder_options)
        self.space_.fit(answers.contexts)
        self.places_ = {text: i for i, text in enumerate(candidates)}
        self.words_ = Words(candidates)
        self.word_counts_ = self.words_.count(candidates)
        self.relations_ = self.space_.relate(answers.contexts)
        everything = np.ones(len(answers), dtype=bool)
        self.levels_ = {
            name: encode_levels(ids)[0]
            for name, ids in answers.ids.items()
            if _crosses(ids, answers.contexts.index)
        }
        tables = self._tables(answers, everything)
        self.shares_ = InterpolatedShares().fit(self.relations_.gather(tables.answers))
        if self.with_words:
            evidence = self.relations_.gather(tables.words)
            self.word_shares_ = InterpolatedShares().fit(evidence)
        self.own_pseudo_counts_ = {
            name: self._fit_own(answers, name, tables) for name in self.levels_
        }
        self.tables_ = tables
        self.lengths_ = self._lengths(candidates)
        self.own_lengths_ = {
            name: OwnLengths.fit(*tables.lengths[name], self._squares(answers))
            for name in self.levels_
        }
        return self

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        suffixes = [""] if len(self.levels_) == 1 else [f"_{n}" for n in self.levels_]
        suffixes *= bool(self.levels_)
        own = [f"{what}{end}" for end in suffixes for what in OWN_FEATURES]
        words = ["words"] if self.with_words else []
        return ["typicality", *words, "frequency", "length", *own]

    def leave_out(self, answers: Answers, left_out: np.ndarray) -> Tables:
        """Return what is counted without some of the answers."""
        return self._tables(answers, ~left_out)

    def _tables(self, answers: Answers, kept: np.ndarray) -> Tables:
        contexts, codes = answers.contexts.index[kept], answers.codes[kept]
        weights = answers.weights[kept]
        n_candidates = len(self.places_)
        counts = sparse.csr_array(
            (weights, (contexts, codes)),
            shape=(len(answers.contexts.names), n_candidates + 1),
        )
        counts.sum_duplicates()
        words = counts[:, :n_candidates] @ self.word_counts_
        people, lengths = {}, {}
        log_length = self._lengths(list(self.places_))[codes]
        for name, levels in self.levels_.items():
            rows = match_levels(levels, answers.ids[name])[kept]
            shape = (len(levels), n_candidates)
            answered = sparse.csr_array((weights, (rows, codes)), shape=shape)
            people[name] = sparse.csr_array(answered @ self.word_counts_)
            lengths[name] = (
                np.bincount(rows, weights, len(levels)),
                np.bincount(rows, weights * log_length, len(levels)),
            )
        return Tables(counts, sparse.csr_array(words), people, lengths)

    def _squares(self, answers: Answers) -> float:
        """Sum of squared log lengths of all answers."""
        lengths = self._lengths(list(self.places_))[answers.codes]
        return float(answers.weights @ lengths**2)

    def _fit_own(self, answers: Answers, name: str, tables: Tables) -> float:
        """Pseudo-count of the words of all, by leaving out one answer at a time."""
        rows = match_levels(self.levels_[name], answers.ids[name])
        counts = self.word_counts_[answers.codes].tocoo()
        person, word = rows[counts.row], counts.col
        used = np.asarray(tables.people[name][person, word]).ravel()
        lengths = _sums(self.word_counts_, 1)[answers.codes]
        n_p = _sums(tables.people[name], 1)[rows] - lengths
        overall = tables.word_shares()[word]
        times = answers.weights[counts.row] * counts.data
        left = np.maximum(used - counts.data, 0.0)
        total = np.maximum(n_p, 0.0)[counts.row]
        share = lambda k: (left + k * overall) / (total + k)  # noqa: E731
        return min(maximise(times, share), _MAX_OWN)

    def pairs(
        self,
        tables: Tables,
        contexts: np.ndarray,
        codes: np.ndarray,
        ids: dict[str, np.ndarray],
    ) -> np.ndarray:
        """Return features of training candidates in training contexts.

        Parameters
        ----------
        tables : Tables
            What was counted.
        contexts, codes : ndarray of int of shape (n,)
            Context and candidate.
        ids : dict of str to ndarray of shape (n,)
            Who answers, by factor.
        """
        evidence, totals = self.relations_.gather(tables.answers), tables.totals()
        columns = [np.log(self.shares_.pairs(evidence, totals, contexts, codes))]
        entries = self.word_counts_[codes].tocoo()
        lengths = np.maximum(_sums(self.word_counts_, 1), 1.0)
        if self.with_words:
            shares = self.word_shares_.pairs(
                self.relations_.gather(tables.words),
                _sums(tables.words, 0),
                contexts[entries.row],
                entries.col,
            )
            logs = np.bincount(entries.row, entries.data * np.log(shares), len(codes))
            columns.append(logs / lengths[codes])
        columns.append(np.log(self.shares_.overall(totals))[codes])
        columns.append(self.lengths_[codes])
        for name in self.levels_:
            person = match_levels(self.levels_[name], ids[name])
            ratio, constant = self._own(tables, name)
            found = np.asarray(ratio[person[entries.row], entries.col]).ravel()
            logs = np.bincount(entries.row, entries.data * found, len(codes))
            own = logs / lengths[codes] + constant[person]
            columns.append(np.where(person < 0, 0.0, own))
            columns.append(
                self.own_lengths_[name].log_ratio(
                    *tables.lengths[name], person, self.lengths_[codes]
                )
            )
        return np.column_stack(columns)

    def table(self, relations: Relations, candidates: list[str]) -> np.ndarray:
        """Return features of candidates in contexts, those of people left out.

        Parameters
        ----------
        relations : Relations
            Of the contexts.
        candidates : list of str
            Candidates, seen or not.

        Returns
        -------
        features : ndarray of shape (n_contexts, n_candidates, n_features)
        """
        codes = self._codes(candidates)
        tables, totals = self.tables_, self.tables_.totals()
        shares = self.shares_.table(relations.gather(tables.answers), totals)
        columns = [np.log(shares)[:, codes]]
        if self.with_words:
            evidence = relations.gather(tables.words)
            logs = np.log(self.word_shares_.table(evidence, _sums(tables.words, 0)))
            columns.append((self._mean_words(candidates) @ logs.T).T)
        shape = columns[0].shape
        frequency = np.log(self.shares_.overall(totals))[codes]
        columns.append(np.broadcast_to(frequency, shape))
        columns.append(np.broadcast_to(self._lengths(candidates), shape))
        return np.stack(columns, axis=-1)

    def own_table(
        self, name: str, people: np.ndarray, candidates: list[str]
    ) -> np.ndarray:
        """Return `OWN_FEATURES` of people, (n_people, n_candidates, 2).

        Parameters
        ----------
        name : str
            Factor.
        people : ndarray of int of shape (n_people,)
            Codes of its levels; -1 is unknown.
        candidates : list of str
            Candidates, seen or not.
        """
        ratio, constant = self._own(self.tables_, name)
        known = people >= 0
        result = np.zeros((len(people), len(candidates)))
        levels = people[known]
        means = (self._mean_words(candidates) @ ratio[levels].T).toarray().T
        result[known] = means + constant[levels, None]
        lengths = self.own_lengths_[name].log_ratio(
            *self.tables_.lengths[name], people[:, None], self._lengths(candidates)
        )
        return np.stack([result, lengths], axis=-1)

    def _own(self, tables: Tables, name: str) -> tuple[Any, np.ndarray]:
        """Log ratio of a person's share of a word to that of all: sparse + constant."""
        k, used = self.own_pseudo_counts_[name], tables.people[name].tocoo()
        overall = tables.word_shares()
        ratio = sparse.csr_array(
            (np.log1p(used.data / (k * overall[used.col])), (used.row, used.col)),
            shape=used.shape,
        )
        return ratio, np.log(k / (_sums(used, 1) + k))

    def _mean_words(self, candidates: list[str]) -> Any:
        counts = self.words_.count(candidates)
        scale = 1.0 / np.maximum(_sums(counts, 1), 1.0)
        return sparse.csr_array(sparse.diags_array(scale) @ counts)

    def _codes(self, candidates: list[str]) -> np.ndarray:
        unknown = len(self.places_)
        return np.array([self.places_.get(text, unknown) for text in candidates])

    def _lengths(self, candidates: list[str]) -> np.ndarray:
        if self.unit == "character":
            lengths = [len(text) for text in candidates]
        else:
            lengths = [len(_TOKEN.findall(text)) for text in candidates]
        return np.log(np.array(lengths, dtype=float))


@dataclass(frozen=True)
class OwnLengths:
    """Log lengths of answers, normal around a mean that differs between people.

    Attributes
    ----------
    mean : float
        Over people.
    within, between : float
        Variance of the lengths of one person, and of the means of people; by the
        moments of a one-way analysis of variance.
    """

    mean: float
    within: float
    between: float

    @classmethod
    def fit(cls, n: np.ndarray, sums: np.ndarray, squares: float) -> OwnLengths:
        """Estimate the moments from numbers, sums and the sum of squares."""
        total, mean = n.sum(), sums.sum() / n.sum()
        used = n > 0
        between_sum = float((sums[used] ** 2 / n[used]).sum())
        residual = max(total - used.sum(), 1.0)
        within = max((squares - between_sum) / residual, 1e-4)
        size = (total - (n**2).sum() / total) / max(used.sum() - 1.0, 1.0)
        spread = (between_sum - total * mean**2) / max(used.sum() - 1.0, 1.0)
        between = max((spread - within) / max(size, 1.0), 0.0)
        return cls(float(mean), float(within), float(between))

    def log_ratio(
        self, n: np.ndarray, sums: np.ndarray, person: np.ndarray, lengths: np.ndarray
    ) -> np.ndarray:
        """Return the log ratio of densities for a person and for anybody.

        Parameters
        ----------
        n, sums : ndarray of shape (n_people,)
            Number and sum of the lengths of each person that are known.
        person : ndarray of int
            Codes of people; -1 is anybody.
        lengths : ndarray
            Lengths, broadcast against ``person``.
        """
        number = np.where(person < 0, 0.0, n[person])
        weight = self.within + self.between * number
        total = np.where(person < 0, 0.0, sums[person])
        mean = (self.within * self.mean + self.between * total) / weight
        variance = self.within + self.within * self.between / weight
        anybody = self.within + self.between
        return np.asarray(
            0.5 * (lengths - self.mean) ** 2 / anybody
            - 0.5 * (lengths - mean) ** 2 / variance
            + 0.5 * np.log(anybody / variance)
        )


@dataclass(frozen=True)
class Tables:
    """Counts of answers and words.

    Attributes
    ----------
    answers : csr of shape (n_contexts, n_candidates + 1)
        Answers by context.
    words : csr of shape (n_contexts, n_words + 1)
        Their words by context.
    people : dict of str to csr of shape (n_levels, n_words + 1)
        Words by person.
    lengths : dict of str to tuple of ndarray of shape (n_levels,)
        Number and sum of the log lengths of the answers of each person.
    """

    answers: Any
    words: Any
    people: dict[str, Any]
    lengths: dict[str, tuple[np.ndarray, np.ndarray]]

    def totals(self) -> np.ndarray:
        """Return how often each candidate was the answer."""
        return _sums(self.answers, 0)

    def word_shares(self) -> np.ndarray:
        """Return the share of each word among all, one added to each count."""
        counts = _sums(self.words, 0) + 1.0
        return np.asarray(counts / counts.sum())


def _crosses(ids: np.ndarray, contexts: np.ndarray) -> bool:
    """Whether some level of a factor has several contexts."""
    codes = encode_levels(ids)[1]
    pairs = np.unique(np.stack([codes, contexts]), axis=1)
    return bool(pairs.shape[1] > codes.max() + 1)


def _sums(matrix: Any, axis: int) -> np.ndarray:
    return np.asarray(matrix.sum(axis=axis)).ravel()
