"""How far annotators agree, with each other and with themselves."""

from bead_sklearn.agreement._krippendorff import krippendorff_alpha
from bead_sklearn.agreement._quality import (
    AnnotationQuality,
    ParticipantQuality,
    annotation_quality,
)

__all__ = [
    "AnnotationQuality",
    "ParticipantQuality",
    "annotation_quality",
    "krippendorff_alpha",
]
