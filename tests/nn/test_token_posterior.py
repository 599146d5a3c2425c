"""Biases of participants towards tokens: likelihood, variance, modes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

torch = pytest.importorskip("torch")

from bead_sklearn.effects import RandomFactor  # noqa: E402
from bead_sklearn.effects._covariance import full_covariance  # noqa: E402
from bead_sklearn.families import MultinomialLogit  # noqa: E402
from bead_sklearn.nn import TokenChoices, TokenPosterior, fit_tokens  # noqa: E402
from bead_sklearn.nn._marginal import EffectState, _objective  # noqa: E402
from bead_sklearn.nn._token_biases import condense  # noqa: E402


def simulate(q=50, t=60, k=12, sd=1.0, seed=0, shared=0.0):
    """Tokens of q participants, the last of k + 1 logits without biases."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(q), t)
    logits = rng.normal(size=(q * t, k + 1))
    b, a = sd * rng.normal(size=(q, k)), shared * rng.normal(size=k)
    eta = logits.copy()
    eta[:, :k] += b[codes] + a
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    chosen = (p.cumsum(axis=1) < rng.uniform(size=(q * t, 1))).sum(axis=1)
    choices = TokenChoices(torch.tensor(logits), chosen, codes, np.ones(q * t))
    return choices, b, a


@pytest.mark.parametrize(("t", "k"), [(7, 12), (20, 6)])
def test_derivatives_are_those_of_the_likelihood(t, k):
    choices, _, _ = simulate(q=8, t=t, k=k)
    posterior = TokenPosterior(choices, 8)
    rng = np.random.default_rng(1)
    shared, direction = 0.3 * rng.normal(size=k), rng.normal(size=k)
    _, by_log_s, by_shared = posterior.evaluate(0.9, shared)
    step = 1e-4

    def value(log_s, along):
        s = 0.9 * np.exp(log_s)
        return posterior.evaluate(s, shared + along * direction)[0]

    found = (value(step, 0.0) - value(-step, 0.0)) / (2 * step)
    assert by_log_s == pytest.approx(found, rel=1e-4)
    found = (value(0.0, step) - value(0.0, -step)) / (2 * step)
    assert by_shared @ direction == pytest.approx(found, rel=1e-4)


@pytest.mark.parametrize("t", [5, 30])
def test_likelihood_and_modes_are_those_of_the_solvers(t):
    """Tokens are a multinomial response whose last category is the reference."""
    q, k, sd = 6, 8, 0.8
    choices, _, _ = simulate(q=q, t=t, k=k, seed=3)
    weights = np.random.default_rng(0).integers(1, 3, q * t).astype(float)
    posterior = TokenPosterior(
        TokenChoices(choices.logits, choices.chosen, choices.codes, weights), q
    )
    found, _, _ = posterior.evaluate(sd, np.zeros(k))
    # The reference of the solvers is the first category.
    logits = choices.logits.numpy()
    f = logits[:, :k] - logits[:, k:]
    structure = full_covariance(np.ones(k))
    factor = RandomFactor(
        "g", choices.codes, q, np.ones((q * t, 1)), structure, ("i",) * k
    )
    y = np.where(choices.chosen == k, 0, choices.chosen + 1)
    state = EffectState(
        MultinomialLogit(k + 1), {"g": structure.from_sds(np.full(k, sd))}
    )
    objective = _objective(f.ravel(), y, weights, (factor,), state.family)
    expected, *_ = objective(np.zeros(0), state.theta["g"], state.family.parameters)
    assert found == pytest.approx(expected, abs=1e-6)
    modes, _ = posterior.moments(sd, np.zeros(k))
    assert np.allclose(modes, sd * objective.own, atol=1e-4)


def penalised(choices, sd, q):
    """Biases that maximise likelihood plus log-prior, one participant at a time."""
    k = choices.n_tokens
    logits = choices.logits.numpy()
    result = np.zeros((q, k))
    for g in range(q):
        mine = choices.codes == g
        f, chosen = logits[mine], choices.chosen[mine]
        counts = np.bincount(chosen, minlength=k + 1)[:k]

        def loss(b, f=f, counts=counts, chosen=chosen):
            eta = f + np.append(b, 0.0)
            top = eta.max(axis=1, keepdims=True)
            p = np.exp(eta - top)
            total = p.sum(axis=1, keepdims=True)
            own = eta[np.arange(len(chosen)), chosen]
            value = (np.log(total[:, 0]) + top[:, 0] - own).sum()
            gradient = (p / total)[:, :k].sum(axis=0) - counts
            return value + 0.5 * b @ b / sd**2, gradient + b / sd**2

        result[g] = optimize.minimize(loss, np.zeros(k), jac=True).x
    return result


def test_modes_are_penalised_estimates():
    choices, _, _ = simulate(q=4, t=25, k=6)
    modes, variances = TokenPosterior(choices, 5).moments(0.7, np.zeros(6))
    assert np.allclose(modes[:4], penalised(choices, 0.7, 4), atol=1e-4)
    # Of one who wrote nothing the prior is known.
    assert (modes[4] == 0).all()
    assert np.allclose(variances[4], 0.49)
    assert (variances[:4] < 0.49).all()


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_variance_and_biases_are_recovered(shared):
    ratios, gaps, found_shared = [], [], []
    for seed in range(3):
        choices, b, a = simulate(seed=seed, shared=shared)
        posterior = TokenPosterior(choices, 50)
        fit = fit_tokens(posterior, 0.3, shared_sd=None if shared else 0.0)
        ratios.append(fit.sd / b.std())
        modes, _ = posterior.moments(fit.sd, fit.shared)
        known = choices.logits.numpy().copy()
        known[:, :-1] += a
        direct = penalised(
            TokenChoices(
                torch.tensor(known), choices.chosen, choices.codes, choices.weights
            ),
            1.0,
            50,
        )
        by_fit, by_direct = (
            np.corrcoef(estimate.ravel(), b.ravel())[0, 1]
            for estimate in (modes, direct)
        )
        gaps.append(by_direct - by_fit)
        found_shared.append(np.corrcoef(fit.shared, a)[0, 1] if shared else 1.0)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.07)
    assert max(gaps) < 0.02
    assert min(found_shared) > 0.95


def test_no_differences_are_no_variance():
    found = []
    for seed in range(4):
        choices, _, _ = simulate(sd=0.0, k=5, seed=seed)
        found.append(fit_tokens(TokenPosterior(choices, 50), 1.0).sd)
    assert np.mean(found) < 0.1
    assert min(found) == 0.0


def test_a_variance_that_is_held_stays():
    choices, _, _ = simulate(q=5)
    fit = fit_tokens(TokenPosterior(choices, 5), 0.4, estimate=False)
    assert fit.sd == 0.4
    assert (fit.shared == 0).all()


def test_weights_are_repetitions():
    choices, _, _ = simulate(q=6, t=12, k=5)
    weights = np.random.default_rng(0).integers(0, 3, 72)
    rows = np.repeat(np.arange(72), weights)
    repeated = TokenChoices(
        choices.logits[torch.as_tensor(rows)],
        choices.chosen[rows],
        choices.codes[rows],
        np.ones(len(rows)),
    )
    weighted = TokenChoices(
        choices.logits, choices.chosen, choices.codes, weights.astype(float)
    )
    found = [
        TokenPosterior(part, 6).evaluate(0.8, np.zeros(5))
        for part in (weighted, repeated)
    ]
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-8)
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-6)


def test_tokens_without_biases_count_as_one():
    logits = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    few = condense(logits, torch.tensor([2, 7]))
    assert few.shape == (3, 3)
    whole = logits.log_softmax(dim=1)
    assert torch.allclose(few.log_softmax(dim=1)[:, :2], whole[:, [2, 7]], atol=1e-6)
    every = condense(logits, torch.arange(10))
    assert torch.allclose(every.log_softmax(dim=1)[:, :10], whole, atol=1e-6)
