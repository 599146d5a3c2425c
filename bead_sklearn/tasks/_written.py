"""Responses that an encoder-decoder writes, beside those that are ranked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._frames import make_frame
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.inputs import encode_levels
from bead_sklearn.tasks._candidates import CandidateClassifier
from bead_sklearn.tasks._inference import check_count, check_temperature
from bead_sklearn.tasks._rows import read_ids, row_ids
from bead_sklearn.tasks._writer import Writer, check_mode, fit_writer

if TYPE_CHECKING:
    from bead_sklearn.nn._responses import Cases


def _ranks(model: Any) -> bool:
    """Whether responses are ranked by features."""
    if model.generator is not None:
        raise AttributeError(
            f"This {type(model).__name__} writes responses by generator="
            f"{model.generator!r}, which has no coefficients of features."
        )
    return True


@dataclass(frozen=True)
class WrittenSummary:
    """What is known of a model that writes responses; prints as a table.

    Attributes
    ----------
    entries : dict of str to str
        What it shows.
    """

    entries: dict[str, str]

    def __str__(self) -> str:
        width = max(map(len, self.entries))
        return "\n".join(
            f"{name:<{width}}  {value}" for name, value in self.entries.items()
        )


class WrittenResponses(CandidateClassifier):
    """Responses that are written where a generator is given, else ranked.

    A subclass has the parameters ``generator``, ``fine_tune``, ``net`` and
    ``generation``.
    """

    generator: Any
    generation: Any
    _writer: Writer | None = None

    def _fit_otherwise(self, X: Any, y: Any, groups: Any, sample_weight: Any) -> bool:
        """Fit a generator, if there is one."""
        check_mode(self)
        self._writer = None
        if self.generator is None:
            return False
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        self.__dict__.pop("tuning_", None)
        writer, attributes = fit_writer(self, X, y, groups, sample_weight)
        self.__dict__.update(attributes)
        self._writer = writer
        zero = [c.grouping_factor for c in self.variance_components_ if c.is_singular]
        if zero and self.variance_components_[0].is_estimated:
            warnings.warn(
                f"Singular fit: the biases of {zero[0]!r} towards tokens have the "
                "variance 0. The responses give no evidence that participants prefer "
                "different words; mixed_effects='fixed' fits as well.",
                SingularFitWarning,
                stacklevel=4,
            )
        return True

    def __sklearn_is_fitted__(self) -> bool:
        return self._writer is not None or super().__sklearn_is_fitted__()

    # --------------------------------------------------------------- predict

    def _written_cases(self, X: Any, groups: Any) -> Cases:
        check_is_fitted(self)
        assert self._writer is not None
        judgments = self._reader.read(self, X, reset=False)
        given = self._match_ids(read_ids(groups, judgments.n_rows))
        return self._writer.cases(judgments, {**judgments.factors, **given})

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Predict the response: the best of those seen in fit, or a written one.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who responds. Participants not seen in fit, and None, stand for a new
            participant.

        Returns
        -------
        responses : ndarray of str of shape (n_samples,)
            One of ``classes_`` for each row; with ``generator`` what that model
            writes, as ``generation`` says.
        """
        if self._writer is None:
            return super().predict(X, groups=groups)
        return self._write(self._written_cases(X, groups))

    def _write(self, cases: Cases) -> np.ndarray:
        """Write a response for each case; equal cases once unless they are sampled."""
        assert self._writer is not None
        options = dict(self.generation or {})
        inverse = np.arange(len(cases.text))
        if not options.get("do_sample"):
            key = np.column_stack([cases.text, cases.person])
            distinct, inverse = np.unique(key, axis=0, return_inverse=True)
            cases = type(cases)(cases.texts, distinct[:, 0], distinct[:, 1])
        written = self._writer.model.generate(
            cases, options, seed=self._seed(), device=self._writer.device
        )
        return np.array(written, dtype=object)[inverse.ravel()]

    def predict_proba(
        self, X: Any, *, groups: Any = None, candidates: Any = None
    ) -> Any:
        """Return the probability of each candidate, one of which is given.

        Without ``generator`` they are averaged over the uncertainty of the
        coefficients, and over all participants where the participant is new. With it
        they are shares of the probabilities of the whole texts,

            P(f) = p(f) / sum over the candidates of p(g),

        at the estimated effects; longer texts have more tokens, and less probability.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who responds. Participants not seen in fit, and None, stand for a new
            participant.
        candidates : list of str, default=None
            Responses to choose from, seen in fit or not. None stands for ``classes_``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_candidates)
            In the order of ``candidates``.

        Raises
        ------
        ValueError
            If candidates are empty or not distinct.
        """
        if self._writer is None:
            return super().predict_proba(X, groups=groups, candidates=candidates)
        return np.exp(self._log_shares(X, groups, candidates))

    def predict_log_proba(
        self, X: Any, *, groups: Any = None, candidates: Any = None
    ) -> Any:
        """Return the logarithm of :meth:`predict_proba`."""
        if self._writer is None:
            return super().predict_log_proba(X, groups=groups, candidates=candidates)
        return self._log_shares(X, groups, candidates)

    def _log_shares(self, X: Any, groups: Any, candidates: Any) -> np.ndarray:
        names = self._read_candidates(candidates)
        cases = self._written_cases(X, groups)
        assert self._writer is not None
        key = np.column_stack([cases.text, cases.person])
        distinct, inverse = np.unique(key, axis=0, return_inverse=True)
        scores = self._writer.model.rank(
            type(cases)(cases.texts, distinct[:, 0], distinct[:, 1]),
            names,
            device=self._writer.device,
        )
        return np.asarray(log_softmax(scores, axis=1)[inverse.ravel()])

    def log_proba_of(
        self, X: Any, y: Any, *, groups: Any = None, per_token: bool = False
    ) -> np.ndarray:
        """Return the log-probability of given responses.

        Without ``generator`` it is that of being chosen among ``classes_``; another
        response is one more candidate in its row. With it, it is that of the whole
        text among all texts: the sum over its tokens, the one that ends it included,

            log p(y) = sum_t log p(y_t | what is shown, y_1 ... y_(t-1), participant).

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        y : array-like of str of shape (n_samples,)
            The responses.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who responds.
        per_token : bool, default=False
            Whether the sum is divided by the number of tokens, which makes responses
            of different lengths comparable. Only with ``generator``.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples,)
            Of the response of each row.

        Raises
        ------
        ValueError
            If lengths differ, a response is empty, or ``per_token`` is asked for
            without ``generator``.
        """
        if self._writer is None:
            if per_token:
                raise ValueError(
                    "per_token=True has no effect without generator=: responses are "
                    "then chosen as wholes."
                )
            return super().log_proba_of(X, y, groups=groups)
        cases = self._written_cases(X, groups)
        responses = self._match_responses(y, len(cases.text))
        assert self._writer is not None
        scores, lengths = self._writer.model.log_likelihood(
            cases, responses, device=self._writer.device
        )
        return scores / lengths if per_token else scores

    def _match_responses(self, y: Any, n_rows: int) -> list[str]:
        responses = [parts[0] for parts in self._read_answers(y)]
        if len(responses) != n_rows:
            raise ValueError(f"y has {len(responses)} rows; X has {n_rows}.")
        return responses

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return the share of responses that are predicted to the letter.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What was shown.
        y : array-like of str of shape (n_samples,)
            The responses.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who responded.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Exact matches of :meth:`predict`.
        """
        if self._writer is None:
            return super().score(X, y, groups=groups, sample_weight=sample_weight)
        predicted = self.predict(X, groups=groups)
        actual = np.array(self._match_responses(y, len(predicted)), dtype=object)
        return float(np.average(predicted == actual, weights=sample_weight))

    def predict_table(self, X: Any, *, groups: Any = None, ids: Any = None) -> Any:
        """Return predictions as a table.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who responds.
        ids : array-like of shape (n_samples,), default=None
            Names of the rows; their position by default.

        Returns
        -------
        table : DataFrame or list of dict
            Columns ``id``, ``prediction``, ``confidence`` (its probability),
            ``log_probability``, ``runner_up`` (the second most probable response) and
            ``p_runner_up``; with ``generator`` ``id``, ``prediction``,
            ``log_probability`` of the whole text and ``n_tokens``. A pandas DataFrame
            if pandas is installed, else polars, else records.
        """
        if self._writer is None:
            return super().predict_table(X, groups=groups, ids=ids)
        cases = self._written_cases(X, groups)
        assert self._writer is not None
        written = self._write(cases)
        scores, lengths = self._writer.model.log_likelihood(
            cases, written.tolist(), device=self._writer.device
        )
        return make_frame(
            {
                "id": row_ids(ids, len(written)),
                "prediction": written,
                "log_probability": scores,
                "n_tokens": lengths,
            }
        )

    def simulate(
        self,
        n_simulations: int,
        X: Any,
        groups: Any = None,
        random_state: Any = None,
        *,
        conditional: bool = False,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Simulate responses from the fitted model.

        Parameters
        ----------
        n_simulations : int
            Number of simulations.
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who responds. Rows of one participant share its effects; without ids each
            row is a new participant of its own.
        random_state : int, RandomState or None, default=None
            Seed.
        conditional : bool, default=False
            Whether the participants seen in fit keep their estimated effects.
            Otherwise the effects of all are drawn anew; adapters, whose distribution
            is not estimated, are then those of a participant drawn from the seen
            ones. Words that a participant used in the training data count in both
            cases, without ``generator``.
        temperature : float, default=1.0
            Utilities, or logits of tokens, are divided by it. Near 0 every response
            is the most probable one.

        Returns
        -------
        responses : ndarray of shape (n_simulations, n_samples)
            Like y.

        Raises
        ------
        ValueError
            If ``n_simulations`` is not a positive integer or ``temperature`` not
            positive.
        """
        if self._writer is None:
            return super().simulate(
                n_simulations,
                X,
                groups,
                random_state,
                conditional=conditional,
                temperature=temperature,
            )
        check_count("n_simulations", n_simulations)
        check_temperature(temperature)
        cases = self._written_cases(X, groups)
        writer = self._writer
        assert writer is not None
        rng = check_random_state(random_state)
        options = {"do_sample": True, "temperature": float(temperature)}
        longest = dict(self.generation or {}).get("max_new_tokens")
        if longest is not None:
            options["max_new_tokens"] = longest
        people = self._people_of(X, groups, len(cases.text))
        results = []
        for _ in range(n_simulations):
            drawn, adapted, asked = None, None, cases
            if not conditional:
                size = (int(people.max()) + 1, len(writer.model.tokens))
                drawn = (writer.sd * rng.normal(size=size)).astype(np.float32)
                asked = type(cases)(cases.texts, cases.text, people)
                if writer.model.adapters is not None:
                    n_known = len(writer.model.adapters)
                    adapted = rng.randint(n_known, size=size[0])[people]
            results.append(
                writer.model.generate(
                    asked,
                    options,
                    seed=int(rng.randint(2**31 - 1)),
                    biases=drawn,
                    adapted=adapted,
                    device=writer.device,
                )
            )
        return np.array(results, dtype=object)

    def _people_of(self, X: Any, groups: Any, n_rows: int) -> np.ndarray:
        """Return the person of each row; without ids each row has its own."""
        assert self._writer is not None
        judgments = self._reader.read(self, X, reset=False)
        given = self._match_ids(read_ids(groups, n_rows))
        ids = {**judgments.factors, **given}
        if self._writer.factor is None or self._writer.factor not in ids:
            return np.arange(n_rows)
        return encode_levels(ids[self._writer.factor])[1]

    # --------------------------------------------------------------- account

    def summary(self, *args: Any, **kwargs: Any) -> Any:
        """Return the fit as something to read.

        Parameters
        ----------
        *args, **kwargs
            As in the summaries of other models; none with ``generator``.

        Returns
        -------
        summary : Summary or WrittenSummary
            Prints as a table.
        """
        if self._writer is None:
            return super().summary(*args, **kwargs)
        check_is_fitted(self)
        if args or kwargs:
            raise TypeError("summary takes no arguments with generator=.")
        writer = self._writer
        assert writer is not None
        entries = {
            "generator": str(self.generator),
            "trained": str(self.fine_tune),
            "responses": f"{self.n_observations_:g}, {len(self.classes_)} distinct",
            "tokens seen": str(len(self.tokens_)),
        }
        for component in self.variance_components_:
            entries[component.grouping_factor] = (
                f"{component.n_groups} levels, biases of tokens with SD "
                f"{component.sd[0]:.3g}"
            )
        if writer.model.adapters is not None:
            entries["adapters"] = (
                f"rank {writer.model.participant_rank}, per participant"
            )
        tuning = getattr(self, "tuning_", None)
        if tuning is not None and tuning.valid_loss:
            entries["held-out loss"] = (
                f"{tuning.valid_loss[0]:.3f} before training, "
                f"{tuning.valid_loss[tuning.best_epoch]:.3f} at epoch "
                f"{tuning.best_epoch}, which was kept"
            )
        return WrittenSummary(entries)

    describe = available_if(_ranks)(CandidateClassifier.describe)
    confidence_intervals = available_if(_ranks)(
        CandidateClassifier.confidence_intervals
    )
    predict_linear = available_if(_ranks)(CandidateClassifier.predict_linear)
    sample_posterior = available_if(_ranks)(CandidateClassifier.sample_posterior)
