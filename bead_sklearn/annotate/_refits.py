"""Refits: keeping plan and report of a store up to date."""

from __future__ import annotations

import logging
import time
import traceback

from bead_sklearn.annotate._model import ModelUnavailableError
from bead_sklearn.annotate._plan import Plan
from bead_sklearn.annotate._planner import Planner
from bead_sklearn.annotate._report import make_report
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study

_log = logging.getLogger("bead_sklearn.annotate")

#: Seconds between two reports, which read all judgments.
REPORT_EVERY = 2.0


class Refitter:
    """Keeps plan and report of a store up to date.

    Parameters
    ----------
    study : Study
        The study.
    store : JudgmentStore
        Its store.
    """

    def __init__(self, study: Study, store: JudgmentStore) -> None:
        self._study = study
        self._store = store
        self._planner: Planner | None = None
        self._unavailable: str | None = None
        try:
            self._planner = Planner(study)
        except ModelUnavailableError as error:
            self._unavailable = str(error)
        self._planned_at = -1
        self._reported_at = -1
        self._report_time = 0.0
        self._error: str | None = None

    def step(self, *, force: bool = False) -> bool:
        """Refit and report if there is enough that is new.

        Parameters
        ----------
        force : bool, default=False
            Whether anything new is enough.

        Returns
        -------
        done : bool
            Whether there is a new plan.
        """
        last = self._store.last_number()
        few = 1 if force else self._study.refit_every
        refit = self._planner is not None and (
            self._planned_at < 0 or last - self._planned_at >= few
        )
        if refit:
            self._refit(last)
        waited = time.monotonic() - self._report_time
        if refit or (last != self._reported_at and (force or waited > REPORT_EVERY)):
            self._report(last)
        return refit

    def _refit(self, last: int) -> None:
        assert self._planner is not None
        # Before the attempt: one that fails is not repeated for the same judgments.
        self._planned_at = last
        try:
            plan, note = self._planner.update(self._store.judgments())
        except Exception as error:  # a model's failure must not end the study
            self._error = f"{type(error).__name__}: {error}"
            self._store.add_round({"error": self._error})
            _log.error("A refit failed; items come in the order of before.")
            _log.error("%s", traceback.format_exc())
            self._planner = Planner(self._study)
            return
        self._error = None
        version = (self._store.document("plan version") or 0) + 1
        plan = Plan(version, plan.n_judgments, plan.batch, plan.rankings)
        self._store.put("plan", plan.to_document())
        self._store.put("plan version", version)
        self._store.add_round(note)

    def _report(self, last: int) -> None:
        self._report_time = time.monotonic()
        self._reported_at = last
        estimator = None if self._planner is None else self._planner.estimator
        report = make_report(
            self._study, self._store.judgments(), self._store.rounds(), estimator
        )
        report["error"] = self._error
        report["unavailable"] = self._unavailable
        self._store.put("report", report)
