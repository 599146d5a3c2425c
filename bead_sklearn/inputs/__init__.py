"""Reading X, y and groups as users have them."""

from bead_sklearn.inputs._dense import dense_matrix
from bead_sklearn.inputs._ids import read_groups
from bead_sklearn.inputs._judgments import Judgments
from bead_sklearn.inputs._levels import encode_levels, match_levels
from bead_sklearn.inputs._reader import InputReader
from bead_sklearn.inputs._single import read_text
from bead_sklearn.inputs._target import check_target_present
from bead_sklearn.inputs._text import (
    PAIR_SEPARATOR,
    DistinctText,
    PairedText,
    join_texts,
    pool_texts,
)

__all__ = [
    "InputReader",
    "Judgments",
    "DistinctText",
    "PAIR_SEPARATOR",
    "PairedText",
    "dense_matrix",
    "join_texts",
    "pool_texts",
    "read_groups",
    "read_text",
    "encode_levels",
    "match_levels",
    "check_target_present",
]
