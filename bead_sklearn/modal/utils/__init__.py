"""Selecting by scores, and combining them."""

from bead_sklearn.modal.utils.combination import (
    make_linear_combination,
    make_product,
    make_query_strategy,
)
from bead_sklearn.modal.utils.selection import (
    multi_argmax,
    multi_argmin,
    shuffled_argmax,
    shuffled_argmin,
    weighted_random,
)

__all__ = [
    "make_linear_combination",
    "make_product",
    "make_query_strategy",
    "multi_argmax",
    "multi_argmin",
    "shuffled_argmax",
    "shuffled_argmin",
    "weighted_random",
]
