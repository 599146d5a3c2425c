"""Collecting judgments: a store, a study, a terminal and a web page."""

from bead_sklearn.annotate._records import Judgment, Lease, Slot
from bead_sklearn.annotate.store import (
    AlreadyAnsweredError,
    JudgmentStore,
    StoreReport,
)

__all__ = [
    "AlreadyAnsweredError",
    "Judgment",
    "JudgmentStore",
    "Lease",
    "Slot",
    "StoreReport",
]
