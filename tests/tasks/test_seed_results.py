"""What the system of the seed documents could not do on simulated judgments.

50 participants rate 40 sentences; a rating is the sum of what the sentence and what
the participant is worth, each with variance 1, and noise with variance 1/4. Of held-out
ratings (1 + 1) / 2.25 of the variance can be explained by those who are known, and
1 / 2.25 by the sentence alone.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.preprocessing import OneHotEncoder

from bead_sklearn import MagnitudeRegressor

N_PARTICIPANTS, N_ITEMS = 50, 40


def ratings(seed):
    rng = np.random.RandomState(seed)
    words = np.array([f"w{i}" for i in range(200)])
    sentences = [" ".join(rng.choice(words, size=6)) for _ in range(N_ITEMS)]
    participant, item = np.divmod(np.arange(N_PARTICIPANTS * N_ITEMS), N_ITEMS)
    effects = rng.normal(size=N_ITEMS), rng.normal(size=N_PARTICIPANTS)
    y = effects[0][item] + effects[1][participant] + 0.5 * rng.normal(size=len(item))
    held_out = rng.uniform(size=len(y)) < 0.2
    return np.array(sentences)[item], y, participant, item, held_out, effects


def reference(item, participant, y, held_out):
    """R2 of ridge regression on columns of items and of participants."""
    columns = OneHotEncoder(sparse_output=False).fit_transform(
        np.column_stack([item, participant])
    )
    model = RidgeCV(np.logspace(-3, 3, 13)).fit(columns[~held_out], y[~held_out])
    return model.score(columns[held_out], y[held_out])


def test_random_intercepts_of_magnitudes_are_learned():
    known, without, best, ceiling = [], [], [], []
    for seed in range(5):
        X, y, groups, item, held_out, effects = ratings(seed)
        kept = ~held_out
        model = MagnitudeRegressor(random_state=0)
        model.fit(X[kept], y[kept], groups=groups[kept])
        known.append(model.score(X[held_out], y[held_out], groups=groups[held_out]))
        best.append(reference(item, groups, y, held_out))
        truth = effects[0][item] + effects[1][groups]
        ceiling.append(r2_score(y[held_out], truth[held_out]))
        fixed = MagnitudeRegressor(mixed_effects="fixed", random_state=0)
        fixed.fit(X[kept], y[kept])
        without.append(fixed.score(X[held_out], y[held_out]))
        # Asked about somebody new it is as good as one without participants.
        new = model.score(X[held_out], y[held_out])
        assert new == pytest.approx(without[-1], abs=0.04)
        modes = model.effects_["groups"].modes[:, 0]
        assert np.corrcoef(modes, effects[1])[0, 1] > 0.98
        sd = model.variance_components_[0].sd[0]
        assert sd == pytest.approx(effects[1].std(), rel=0.1)
    assert np.mean(known) >= 0.85
    # In every world as good as the reference, and nearly as those who know the truth.
    np.testing.assert_allclose(known, best, atol=0.002)
    assert (np.array(known) >= np.array(ceiling) - 0.015).all()
    assert np.mean(without) < 0.5
