"""Intervals and bootstrap where a judgment has several linear predictors."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn import CategoricalClassifier, ClozeClassifier, MultiSelectClassifier
from bead_sklearn.datasets import make_judgments
from bead_sklearn.inspection import bootstrap, bootstrap_test, confidence_intervals

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N_PARTICIPANTS, N_EACH = 25, 16
GROUPS = np.repeat(np.arange(N_PARTICIPANTS), N_EACH)
RNG = np.random.RandomState(0)
X = RNG.normal(size=(len(GROUPS), 1))
U = RNG.multivariate_normal([0, 0], [[1.0, 0.4], [0.4, 0.7]], size=N_PARTICIPANTS)
ETA = np.array([0.8, -0.6]) * X + U[GROUPS]


def draw_labels():
    utilities = np.column_stack([np.zeros(len(ETA)), ETA])
    noise = np.random.RandomState(1).gumbel(size=utilities.shape)
    return np.array(["no", "maybe", "yes"])[(utilities + noise).argmax(axis=1)]


@pytest.fixture(scope="module")
def categorical():
    y = draw_labels()
    return CategoricalClassifier(alpha=0).fit(X, y, groups=GROUPS), X, y


@pytest.fixture(scope="module")
def multi_select():
    noise = np.random.RandomState(2).logistic(size=ETA.shape)
    y = (ETA + noise > 0).astype(int)
    return MultiSelectClassifier(alpha=0).fit(X, y, groups=GROUPS), X, y


@pytest.mark.parametrize("name", ["categorical", "multi_select"])
@pytest.mark.parametrize("method", ["wald", "profile", "bootstrap"])
def test_intervals_of_outputs(name, method, request):
    model, X, y = request.getfixturevalue(name)
    wald = confidence_intervals(model, method="wald")
    kept = [p for p in wald.parameters if not p.startswith("cor")]
    options = {"parameters": kept, "method": method}
    if method == "bootstrap":
        options |= {"n_bootstrap": 100, "random_state": 0}
    found = confidence_intervals(model, X, y, groups=GROUPS, **options)
    assert found.parameters == kept
    assert len(kept) == 2 + 4  # deviations, and two coefficients per output
    is_fixed = np.array([not p.startswith("sd") for p in kept])
    if method != "wald":
        assert (found.lower < found.estimates).all()
        assert (found.estimates < found.upper).all()
    ratio = (found.upper - found.lower)[is_fixed] / np.array(
        [np.ptp(wald[p]) for p in np.array(kept)[is_fixed]]
    )
    assert ((ratio > 0.6) & (ratio < 1.6)).all()


def test_profile_of_a_fixed_effect_is_that_of_models_with_the_effect_held():
    """The end of an interval is where refits without the column lose c^2 / 2."""
    model = CategoricalClassifier(alpha=0, mixed_effects="fixed")
    y = draw_labels()
    fitted = model.fit(X, y)
    name = confidence_intervals(fitted, method="wald").parameters[-1]
    lower, upper = confidence_intervals(fitted, X, y, parameters=[name])[name]
    classes, top = fitted.classes_.tolist(), fitted.log_likelihood_
    assert name == f"x0 [{classes[2]}]"
    code = np.array([classes.index(label) for label in y])

    def held(value):
        """Maximise over the other three coefficients, by Newton steps."""
        b = np.zeros(3)
        columns = np.zeros((len(y), 2, 3))
        columns[:, 0, 0], columns[:, 0, 1] = 1.0, X[:, 0]
        columns[:, 1, 2] = 1.0
        for _ in range(30):
            eta = np.column_stack([np.zeros(len(y)), columns @ b])
            eta[:, 2] += value * X[:, 0]
            p = np.exp(eta - eta.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            residual = (code[:, None] == np.arange(3))[:, 1:] - p[:, 1:]
            weight = -p[:, 1:, None] * p[:, None, 1:]
            weight[:, [0, 1], [0, 1]] += p[:, 1:]
            gradient = np.einsum("nj,njk->k", residual, columns)
            hessian = np.einsum("njk,njl,nlm->km", columns, weight, columns)
            b = b + np.linalg.solve(hessian, gradient)
        return float(np.log(p[np.arange(len(y)), code]).sum())

    for end in (lower, upper):
        assert top - held(end) == pytest.approx(0.5 * 1.959964**2, abs=1e-3)
    assert top - held(0.5 * (lower + upper)) < 0.1


def test_profile_ends_near_correlations_of_one():
    d = make_judgments("multi_select", n_participants=15, n_items=24, random_state=0)
    model = MultiSelectClassifier(random_state=0).fit(d.X, d.y, groups=d.groups)
    first, second = (
        f"cor_(Intercept) [{i}].(Intercept) [{j}]|groups" for i, j in ((2, 1), (4, 3))
    )
    found = confidence_intervals(
        model, d.X, d.y, groups=d.groups, parameters=[first, second]
    )
    assert -1.0 <= found[first][0] < -0.99
    assert found[second][1] == 1.0


def test_bootstrap_recovers_the_covariance_of_outputs(categorical):
    model, X, y = categorical
    result = bootstrap(model, X, y, groups=GROUPS, n_bootstrap=40, random_state=0)
    at = result.parameters.index
    fixed = [at(p) for p in result.parameters if p.startswith("x0")]
    error = result.standard_errors[fixed] / np.sqrt(len(result.replicates))
    assert (np.abs(result.bias[fixed]) < 4.0 * error + 0.03).all()
    correlation = result.replicates[:, at(result.parameters[2])]
    assert result.parameters[2].startswith("cor")
    low, high = np.nanquantile(correlation, [0.05, 0.95])
    assert low < result.estimates[2] < high


def test_bootstrapped_likelihood_ratio_of_outputs(multi_select):
    model, X, y = multi_select
    fixed = MultiSelectClassifier(alpha=0, mixed_effects="fixed").fit(X, y)
    result = bootstrap_test(
        fixed, model, X, y, groups=GROUPS, n_bootstrap=15, random_state=0
    )
    assert result.p_value == pytest.approx(1 / 16)  # none of 15 is as large


@pytest.mark.parametrize("method", ["wald", "profile", "bootstrap"])
def test_intervals_of_the_features_of_fillers(method):
    d = make_judgments("cloze", n_participants=15, n_items=24, random_state=0)
    model = ClozeClassifier(random_state=0).fit(d.X, d.y, groups=d.groups)
    names = ["typicality", "own_words"]
    options = {"n_bootstrap": 30, "random_state": 0} if method == "bootstrap" else {}
    found = confidence_intervals(
        model, d.X, d.y, groups=d.groups, method=method, parameters=names, **options
    )
    wald = confidence_intervals(model, method="wald", parameters=names)
    assert found.parameters == names
    ratio = (found.upper - found.lower) / (wald.upper - wald.lower)
    assert ((ratio > 0.6) & (ratio < 1.6)).all()
