"""Features of text."""

from bead_sklearn.encoders._callable import CallableEncoder
from bead_sklearn.encoders._hashed import HashedTextEncoder
from bead_sklearn.encoders._masked import MaskedLMEncoder
from bead_sklearn.encoders._resolve import fit_encoder, resolve_encoder
from bead_sklearn.encoders._transformer import TransformerEncoder
from bead_sklearn.encoders._tuned import TunedEncoder

__all__ = [
    "HashedTextEncoder",
    "TransformerEncoder",
    "MaskedLMEncoder",
    "TunedEncoder",
    "CallableEncoder",
    "fit_encoder",
    "resolve_encoder",
]
