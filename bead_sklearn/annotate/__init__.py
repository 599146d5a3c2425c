"""Collecting judgments: a store, a study, a terminal and a web page."""

from bead_sklearn.annotate._feedback import Feedback, confidence_feedback
from bead_sklearn.annotate._records import Judgment, Lease, Slot
from bead_sklearn.annotate.collector import Collector
from bead_sklearn.annotate.questions import (
    AnswerError,
    Item,
    Question,
    make_question,
)
from bead_sklearn.annotate.store import (
    AlreadyAnsweredError,
    JudgmentStore,
    StoreReport,
)
from bead_sklearn.annotate.study import Quotas, Study, load_study

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
    "Slot",
    "StoreReport",
    "Study",
    "confidence_feedback",
    "load_study",
    "make_question",
]
