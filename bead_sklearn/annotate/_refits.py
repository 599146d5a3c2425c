"""Refits beside the annotators: in a process of their own, so that nobody waits."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bead_sklearn.annotate._model import ModelUnavailableError
from bead_sklearn.annotate._plan import Plan
from bead_sklearn.annotate._planner import Planner
from bead_sklearn.annotate._report import make_report
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study

_log = logging.getLogger("bead_sklearn.annotate")

#: Seconds between two looks at the store.
PAUSE = 0.25
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


class RefitProcess:
    """A process that keeps a store's plan up to date until it is closed.

    It ends by itself when the process that started it ends, however that happens.

    Parameters
    ----------
    study : Study
        The study.
    path : Path
        Its store.
    """

    def __init__(self, study: Study, path: Path) -> None:
        environment = {**os.environ}
        threads = str(max(1, (os.cpu_count() or 1) // 2))
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment.setdefault(name, threads)
        # What this process can import, the other one can.
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bead_sklearn.annotate._refits"],
            stdin=subprocess.PIPE,
            env=environment,
        )
        assert self._process.stdin is not None
        pickle.dump((study, path), self._process.stdin)
        self._process.stdin.flush()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            # In the middle of a fit; the store takes no harm.
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _end_with_parent(stream: Any) -> None:
    """Wait for the end of the input, which the parent's end brings about."""
    stream.read()
    os._exit(0)


def main() -> None:
    """Keep the plan of a store up to date; the parent says which."""
    logging.basicConfig(format="bead-sklearn: %(message)s")
    study, path = pickle.load(sys.stdin.buffer)
    threading.Thread(
        target=_end_with_parent, args=(sys.stdin.buffer,), daemon=True
    ).start()
    os.nice(10)
    with JudgmentStore(path) as store:
        refitter = Refitter(study, store)
        while True:
            refitter.step()
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
