"""Collecting judgments: a store, a study, a terminal and a web page.

Names are imported on first use, so that the process of the refits starts quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bead_sklearn.annotate._feedback import Feedback, confidence_feedback
    from bead_sklearn.annotate._records import Judgment, Lease, Slot
    from bead_sklearn.annotate._store_report import StoreReport
    from bead_sklearn.annotate.collector import Collector
    from bead_sklearn.annotate.exchange import export_judgments, import_judgments
    from bead_sklearn.annotate.questions import (
        AnswerError,
        Item,
        Question,
        make_question,
    )
    from bead_sklearn.annotate.rehearsal import Rehearsal, SimulatedAnnotators
    from bead_sklearn.annotate.store import (
        AlreadyAnsweredError,
        JudgmentStore,
    )
    from bead_sklearn.annotate.study import Quotas, Study, load_study

_MODULES = {
    "AlreadyAnsweredError": "store",
    "AnswerError": "questions",
    "Collector": "collector",
    "Feedback": "_feedback",
    "Item": "questions",
    "Judgment": "_records",
    "JudgmentStore": "store",
    "Lease": "_records",
    "Question": "questions",
    "Quotas": "study",
    "Rehearsal": "rehearsal",
    "SimulatedAnnotators": "rehearsal",
    "Slot": "_records",
    "StoreReport": "_store_report",
    "Study": "study",
    "confidence_feedback": "_feedback",
    "export_judgments": "exchange",
    "import_judgments": "exchange",
    "load_study": "study",
    "make_question": "questions",
}

__all__ = [
    "AlreadyAnsweredError",
    "AnswerError",
    "Collector",
    "Feedback",
    "Item",
    "Judgment",
    "JudgmentStore",
    "Lease",
    "Question",
    "Quotas",
    "Rehearsal",
    "SimulatedAnnotators",
    "Slot",
    "StoreReport",
    "Study",
    "confidence_feedback",
    "export_judgments",
    "import_judgments",
    "load_study",
    "make_question",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(
            f"module 'bead_sklearn.annotate' has no attribute {name!r}"
        )
    module = importlib.import_module(f"bead_sklearn.annotate.{_MODULES[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
