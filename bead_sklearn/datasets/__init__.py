"""Judgments to learn from: simulated with known truth, or read from a file."""

from bead_sklearn.datasets._annotators import simulate_annotators
from bead_sklearn.datasets._judgments import Judgments, JudgmentTruth
from bead_sklearn.datasets._load import load_judgments
from bead_sklearn.datasets._simulate import make_judgments

__all__ = [
    "Judgments",
    "JudgmentTruth",
    "load_judgments",
    "make_judgments",
    "simulate_annotators",
]
