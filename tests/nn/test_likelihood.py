"""Log-likelihoods in torch against the families: values and derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    ConditionalLogit,
    CumulativeLogit,
    CumulativeProbit,
    Family,
    IndependentOutputs,
    LogNormal,
    MultinomialLogit,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)

torch = pytest.importorskip("torch")
nn = pytest.importorskip("bead_sklearn.nn")

ETAS = st.one_of(
    st.floats(-4, 4), st.floats(-40, 40), st.floats(-1e3, 1e3), st.just(0.0)
)
LOG_SIZES = st.floats(-5, 5)


def vectors(n, elements):
    return st.lists(elements, min_size=n, max_size=n).map(np.array)


def categories(link, n, equidistant):
    n_distances = min(n - 2, 1) if equidistant else n - 2

    def family(first, distances):
        parameters = np.append(first, distances)
        return link(n, equidistant, parameters)

    return st.builds(family, st.floats(-5, 5), vectors(n_distances, st.floats(-7, 3)))


def positive(log_sizes):
    return log_sizes.map(np.exp)


SIZES = positive(LOG_SIZES)
FAMILIES = {
    "bernoulli": st.just(Bernoulli()),
    "probit": st.just(BernoulliProbit()),
    "normal": st.builds(Normal, SIZES),
    "lognormal": st.builds(LogNormal, SIZES),
    "logit": categories(CumulativeLogit, 4, False),
    "probit categories": categories(CumulativeProbit, 4, False),
    "equidistant logit": categories(CumulativeLogit, 5, True),
    "equidistant probit": categories(CumulativeProbit, 5, True),
    "two categories": categories(CumulativeLogit, 2, False),
    "two equidistant categories": categories(CumulativeProbit, 2, True),
    "truncated": st.builds(TruncatedNormal, st.just(-0.5), st.just(2.0), SIZES),
    "truncated below": st.builds(TruncatedNormal, st.just(0.0), st.just(np.inf), SIZES),
    "truncated above": st.builds(
        TruncatedNormal, st.just(-np.inf), st.just(1.0), SIZES
    ),
    "beta": st.builds(Beta, SIZES),
    "ordered beta": st.builds(
        lambda lower, width, precision: OrderedBeta(lower, lower + width, precision),
        st.floats(-5, 5),
        positive(st.floats(-3, 3)),
        SIZES,
    ),
}
each_family = pytest.mark.parametrize("name", FAMILIES)
INSIDE = st.one_of(st.floats(0.01, 0.99), st.sampled_from([1e-12, 1 - 1e-12]))


def responses(family):
    if family.response == "binary":
        return st.sampled_from([0.0, 1.0])
    if family.response == "ordinal":
        return st.integers(0, family.n_categories - 1).map(float)
    if isinstance(family, Beta):
        return INSIDE
    if isinstance(family, OrderedBeta):
        return st.one_of(st.sampled_from([0.0, 1.0]), INSIDE)
    if isinstance(family, TruncatedNormal):
        low, high = max(family.lower, -5.0), min(family.upper, 5.0)
        return st.one_of(st.sampled_from([low, high]), st.floats(low, high))
    return st.floats(1e-3, 1e3)


def draw(data, name):
    """A family, responses and linear predictors."""
    family = data.draw(FAMILIES[name])
    y = data.draw(vectors(3, responses(family)))
    return family, y, data.draw(vectors(3, ETAS))


def derivatives(values, at, order):
    """Values and their derivatives in ``at``, entry by entry."""
    found = [values]
    for _ in range(order):
        if found[-1].requires_grad:
            [slope] = torch.autograd.grad(
                found[-1].sum(), at, create_graph=True, allow_unused=True
            )
            found.append(torch.zeros_like(at) if slope is None else slope)
        else:  # constant
            found.append(torch.zeros_like(at))
    return [part.detach().numpy() for part in found]


@each_family
@given(data=st.data())
def test_values_and_derivatives_in_eta(name, data):
    family, y, eta = draw(data, name)
    at = torch.tensor(eta, requires_grad=True)
    value, first, second, third = derivatives(
        nn.log_likelihood(family, torch.tensor(y), at), at, 3
    )
    expected = family.derivatives(y, eta)
    size = 1.0 + np.abs(expected.log_likelihood)
    # Terms as large as phi log(y), up to 1e5, may cancel.
    np.testing.assert_allclose(value, expected.log_likelihood, rtol=1e-11, atol=1e-9)
    # What is near 0 is a difference of terms of the size of the curvature.
    scale = np.abs(expected.curvature) + 1e-12 * size
    for found, wanted, unit in (
        (first, expected.gradient, np.sqrt(scale)),
        (-second, expected.curvature, scale),
        (-third, expected.third, scale**1.5),
    ):
        error = np.abs(found - wanted)
        assert (error <= 1e-9 * np.abs(wanted) + 5e-9 * unit).all(), (found, wanted)


with_parameters = pytest.mark.parametrize(
    "name",
    [
        name
        for name in FAMILIES
        if name not in ("bernoulli", "probit", "normal", "lognormal")
    ],
)


@with_parameters
@given(data=st.data())
def test_derivatives_in_own_parameters(name, data):
    family, y, eta = draw(data, name)
    expected = family.parameter_derivatives(y, eta)
    curvature = np.abs(family.derivatives(y, eta).curvature)
    for row in range(len(y)):
        parameters = torch.tensor(family.parameters, requires_grad=True)
        at = torch.tensor(eta[row], requires_grad=True)
        value = nn.log_likelihood(family, torch.tensor(y[row]), at, parameters)
        [first] = torch.autograd.grad(value, at, create_graph=True)
        [second] = torch.autograd.grad(first, at, create_graph=True)
        units = 1.0, 1.0 + np.sqrt(curvature[row]), 1.0 + curvature[row]
        for part, wanted, unit in zip(
            (value, first, -second), expected, units, strict=True
        ):
            [found] = torch.autograd.grad(part, parameters, retain_graph=True)
            np.testing.assert_allclose(
                found.numpy(), wanted[row], rtol=1e-7, atol=1e-9 * unit
            )


@pytest.mark.parametrize("kind", [Normal, LogNormal])
@given(log_sigma=LOG_SIZES, y=st.floats(0.1, 9), eta=st.floats(-9, 9))
def test_derivative_in_log_sigma(kind, log_sigma, y, eta):
    family = kind(float(np.exp(log_sigma)))
    parameters = torch.tensor(nn.learned_parameters(family), requires_grad=True)
    at = torch.tensor([y, eta], dtype=torch.float64)
    nn.log_likelihood(family, at[0], at[1], parameters).backward()
    working = float(family.working_response(np.array(y)))
    expected = ((working - eta) / family.sigma) ** 2 - 1.0
    assert parameters.grad.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@each_family
@given(data=st.data())
def test_single_precision_is_sensible(name, data):
    family, y, eta = draw(data, name)
    if not isinstance(family, (Beta, OrderedBeta)):
        y = y.astype(np.float32)
    eta = eta.astype(np.float32)
    at = torch.tensor(eta, requires_grad=True)
    parameters = torch.tensor(
        nn.learned_parameters(family), dtype=torch.float32, requires_grad=True
    )
    value = nn.log_likelihood(family, torch.tensor(y), at, parameters)
    assert value.dtype == torch.float32
    value.sum().backward()
    assert parameters.grad is None or torch.isfinite(parameters.grad).all()
    exact = family.derivatives(y.astype(float), eta.astype(float))
    np.testing.assert_allclose(
        value.detach().numpy(), exact.log_likelihood, rtol=1e-4, atol=1e-3
    )
    unit = 1.0 + np.sqrt(np.abs(exact.curvature)) + np.abs(exact.gradient)
    assert (np.abs(at.grad.numpy() - exact.gradient) < 1e-3 * unit).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("distance", [1e1, 1e2, 1e3])
def test_the_pull_from_far_away_does_not_vanish(dtype, distance):
    # Where a difference of distribution functions is 0, its clipped logarithm is flat.
    dtype = getattr(torch, dtype)
    eta = torch.tensor([-distance, distance], dtype=dtype, requires_grad=True)
    y = torch.tensor([0.5, 0.5], dtype=dtype)
    nn.log_likelihood(TruncatedNormal(0.0, 1.0, 0.2), y, eta).sum().backward()
    outside = torch.tensor([distance, distance])
    # The mean lies 0.2^2 / outside from the end: the gradient is that of y.
    expected = (0.5 - 0.04 / outside) / 0.04
    np.testing.assert_allclose(eta.grad.abs().numpy(), expected.numpy(), rtol=2e-3)
    category = torch.tensor([1.0, 1.0], dtype=dtype)
    eta.grad = None
    nn.log_likelihood(CumulativeProbit(3), category, eta).sum().backward()
    np.testing.assert_allclose(eta.grad.abs().numpy(), distance, rtol=0.1)


def test_binomial_counts_are_weights():
    eta = torch.tensor([0.3], dtype=torch.float64)
    ones = nn.log_likelihood(Bernoulli(), torch.ones(1), eta)
    zeros = nn.log_likelihood(Bernoulli(), torch.zeros(1), eta)
    share = nn.log_likelihood(Bernoulli(), torch.tensor([0.75]), eta)
    assert (3 * ones + zeros).item() == pytest.approx(4 * share.item(), rel=1e-12)


def test_log_likelihood_is_smooth_at_zero():
    # Networks begin with eta exactly 0.
    eta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    values = nn.log_likelihood(Bernoulli(), torch.ones(1), eta)
    found = np.concatenate(derivatives(values, eta, 3))
    np.testing.assert_allclose(found, [-np.log(2), 0.5, -0.25, 0.0], atol=1e-15)


def test_learning_finds_the_maximum():
    rng = np.random.RandomState(0)
    truth = OrderedBeta(-1.0, 1.2, 4.0)
    x = rng.normal(size=2000)
    y = truth.simulate(0.8 * x, rng)
    slope = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    parameters = torch.tensor(OrderedBeta().parameters, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope, parameters], max_iter=200)
    x, y = torch.tensor(x), torch.tensor(y)

    def loss():
        optimizer.zero_grad()
        value = -nn.log_likelihood(OrderedBeta(), y, slope * x, parameters).mean()
        value.backward()
        return value

    optimizer.step(loss)
    learned = nn.with_learned_parameters(OrderedBeta(), parameters.detach().numpy())
    assert slope.item() == pytest.approx(0.8, abs=0.1)
    assert learned.lower_threshold == pytest.approx(-1.0, abs=0.15)
    assert learned.upper_threshold == pytest.approx(1.2, abs=0.15)
    assert learned.precision == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize(
    "family", [Normal(0.3), LogNormal(2.0), Beta(3.0), CumulativeLogit(4), Bernoulli()]
)
def test_learned_parameters_there_and_back(family):
    values = nn.learned_parameters(family)
    back = nn.with_learned_parameters(family, values + 0.5 if len(values) else values)
    assert type(back) is type(family)
    np.testing.assert_allclose(nn.learned_parameters(back), values + 0.5)


def test_errors():
    y, eta = torch.zeros(3), torch.zeros(3)
    for family in (Bernoulli(), BernoulliProbit(), Normal(), LogNormal()):
        with pytest.raises(ValueError, match=r"same shape.*y \(2,\) and eta \(3,\)"):
            nn.log_likelihood(family, y[:2], eta)
    with pytest.raises(ValueError, match=r"shape \(1,\).*'beta'.*Got \(2,\)"):
        nn.log_likelihood(Beta(), y, eta, torch.zeros(2))


def test_other_families_are_registered():
    class Cauchy(Normal):
        """Not normal, but with all a family must have."""

    class Logistic(Family):
        name = "logistic"
        derivatives = mean = latent_variance = simulate = initial_eta = None

    y, eta = torch.ones(2), torch.zeros(2)
    with pytest.raises(TypeError, match=r"Logistic.*no log-likelihood in torch"):
        nn.log_likelihood(Logistic(), y, eta)

    @nn.twin.register(Cauchy)
    def _(family, y, eta, parameters):
        return -torch.log(torch.pi * (1 + (y - eta) ** 2))

    found = nn.log_likelihood(Cauchy(), y, eta)
    np.testing.assert_allclose(found.numpy(), -np.log(2 * np.pi), rtol=1e-6)


def draw_coupled(kind, rng):
    """A family of several linear predictors, responses and predictors."""
    if kind == "multinomial":
        family = MultinomialLogit(4)
        return family, rng.randint(4, size=6).astype(float), rng.normal(size=(6, 3))
    if kind == "independent":
        y = rng.randint(2, size=(6, 3)).astype(float)
        return IndependentOutputs(BernoulliProbit(), 3), y, rng.normal(size=(6, 3))
    family = ConditionalLogit(np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3]))
    eta = rng.normal(size=10)
    return family, family.simulate(eta, rng), eta


@pytest.mark.parametrize("kind", ["multinomial", "independent", "choice"])
@given(seed=st.integers(0, 10_000))
def test_families_of_several_predictors(kind, seed):
    rng = np.random.RandomState(seed)
    family, y, eta = draw_coupled(kind, rng)
    at = torch.tensor(3.0 * eta, requires_grad=True)
    found = nn.log_likelihood(family, torch.tensor(y), at)
    expected = family.derivatives(y, 3.0 * eta)
    np.testing.assert_allclose(
        found.detach().numpy(), expected.log_likelihood, rtol=1e-9, atol=1e-12
    )
    [gradient] = torch.autograd.grad(found.sum(), at, create_graph=True)
    np.testing.assert_allclose(
        gradient.detach().numpy(), expected.gradient, rtol=1e-9, atol=1e-12
    )
    hessian = torch.stack(
        [
            torch.autograd.grad(entry, at, create_graph=True)[0].ravel()
            for entry in gradient.ravel()
        ]
    )
    # A symmetric S contracts the curvature; its derivative is the skewness.
    size = eta.size
    direction = rng.normal(size=(size, size))
    direction = direction + direction.T
    if kind == "choice":
        layout = direction[family.pairs]
        curvature = -hessian.detach().numpy()[family.pairs]
        inside = np.zeros((size, size))
        inside[family.pairs] = layout
    else:
        n, n_outputs = eta.shape
        rows = np.arange(n)
        blocks = direction.reshape(n, n_outputs, n, n_outputs)[rows, :, rows, :]
        found_blocks = -hessian.detach().numpy().reshape(n, n_outputs, n, n_outputs)
        curvature = found_blocks[rows, :, rows, :]
        inside = np.zeros((n, n_outputs, n, n_outputs))
        inside[rows, :, rows, :] = blocks
        inside = inside.reshape(size, size)
        layout = blocks
        if kind == "independent":
            layout = np.einsum("njj->nj", blocks)
            curvature = np.einsum("njj->nj", curvature)
    np.testing.assert_allclose(curvature, expected.curvature, rtol=1e-8, atol=1e-12)
    traced = -(hessian * torch.tensor(inside)).sum()
    [skew] = torch.autograd.grad(traced, at)
    np.testing.assert_allclose(
        skew.numpy(), expected.skew(layout), rtol=1e-7, atol=1e-10
    )
