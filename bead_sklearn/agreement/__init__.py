"""How far annotators agree, with each other and with themselves."""

from bead_sklearn.agreement._interval import AgreementInterval, agreement_interval
from bead_sklearn.agreement._kappa import (
    cohen_kappa,
    fleiss_kappa,
    percent_agreement,
)
from bead_sklearn.agreement._krippendorff import krippendorff_alpha
from bead_sklearn.agreement._pairwise import PairwiseAgreement, pairwise_agreement
from bead_sklearn.agreement._quality import annotation_quality
from bead_sklearn.agreement._quality_records import (
    AnnotationQuality,
    ParticipantQuality,
)

__all__ = [
    "AgreementInterval",
    "AnnotationQuality",
    "PairwiseAgreement",
    "ParticipantQuality",
    "agreement_interval",
    "annotation_quality",
    "cohen_kappa",
    "fleiss_kappa",
    "krippendorff_alpha",
    "pairwise_agreement",
    "percent_agreement",
]
