"""The interactive side of a search: start, ask, tell, save, load."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils import indexable

from bead_sklearn._files import write_file
from bead_sklearn._sklearn import _num_samples
from bead_sklearn.active_learning._plan import plan_rounds
from bead_sklearn.active_learning._rows import (
    as_groups,
    as_labels,
    as_row_container,
    fingerprint,
)
from bead_sklearn.active_learning._seeding import draw_seeds
from bead_sklearn.active_learning._session import Session
from bead_sklearn.query._selection import check_batch_size


class InteractiveMixin:
    """Ask and tell, over a session that can be saved and resumed."""

    _session: Session | None = None
    checkpoint: str | PathLike[str] | None

    def start(
        self, X: Any, *, groups: Any = None, labeled: Any = None, y: Any = None
    ) -> Self:
        """Begin an interactive session: the rows are known, the labels are not.

        If the file of ``checkpoint`` is there, the session continues from it.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            All rows: array, sparse matrix, list of str or data frame. Their positions
            are the indices of `ask` and `tell`.
        groups : array-like of shape (n_samples,), default=None
            Participant ids, if it is settled who answers which row. Otherwise they
            are given to `tell`.
        labeled : array-like of bool of shape (n_samples,), default=None
            Rows whose labels are known already.
        y : array-like of shape (n_samples,), default=None
            Labels; only those of the rows marked in ``labeled`` are read.

        Returns
        -------
        self : object
            The search, ready for `ask`.

        Raises
        ------
        ValueError
            If a parameter makes sense in a simulation only: ``oracle``,
            ``n_repeats`` above 1 and ``validation`` as a share of rows.
        """
        self._validate_params()  # type: ignore[attr-defined]
        self._check_interactive()
        X, y, groups, labeled = indexable(as_row_container(X), y, groups, labeled)
        if (labeled is None) != (y is None):
            raise ValueError("labeled and y are given together or not at all.")
        seed = draw_seeds(self.random_state, 1)[0]  # type: ignore[attr-defined]
        rounds = plan_rounds(
            self, X, None if y is None else as_labels(y), groups, labeled, {}, seed
        )
        self._forget()  # type: ignore[attr-defined]
        self._session = Session(
            rounds,
            groups_hash=None if groups is None else fingerprint(as_groups(groups)),
            groups=np.full(_num_samples(X), None, dtype=object),
        )
        if self.checkpoint is not None and Path(self.checkpoint).exists():
            self.load(self.checkpoint)
        return self

    def _check_interactive(self) -> None:
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        if params["oracle"] is not None:
            raise ValueError("A session has no oracle: labels are given to tell.")
        if params["n_repeats"] != 1:
            raise ValueError(
                f"A session cannot be repeated, got n_repeats={params['n_repeats']}."
            )
        if not isinstance(params["validation"], tuple | None):
            raise ValueError(
                "A session has no labels to hold out, got validation="
                f"{params['validation']}. Pass validation as a tuple (X, y)."
            )

    def _require_session(self) -> Session:
        if self._session is None:
            raise NotFittedError(
                f"This {type(self).__name__} has no session. Call start(X) first."
            )
        return self._session

    def ask(self, n: int | None = None) -> NDArray[np.intp]:
        """Choose the rows to ask about next.

        The estimator is fitted to all labels told so far, if they suffice, and the
        strategy picks from the other rows. As long as the starting set is incomplete,
        or a classifier has seen one class only, rows are drawn at random. Asking
        again without telling gives the same rows, and a longer batch begins with the
        shorter one.

        Parameters
        ----------
        n : int, default=None
            How many rows (or items, with ``query_by``). None: what the starting set
            lacks at first, then ``batch_size``. Fewer are returned when fewer are left
            or allowed.

        Returns
        -------
        indices : ndarray of shape (n_batch,)
            Positions in X, best first. Empty when the session is over; ``stopped_by_``
            says why.
        """
        session = self._require_session()
        if n is None:
            return session.ask(None, self._batch_size)  # type: ignore[attr-defined]
        return session.ask(check_batch_size(n, "n"))

    def tell(self, indices: ArrayLike, y: Any, *, groups: Any = None) -> Self:
        """Store labels.

        Nothing is fitted here: the estimator follows when it is needed next, by `ask`
        or by a prediction. Any rows may be told, asked for or not. On an error nothing
        is stored.

        Parameters
        ----------
        indices : array-like of int of shape (n_batch,)
            Positions in X.
        y : array-like of shape (n_batch,)
            Their labels.
        groups : array-like of shape (n_batch,), default=None
            Who gave them, unless `start` was told.

        Returns
        -------
        self : object
            The search.

        Raises
        ------
        TypeError
            If indices are not integers, or if strings stand beside other labels, of
            this batch or of earlier ones.
        ValueError
            If a row is unknown, given twice or labelled already, if a label is missing
            (None or NaN) or an id (also an empty one), or if lengths differ.
        """
        self._require_session().tell(indices, y, groups)
        if self.checkpoint is not None:
            self.save(self.checkpoint)
        return self

    def save(self, path: str | PathLike[str]) -> None:
        """Write the state of the session to a JSON file, durably.

        The file is replaced in one step after its content is on the disk: a crash
        leaves the old state or the new one. It holds the labels, the queries, the
        seed and a hash of X, but neither X nor the estimator, so that reading it runs
        no code.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        TypeError
            If labels or groups have no JSON form.
        """
        text = self._require_session().to_json()
        write_file(Path(path), lambda file: file.write(text))

    def load(self, path: str | PathLike[str]) -> Self:
        """Continue a saved session.

        Call `start` with the same X (and the same groups, if it was given groups)
        first, on a search with the same parameters: the
        next `ask` then gives the rows it would have given in the session saved. Where
        rounds continue from each other (``warm_start``) the first one repeats the fits
        of the rounds before.

        Parameters
        ----------
        path : path-like
            A file that `save` wrote.

        Returns
        -------
        self : object
            The search.

        Raises
        ------
        ValueError
            If the file is no saved session or belongs to another X or other groups.
        """
        session = self._require_session()
        session.restore(Path(path).read_text(encoding="utf-8"), Path(path))
        return self
