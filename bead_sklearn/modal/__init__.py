"""The names of modAL, on today's scikit-learn.

A script written for modAL runs after ``modAL`` is changed to ``bead_sklearn.modal`` in
its imports. Its objects are scikit-learn estimators besides: they can be cloned,
searched over and pickled. For participants, stopping rules and sessions see
`bead_sklearn.active_learning`, whose strategies can be used here too.
"""

from bead_sklearn.modal.batch import uncertainty_batch_sampling
from bead_sklearn.modal.density import information_density
from bead_sklearn.modal.disagreement import (
    consensus_entropy_sampling,
    max_disagreement_sampling,
    vote_entropy_sampling,
)
from bead_sklearn.modal.models import ActiveLearner, Committee
from bead_sklearn.modal.uncertainty import (
    entropy_sampling,
    margin_sampling,
    uncertainty_sampling,
)

__all__ = [
    "ActiveLearner",
    "Committee",
    "consensus_entropy_sampling",
    "entropy_sampling",
    "information_density",
    "margin_sampling",
    "max_disagreement_sampling",
    "uncertainty_batch_sampling",
    "uncertainty_sampling",
    "vote_entropy_sampling",
]
