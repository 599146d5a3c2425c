"""Networks with effects of participants. Importing this package imports torch."""

from bead_sklearn.nn._choices import choice_log_likelihood, softmax_log_likelihood
from bead_sklearn.nn._data import HeldOut, HeldOutRows, JudgmentBatches, JudgmentDataset
from bead_sklearn.nn._likelihood import (
    bernoulli_log_likelihood,
    log_likelihood,
    twin,
)
from bead_sklearn.nn._lora import (
    LoRALayer,
    LoRALinear,
    ParticipantLoRA,
    add_lora,
    find_projections,
)
from bead_sklearn.nn._masked import MaskedPredictor
from bead_sklearn.nn._optimizer import TableAdamW
from bead_sklearn.nn._parameters import learned_parameters, with_learned_parameters
from bead_sklearn.nn._peft import load_peft, save_peft, shared_adapter
from bead_sklearn.nn._tables import CovariateEffects, EffectTable, SlopeEffects
from bead_sklearn.nn._terms import EffectTerm
from bead_sklearn.nn._text import HeadStart, TextPredictor
from bead_sklearn.nn.net import MixedEffectsNet

__all__ = [
    "MixedEffectsNet",
    "TextPredictor",
    "MaskedPredictor",
    "HeadStart",
    "EffectTerm",
    "HeldOut",
    "HeldOutRows",
    "JudgmentBatches",
    "JudgmentDataset",
    "TableAdamW",
    "EffectTable",
    "CovariateEffects",
    "SlopeEffects",
    "LoRALayer",
    "LoRALinear",
    "ParticipantLoRA",
    "add_lora",
    "find_projections",
    "load_peft",
    "save_peft",
    "shared_adapter",
    "bernoulli_log_likelihood",
    "choice_log_likelihood",
    "learned_parameters",
    "log_likelihood",
    "softmax_log_likelihood",
    "twin",
    "with_learned_parameters",
]
