"""Intervals of thresholds and dispersions of task models."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn import MagnitudeRegressor
from bead_sklearn.families import Beta, CumulativeLogit, TruncatedNormal
from bead_sklearn.inspection import bootstrap, confidence_intervals

LABELS = ["bad", "fair", "good"]
RNG = np.random.RandomState(0)
GROUPS = np.repeat(np.arange(12), 10)
X = RNG.normal(size=(120, 1))
X -= X.mean(axis=0)
ETA = 0.5 * X[:, 0] + 0.6 * RNG.normal(size=12)[GROUPS]
SHARES = Beta(6.0).simulate(ETA, RNG)
RATINGS = np.digitize(ETA + RNG.logistic(size=120), [-1.0, 1.0])


class Slider(MagnitudeRegressor):
    """A model of bounded responses."""

    _response = "bounded"


class Rating(MagnitudeRegressor):
    """A model of ordered categories."""

    _response = "ordinal"

    def _target_labels(self):
        return LABELS


@pytest.fixture(scope="module")
def slider():
    return Slider(family=Beta(), alpha=0).fit(X, SHARES, groups=GROUPS)


@pytest.fixture(scope="module")
def rating():
    return Rating(family=CumulativeLogit(3), alpha=0).fit(X, RATINGS, groups=GROUPS)


def test_names(slider, rating):
    found = confidence_intervals(slider, method="wald").parameters
    assert found == ["sd_(Intercept)|groups", "phi", "(Intercept)", "x0"]
    found = confidence_intervals(rating, method="wald").parameters
    assert found == ["sd_(Intercept)|groups", "bad|fair", "fair|good", "x0"]


def test_thresholds_of_columns_that_are_not_centred_say_so():
    model = Rating(family=CumulativeLogit(3), alpha=0).fit(X + 1.0, RATINGS)
    found = confidence_intervals(model, method="wald").parameters
    assert found == [
        "bad|fair at average columns",
        "fair|good at average columns",
        "x0",
    ]


def test_summary_shows_them(slider, rating):
    assert slider.summary().family_parameters == {
        "phi": pytest.approx(slider._family.precision)
    }
    assert list(rating.summary().family_parameters) == ["bad|fair", "fair|good"]
    assert "bad|fair" in str(rating.summary())


@pytest.mark.parametrize("method", ["profile", "wald", "bootstrap"])
def test_intervals_of_all_kinds(slider, rating, method):
    for model, y, names in (
        (slider, SHARES, ["phi"]),
        (rating, RATINGS, ["bad|fair", "fair|good"]),
    ):
        options = {"method": method, "parameters": names}
        if method == "bootstrap":
            options |= {"n_bootstrap": 60, "random_state": 0}
        found = confidence_intervals(model, X, y, groups=GROUPS, **options)
        wald = confidence_intervals(model, method="wald", parameters=names)
        assert found.parameters == names
        assert (found.lower < found.estimates).all()
        assert (found.estimates < found.upper).all()
        # The methods agree about the order of size.
        ratio = (found.upper - found.lower) / (wald.upper - wald.lower)
        assert ((ratio > 0.6) & (ratio < 1.6)).all()


def test_sigma_of_a_truncated_normal():
    y = TruncatedNormal(0.0, 1.0, 0.3).simulate(0.5 + 0.2 * ETA, RNG)
    model = Slider(family=TruncatedNormal(), alpha=0).fit(X, y, groups=GROUPS)
    lower, upper = confidence_intervals(
        model, X, y, groups=GROUPS, parameters=["sigma"]
    )["sigma"]
    assert 0 < lower < model._family.sigma < upper
    assert lower < 0.3 < upper


def test_bootstrap_has_their_replicates(rating):
    result = bootstrap(rating, X, RATINGS, groups=GROUPS, n_bootstrap=20)
    first, second = (result.parameters.index(n) for n in ("bad|fair", "fair|good"))
    assert (result.replicates[:, first] < result.replicates[:, second]).all()
    assert result.replicates[:, first].std() > 0
