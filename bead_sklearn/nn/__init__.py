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
from bead_sklearn.nn._responses import ResponseModel
from bead_sklearn.nn._seq2seq import Seq2SeqModel
from bead_sklearn.nn._tables import CovariateEffects, EffectTable, SlopeEffects
from bead_sklearn.nn._terms import EffectTerm
from bead_sklearn.nn._text import HeadStart, TextPredictor
from bead_sklearn.nn._token_biases import TokenBiases
from bead_sklearn.nn._token_posterior import TokenChoices, TokenPosterior, fit_tokens
from bead_sklearn.nn.net import MixedEffectsNet
from bead_sklearn.nn.seq2seq_net import Seq2SeqNet

__all__ = [
    "MixedEffectsNet",
    "Seq2SeqNet",
    "TextPredictor",
    "MaskedPredictor",
    "Seq2SeqModel",
    "ResponseModel",
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
    "TokenBiases",
    "TokenChoices",
    "TokenPosterior",
    "fit_tokens",
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
