"""Bad input of every kind, for every family: what is said, and nothing that is NaN."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects
from bead_sklearn.exceptions import SeparationWarning, SingularFitWarning

pd = pytest.importorskip("pandas")

FAMILIES = {
    "bernoulli": BinaryClassifier,
    "bernoulli_probit": BinaryClassifier,
    "normal": MagnitudeRegressor,
    "lognormal": MagnitudeRegressor,
}
BINARY = [name for name, model in FAMILIES.items() if model is BinaryClassifier]
NUMBERS = [name for name, model in FAMILIES.items() if model is MagnitudeRegressor]
Q, M = 10, 8
N = Q * M
G = np.repeat(np.arange(Q), M)
LABELS = np.array([f"p{code}" for code in np.random.RandomState(1).permutation(Q)])

every_family = pytest.mark.parametrize("family", FAMILIES)
with_and_without_effects = pytest.mark.parametrize("effects", [True, False])


def judgments(family, seed=0):
    rng = np.random.RandomState(seed)
    X = pd.DataFrame({"x": rng.normal(size=N), "z": rng.normal(size=N)})
    eta = X["x"].to_numpy() + rng.normal(size=Q)[G]
    if family in BINARY:
        y = (rng.uniform(size=N) < 1 / (1 + np.exp(-eta))).astype(int)
        y[:2] = [0, 1]
        return X, y
    y = eta + 0.5 * rng.normal(size=N)
    return X, np.exp(y) if family == "lognormal" else y


def make(family, **params):
    return FAMILIES[family](family=family, **params)


def fit(family, X, y, *, groups=None, sample_weight=None, expect=(), **params):
    """Fit, check the warnings given and that every fitted number is finite.

    ``expect`` are pairs of category and pattern, in the order of the warnings.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make(family, **params).fit(
            X, y, groups=groups, sample_weight=sample_weight
        )
    found = [(item.category, str(item.message)) for item in caught]
    for (category, message), (expected, pattern) in zip(found, expect, strict=True):
        assert category is expected
        assert all(part in message for part in pattern.split("*")), message
    assert_finite(model)
    return model


def assert_finite(model):
    numbers = {}
    for name, value in vars(model).items():
        if name.endswith("_") or name in ("_summary", "_posterior", "_features"):
            collect(value, name, numbers)
    assert len(numbers) > 20
    wrong = [
        name
        for name, value in numbers.items()
        if not np.isfinite(value).all()
        and not name.endswith(
            ("alpha_", ".alpha", ".df")  # a z test has infinite degrees of freedom
        )
    ]
    assert wrong == []
    assert not np.isnan(model.alpha_)


def collect(value, path, numbers):
    if isinstance(value, (float, np.floating)):
        numbers[path] = value
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            numbers[path] = value
    elif isinstance(value, dict):
        for key, item in value.items():
            collect(item, f"{path}[{key!r}]", numbers)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            collect(item, f"{path}[{position}]", numbers)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            collect(getattr(value, field.name), f"{path}.{field.name}", numbers)


def sd(model, factor):
    [found] = [c for c in model.variance_components_ if c.grouping_factor == factor]
    return found.sd


# Formulas -----------------------------------------------------------------------


@every_family
@pytest.mark.parametrize(
    ("formula", "caret", "message"),
    [
        ("(1 | g", 7, r"expected '\)' to close the term at character 7"),
        ("(1 + | g)", 6, "name of a covariate at character 6"),
        ("(1 | g) (1 | h)", 9, r"expected '\+' between terms at character 9"),
        ("(1 | g) ~ x", 9, "unexpected character at character 9"),
        ("| g", 1, r"expected '\(' to open a term at character 1"),
    ],
)
def test_syntax_errors_point_at_the_character(family, formula, caret, message):
    X, y = judgments(family)
    with pytest.raises(ValueError, match=message) as caught:
        make(family, mixed_effects=formula).fit(X.assign(g=G), y)
    _, shown, pointer, *_ = str(caught.value).splitlines()
    assert shown == f"  {formula}"
    assert pointer == " " * (caret + 1) + "^"


@every_family
def test_unknown_names_list_the_columns(family):
    X, y = judgments(family)
    with pytest.raises(ValueError, match=r"'worker'.*columns are \['x', 'z', 'g'\]"):
        make(family, mixed_effects="(1 | worker)").fit(X.assign(g=G), y)
    with pytest.raises(ValueError, match=r"covariate 'age'.*\['x', 'z'\]"):
        make(family, mixed_effects="(1 + age | g)").fit(X.assign(g=G), y)
    with pytest.raises(ValueError, match=r"'g:h'|'h'.*columns are \['x', 'z', 'g'\]"):
        make(family, mixed_effects="(1 | g:h)").fit(X.assign(g=G), y)
    # A name among several columns of groups.
    with pytest.raises(ValueError, match=r"'rater'.*columns are \['x', 'z'\]"):
        make(family, mixed_effects="(1 | rater)").fit(
            X, y, groups=pd.DataFrame({"part": G, "item": np.arange(N) % M})
        )


# Factors that tell nothing ------------------------------------------------------


@every_family
@pytest.mark.parametrize("formula", ["(1 | g)", "(1 + x | g)", "(1 + x || g)"])
def test_one_level(family, formula):
    X, y = judgments(family)
    model = fit(
        family,
        X.assign(g="all"),
        y,
        mixed_effects=formula,
        expect=[
            (SingularFitWarning, "'g' cannot be estimated*one level only*set to 0")
        ],
    )
    assert not sd(model, "g").any()
    fixed = fit(family, X, y)
    np.testing.assert_allclose(model.coef_, fixed.coef_, atol=1e-5)


@every_family
@pytest.mark.parametrize("formula", ["(1 | g)", "(1 + x | g)"])
def test_one_judgment_per_level(family, formula):
    X, y = judgments(family)
    reason = "0 pairs of judgments" if family in BINARY else "one judgment only"
    model = fit(
        family,
        X.assign(g=np.arange(N)),
        y,
        mixed_effects=formula,
        expect=[(SingularFitWarning, f"'g' cannot be estimated*{reason}*set to 0")],
    )
    assert not sd(model, "g").any()


@every_family
@pytest.mark.parametrize("formula", ["(1 | g) + (1 | h)", "(1 | g/h)", "(1 | h/g)"])
def test_factors_that_are_relabelings_of_each_other(family, formula):
    X, y = judgments(family)
    one = fit(family, X, y, groups=G)
    frame = X.assign(g=G, h=LABELS[G])
    first, second = {
        "(1 | g) + (1 | h)": ("g", "h"),
        "(1 | g/h)": ("g", "g:h"),
        "(1 | h/g)": ("h", "h:g"),
    }[formula]
    both = f"only the sum of the variances of '{first}' and '{second}' can be told"
    model = fit(
        family,
        frame,
        y,
        mixed_effects=formula,
        expect=[(SingularFitWarning, f"'{second}' cannot be estimated*{both}")],
    )
    assert model.log_likelihood_ == pytest.approx(one.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(sd(model, first), sd(one, "groups"), rtol=1e-3)
    assert sd(model, second) == 0


@pytest.mark.filterwarnings("ignore:Singular fit")
@pytest.mark.parametrize("family", NUMBERS)
def test_relabelings_with_slopes(family):
    X, y = judgments(family)
    frame = X.assign(g=G, h=LABELS[G])
    # The intercepts of h are among the effects of g already, whichever comes first.
    model = make(family, mixed_effects="(1 | h) + (1 + x | g)")
    with pytest.warns(SingularFitWarning, match="'h' cannot be est.*'g' and 'h'"):
        model.fit(frame, y)
    assert sd(model, "h") == 0
    # Effects of both that neither has all of.
    model = make(family, mixed_effects="(1 + z | h) + (1 + x | g)")
    with pytest.warns(SingularFitWarning, match="one term for both"):
        model.fit(frame, y)
    # Different effects of the same participants are independent, that is all.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Singular fit")
        split = make(family, mixed_effects="(1 | h) + (0 + x | g)").fit(frame, y)
        joint = make(family, mixed_effects="(1 + x || g)").fit(X.assign(g=G), y)
    assert split.log_likelihood_ == pytest.approx(joint.log_likelihood_, abs=1e-4)


@every_family
def test_relabelings_with_held_variances_are_left_alone(family):
    X, y = judgments(family)
    effects = MixedEffects(
        formula="(1 | g) + (1 | h)", estimate_variance_components=False
    )
    model = fit(family, X.assign(g=G, h=LABELS[G]), y, mixed_effects=effects)
    assert sd(model, "g") == pytest.approx(1.0)
    assert sd(model, "h") == pytest.approx(1.0)


@pytest.mark.parametrize("family", NUMBERS)
def test_effects_that_take_up_the_residual(family):
    X, y = judgments(family)
    condition = np.tile([0.0, 1.0], N // 2)
    frame = X.assign(g=np.arange(N) // 2, x=condition)
    model = make(family, mixed_effects="(1 + x | g)")
    with pytest.warns(SingularFitWarning, match=r"'x'\] of 'g'.*residual variance"):
        model.fit(frame, y)
    assert_finite(model)
    # With more judgments in one participant, or other times, they can be told.
    for other in (
        frame.assign(g=np.maximum(np.arange(N) // 2, 1)),
        frame.assign(x=np.random.RandomState(0).uniform(size=N)),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make(family, mixed_effects="(1 + x | g)").fit(other, y)
        assert not any("residual variance" in str(item.message) for item in caught)


@every_family
@pytest.mark.parametrize("formula", ["(1 + w | g)", "(1 + x + w || g)"])
def test_slopes_of_dependent_columns(family, formula):
    X, y = judgments(family)
    frame = X.assign(g=G, w=1.0 if "x" not in formula else -2 * X["x"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make(family, mixed_effects=formula).fit(frame, y)
    [message] = [str(w.message) for w in caught if "of 'g' cannot" in str(w.message)]
    assert "'w'] of 'g' cannot be told apart" in message
    assert_finite(model)


# Responses and weights ----------------------------------------------------------


@every_family
@with_and_without_effects
def test_all_weights_zero(family, effects):
    X, y = judgments(family)
    with pytest.raises(ValueError, match="weights must contain at least one non-zero"):
        make(family).fit(X, y, groups=G if effects else None, sample_weight=np.zeros(N))


@every_family
@with_and_without_effects
def test_constant_response(family, effects):
    X, y = judgments(family)
    groups = G if effects else None
    constant = np.full(N, y[1])
    if family in BINARY:
        with pytest.raises(ValueError, match=r"only one class among its 80.*\[1\]"):
            make(family).fit(X, constant, groups=groups)
        return
    model = fit(
        family,
        X,
        constant,
        groups=groups,
        expect=[(SingularFitWarning, "y is constant: all 80 judgments are")],
    )
    np.testing.assert_allclose(model.predict(X, groups=groups), constant)


@every_family
@with_and_without_effects
def test_constant_response_among_the_weights(family, effects):
    X, y = judgments(family)
    weights = (y == y[1]).astype(float)
    groups = G if effects else None
    if family in BINARY:
        with pytest.raises(ValueError, match="positive sample_weight"):
            make(family).fit(X, y, groups=groups, sample_weight=weights)
    else:  # a single judgment
        with pytest.raises(ValueError, match=r"1 judgment.*positive sample_weight"):
            make(family).fit(X, y, groups=groups, sample_weight=weights)


@every_family
@pytest.mark.parametrize("bad", [np.nan, np.inf, None])
def test_missing_responses(family, bad):
    X, y = judgments(family)
    y = y.astype(object if bad is None else float)
    y[7] = bad
    with pytest.raises(ValueError, match=r"y contains (missing.*row 7|infinity)"):
        make(family).fit(X, y)


def test_responses_the_lognormal_family_lacks():
    X, y = judgments("lognormal")
    y[5] = 0.0
    with pytest.raises(ValueError, match=r"positive responses.*first in row 5: 0"):
        make("lognormal").fit(X, y)


# Too many columns ---------------------------------------------------------------


@every_family
@with_and_without_effects
@pytest.mark.parametrize("p", [20, 40])
def test_more_columns_than_judgments(family, effects, p):
    _, y = judgments(family)
    X = np.random.RandomState(0).normal(size=(20, p))
    with pytest.raises(
        ValueError, match=f"{p} unpenalised columns for 20.*alpha='auto' or a positive"
    ):
        make(family, alpha=0).fit(X, y[:20], groups=G[:20] if effects else None)


@every_family
@with_and_without_effects
def test_as_many_columns_as_judgments(family, effects):
    _, y = judgments(family)
    X = np.random.RandomState(0).normal(size=(24, 23))
    warning = (SeparationWarning, "Separation: a combination of*'x0'*positive alpha")
    if family in NUMBERS:
        warning = (SingularFitWarning, "The predictors reproduce y*positive alpha")
    options = {"groups": G[:24] if effects else None, "alpha": 0}
    expect = [warning]
    if family in BINARY and effects:  # nothing is left for the effects to explain
        expect = [(SingularFitWarning, "Singular fit"), warning]
    fit(family, X, y[:24], expect=expect, **options)


@pytest.mark.filterwarnings("ignore:1 column.s. of X are constant")
@every_family
@with_and_without_effects
def test_text_without_a_penalty(family, effects):
    words = np.array(list("abcdefghijk"))
    rng = np.random.RandomState(0)
    texts = [" ".join(words[rng.randint(11, size=4)]) for _ in range(N)]
    _, y = judgments(family)
    model = make(family, alpha=0)
    with pytest.raises(ValueError, match=r"unpenalised columns for 80|Separation"):
        model.fit(texts, y, groups=G if effects else None)


# Separation and exact responses -------------------------------------------------


@pytest.mark.parametrize("family", BINARY)
@with_and_without_effects
@pytest.mark.parametrize("alpha", [0, "auto"])
def test_separation_by_a_column(family, effects, alpha):
    X, _ = judgments(family)
    fit(
        family,
        X,
        (X["x"] > 0.1).astype(int),
        groups=G if effects else None,
        alpha=alpha,
        expect=[(SeparationWarning, "a combination of 'x'*coefficients are infinite")],
    )


@pytest.mark.parametrize("family", BINARY)
@with_and_without_effects
def test_separation_ends_under_a_ridge(family, effects):
    X, _ = judgments(family)
    y = (X["x"] > 0.1).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        model = make(family, alpha=1.0).fit(X, y, groups=G if effects else None)
    assert_finite(model)
    assert np.abs(model.coef_).max() < 20


@pytest.mark.parametrize("family", BINARY)
@pytest.mark.parametrize("odd", [False, True])
def test_separation_by_participants(family, odd):
    X, _ = judgments(family)
    y = G % 2
    if odd:  # one participant answers once otherwise
        y = np.where(np.arange(N) == 5, 1 - y, y)
    model = make(family)
    with pytest.warns(
        SeparationWarning, match=r"levels of 'groups'.*Hold the variance"
    ):
        model.fit(X, y, groups=G)
    assert_finite(model)
    effects = MixedEffects(regularization_strength=0.01)
    assert_finite(fit(family, X, y, groups=G, mixed_effects=effects))


@pytest.mark.parametrize("family", BINARY)
def test_separation_by_one_of_two_factors(family):
    X, _ = judgments(family)
    frame = X.assign(item=G, g=np.tile(np.arange(M), Q))
    model = make(family, mixed_effects="(1 | g) + (1 | item)")
    with (
        pytest.warns(SeparationWarning, match="levels of 'item'"),
        pytest.warns(SingularFitWarning, match="effects of 'g' is not of full rank"),
    ):
        model.fit(frame, G % 2)
    assert_finite(model)


@pytest.mark.parametrize("family", BINARY)
def test_large_differences_are_not_separation(family):
    rng = np.random.RandomState(0)
    g = np.repeat(np.arange(40), 30)
    eta = 3.0 * rng.normal(size=40)[g]
    if family == "bernoulli_probit":
        eta = eta / 1.7
    y = (rng.uniform(size=len(g)) < 1 / (1 + np.exp(-eta))).astype(int)
    model = fit(family, pd.DataFrame({"g": g}), y, mixed_effects="(1 | g)")
    assert 1.0 < sd(model, "g")[0] < 5.0


@pytest.mark.parametrize("family", NUMBERS)
@pytest.mark.parametrize("by", ["column", "participant", "neither"])
def test_responses_without_a_residual(family, by):
    X, y = judgments(family)
    eta = {
        "column": 1.0 + X["x"].to_numpy(),
        "participant": np.random.RandomState(0).normal(size=Q)[G],
        "neither": np.log(y) if family == "lognormal" else y,
    }[by]
    response = np.exp(eta) if family == "lognormal" else eta
    expect = [(SingularFitWarning, "The predictors reproduce y: the residual")]
    model = fit(family, X, response, groups=G, expect=[] if by == "neither" else expect)
    if by != "neither":
        np.testing.assert_allclose(model.predict(X, groups=G), response, rtol=1e-3)
