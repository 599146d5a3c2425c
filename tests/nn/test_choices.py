"""Log-likelihoods of competing and of independent responses in torch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_expit, log_softmax, softmax

torch = pytest.importorskip("torch")
nn = pytest.importorskip("bead_sklearn.nn")

SEEDS = st.integers(0, 10_000)
SCALES = st.sampled_from([0.1, 2.0, 1e3])


@given(SEEDS, SCALES, st.integers(2, 6))
def test_softmax(seed, scale, n_classes):
    rng = np.random.RandomState(seed)
    logits = np.zeros((7, n_classes))
    logits[:, 1:] = scale * rng.uniform(-1, 1, size=(7, n_classes - 1))
    y = rng.randint(n_classes, size=7)
    eta = torch.tensor(logits[:, 1:], requires_grad=True)
    found = nn.softmax_log_likelihood(torch.tensor(y), eta)
    expected = log_softmax(logits, axis=1)[np.arange(7), y]
    np.testing.assert_allclose(found.detach().numpy(), expected, 1e-12, 1e-12)
    found.sum().backward()
    gradient = np.eye(n_classes)[y] - softmax(logits, axis=1)
    np.testing.assert_allclose(eta.grad.numpy(), gradient[:, 1:], atol=1e-12)


def test_two_classes_are_bernoulli():
    y, eta = torch.tensor([0.0, 1.0, 1.0]), torch.tensor([[0.3], [-2.0], [40.0]])
    np.testing.assert_allclose(
        nn.softmax_log_likelihood(y, eta).numpy(),
        nn.bernoulli_log_likelihood(y, eta[:, 0]).numpy(),
        rtol=1e-6,
        atol=1e-7,
    )


@given(SEEDS, SCALES)
def test_choices(seed, scale):
    rng = np.random.RandomState(seed)
    sets = np.repeat([2, 0, 1, 4], [1, 2, 3, 5])  # no set 3
    eta = scale * rng.uniform(-1, 1, size=len(sets))
    y, expected, gradient = np.zeros(11), np.zeros(11), np.zeros(11)
    for number in np.unique(sets):
        rows = np.flatnonzero(sets == number)
        chosen = rng.choice(rows)
        y[chosen] = 1.0
        expected[chosen] = log_softmax(eta[rows])[rows == chosen][0]
        gradient[rows] = (rows == chosen) - softmax(eta[rows])
    order = rng.permutation(11)
    at = torch.tensor(eta[order], requires_grad=True)
    found = nn.choice_log_likelihood(
        torch.tensor(y[order]), at, torch.tensor(sets[order])
    )
    np.testing.assert_allclose(found.detach().numpy(), expected[order], 1e-12, 1e-12)
    found.sum().backward()
    np.testing.assert_allclose(at.grad.numpy(), gradient[order], atol=1e-12)


def test_curvature_of_a_choice():
    sets = torch.tensor([0, 0, 0])
    y = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    eta = torch.tensor([0.2, -1.0, 3.0], dtype=torch.float64)

    def total(x):
        return nn.choice_log_likelihood(y, x, sets).sum()

    p = softmax(eta.numpy())
    found = torch.autograd.functional.hessian(total, eta).numpy()
    np.testing.assert_allclose(found, np.outer(p, p) - np.diag(p), atol=1e-14)


def test_no_choices():
    empty = torch.zeros(0)
    assert nn.choice_log_likelihood(empty, empty, empty.long()).shape == (0,)


@given(SEEDS, SCALES)
def test_independent_labels(seed, scale):
    rng = np.random.RandomState(seed)
    y, eta = rng.randint(2, size=(4, 3)) * 1.0, scale * rng.uniform(-1, 1, (4, 3))
    found = nn.bernoulli_log_likelihood(torch.tensor(y), torch.tensor(eta))
    np.testing.assert_allclose(
        found.numpy(), log_expit((2 * y - 1) * eta), 1e-12, 1e-300
    )


def test_errors():
    with pytest.raises(ValueError, match=r"eta must have shape.*Got eta \(3,\)"):
        nn.softmax_log_likelihood(torch.zeros(3), torch.zeros(3))
    with pytest.raises(ValueError, match=r"y shape \(n,\).*y \(2,\)"):
        nn.softmax_log_likelihood(torch.zeros(2), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"same shape.*sets \(2,\)"):
        nn.choice_log_likelihood(torch.zeros(3), torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match=r"same shape.*y \(3,\) and eta \(3, 2\)"):
        nn.bernoulli_log_likelihood(torch.zeros(3), torch.zeros(3, 2))
