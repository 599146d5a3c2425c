"""Log-likelihoods of the families as torch expressions, for training by gradients."""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch import Tensor

from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    ConditionalLogit,
    Cumulative,
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
from bead_sklearn.nn._choices import choice_log_likelihood, softmax_log_likelihood
from bead_sklearn.nn._interval import (
    LOG_SQRT_2PI,
    Interval,
    log_expit,
    logistic_log_mass,
    normal_log_mass,
    normal_mass,
)
from bead_sklearn.nn._parameters import learned_parameters


def log_likelihood(
    family: Family, y: Tensor, eta: Tensor, parameters: Tensor | None = None
) -> Tensor:
    """Return the log-likelihood of each observation, differentiable in ``eta``.

    It equals ``family.derivatives(y, eta).log_likelihood``; its derivatives of every
    order stay finite wherever ``eta`` is. Weights, such as binomial counts, multiply
    the result.

    Parameters
    ----------
    family : Family
        The response distribution.
    y : Tensor of shape (n,) or (n, n_outputs)
        Responses as the family encodes them, of any type. Those between 0 and 1 may
        be double where ``eta`` is single, so that none is rounded to 1.
    eta : Tensor of shape (n,) or (n, n_outputs)
        Linear predictor.
    parameters : Tensor of shape (k,), default=None
        Values of the family's own parameters on their unbounded scale, in the order of
        :func:`learned_parameters`; those of ``family`` if None. Gradients flow to them.

    Returns
    -------
    log_likelihood : Tensor of shape (n,)
        One value per observation.

    Raises
    ------
    TypeError
        If the family is of an unknown kind.
    ValueError
        If the shapes of ``y``, ``eta`` or ``parameters`` do not agree.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.families import Bernoulli
    >>> from bead_sklearn.nn import log_likelihood
    >>> eta = torch.zeros(2, requires_grad=True)
    >>> log_likelihood(Bernoulli(), torch.tensor([1.0, 0.0]), eta).sum().backward()
    >>> eta.grad
    tensor([ 0.5000, -0.5000])
    """
    values = learned_parameters(family)
    if parameters is None:
        parameters = torch.as_tensor(values, dtype=eta.dtype, device=eta.device)
    if parameters.shape != values.shape:
        raise ValueError(
            f"parameters must have shape {values.shape} for the family "
            f"{family.name!r}. Got {tuple(parameters.shape)}."
        )
    return twin(family, y.to(eta.device), eta, parameters)


@singledispatch
def twin(family: Family, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    """Return the log-likelihood of one kind of family; register others here."""
    raise TypeError(
        f"The family {family!r} has no log-likelihood in torch. Register one with "
        "bead_sklearn.nn.twin.register."
    )


def _check_shapes(y: Tensor, eta: Tensor) -> None:
    if y.shape != eta.shape:
        raise ValueError(
            "y and eta must have the same shape. Got y "
            f"{tuple(y.shape)} and eta {tuple(eta.shape)}."
        )


def _match(y: Tensor, eta: Tensor) -> Tensor:
    """Return ``y`` in the type of ``eta``."""
    _check_shapes(y, eta)
    return y.to(eta)


def _log_sigma(
    family: Normal | LogNormal | TruncatedNormal, eta: Tensor, parameters: Tensor
) -> Tensor:
    """Return log(sigma), which is a parameter unless it is known."""
    if family.fixed:
        return eta.new_tensor(math.log(family.sigma))
    if isinstance(family, TruncatedNormal) and family._least > 0:
        least, most = parameters.new_tensor((family._least, family._most)).log()
        beyond = -torch.logaddexp(-2.0 * parameters[0], -2.0 * most)
        return 0.5 * torch.logaddexp(beyond, 2.0 * least)
    return parameters[0]


def _log_precision(family: Beta | OrderedBeta, parameter: Tensor) -> Tensor:
    """Return log(phi) of the beta distribution, which fits keep below a bound."""
    if family._least == 0:
        return parameter
    floor = parameter.new_tensor(math.log(family._least))
    return -torch.logaddexp(-parameter, floor)


def bernoulli_log_likelihood(y: Tensor, eta: Tensor) -> Tensor:
    """Return y log F(eta) + (1 - y) log F(-eta), F logistic, entry by entry.

    Parameters
    ----------
    y, eta : Tensor of any shape
        Responses 0 or 1, or shares of ones, and logits.

    Returns
    -------
    log_likelihood : Tensor
        In the same shape; the sum over the last axis is that of a row of independent
        labels.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import bernoulli_log_likelihood
    >>> labels = torch.tensor([[1.0, 0.0, 1.0]])
    >>> bernoulli_log_likelihood(labels, torch.zeros(1, 3)).sum(dim=1).exp()
    tensor([0.1250])
    """
    y = _match(y, eta)
    return y * log_expit(eta) + (1.0 - y) * log_expit(-eta)


@twin.register
def _(family: Bernoulli, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    return bernoulli_log_likelihood(y, eta)


@twin.register
def _(family: BernoulliProbit, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    y = _match(y, eta)
    lower = (1.0 - 2.0 * y) * eta
    yes = torch.ones_like(eta, dtype=torch.bool)
    return normal_log_mass(Interval(lower, lower, torch.ones_like(eta), ~yes, yes))


@twin.register
def _(family: Normal, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    y = _match(y, eta)
    log_sigma = _log_sigma(family, eta, parameters)
    z = (y - eta) * torch.exp(-log_sigma)
    return -0.5 * z**2 - log_sigma - LOG_SQRT_2PI


@twin.register
def _(family: LogNormal, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    y = _match(y, eta)
    log_y = torch.log(y)
    log_sigma = _log_sigma(family, eta, parameters)
    z = (log_y - eta) * torch.exp(-log_sigma)
    return -0.5 * z**2 - log_sigma - LOG_SQRT_2PI - log_y


@twin.register
def _(family: CumulativeLogit, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    return logistic_log_mass(_category_interval(family, y, eta, parameters))


@twin.register
def _(family: CumulativeProbit, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    return normal_log_mass(_category_interval(family, y, eta, parameters))


def _category_interval(
    family: Cumulative, y: Tensor, eta: Tensor, parameters: Tensor
) -> Interval:
    """Interval of the latent scale that each response stands for, less ``eta``."""
    y = _match(y, eta)
    n_distances = family.n_categories - 2
    distances = torch.exp(parameters[1:])
    if family.equidistant:
        distances = distances.expand(n_distances)
    cuts = parameters[0] + torch.cat([distances.new_zeros(1), distances.cumsum(0)])
    category = y.long()
    inner = (category - 1).clamp(0, max(n_distances - 1, 0))
    return Interval(
        cuts[category.clamp(max=n_distances)] - eta,
        cuts[(category - 1).clamp(min=0)] - eta,
        distances[inner] if n_distances else torch.ones_like(eta),
        category <= n_distances,
        category > 0,
    )


@twin.register
def _(family: TruncatedNormal, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    """Return the log-density, near an end of the interval relative to that end.

    Where eta is outside, (y - eta)^2 and log P are large and nearly equal.
    """
    y = _match(y, eta)
    log_sigma = _log_sigma(family, eta, parameters)
    scale = torch.exp(-log_sigma)
    has_upper, has_lower = math.isfinite(family.upper), math.isfinite(family.lower)
    upper = family.upper if has_upper else family.lower
    lower = family.lower if has_lower else family.upper
    width = scale * (upper - lower) if has_upper and has_lower else scale
    interval = Interval(
        (upper - eta) * scale,
        (lower - eta) * scale,
        width.expand(eta.shape),
        torch.full_like(eta, has_upper, dtype=torch.bool),
        torch.full_like(eta, has_lower, dtype=torch.bool),
    )
    mass = normal_mass(interval)
    distance = torch.where(mass.flip, upper - y, y - lower) * scale
    z = torch.where(mass.is_near, torch.zeros_like(eta), (y - eta) * scale)
    near = -distance * (0.5 * distance + mass.edge) - mass.log_integral
    central = -0.5 * z**2 - LOG_SQRT_2PI - mass.log_probability
    return torch.where(mass.is_near, near, central) - log_sigma


@twin.register
def _(family: Beta, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    _check_shapes(y, eta)
    return _beta_log_density(y, eta, _log_precision(family, parameters[0]))


@twin.register
def _(family: OrderedBeta, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    _check_shapes(y, eta)
    at_zero, at_one = y <= 0.0, y >= 1.0
    has_low, has_high = family.has_ends
    mass = torch.zeros_like(eta)
    if has_low or has_high:
        low, width = parameters[0] - eta, torch.ones_like(eta)
        if has_low and has_high:
            width = torch.exp(parameters[1]).expand(eta.shape)
        high = low + width if has_low and has_high else low
        mass = logistic_log_mass(
            Interval(
                torch.where(at_zero, low, high),
                torch.where(at_one, high, low),
                width,
                ~at_one & (at_zero | has_high),
                ~at_zero & (at_one | has_low),
            )
        )
    at_end = at_zero | at_one
    safe = torch.where(at_end, torch.full_like(y, 0.5), y)
    density = _beta_log_density(safe, eta, _log_precision(family, parameters[-1]))
    return mass + torch.where(at_end, torch.zeros_like(density), density)


def _beta_log_density(y: Tensor, eta: Tensor, log_phi: Tensor) -> Tensor:
    """Log-density of the beta distribution with mean F(eta), F logistic.

    log Gamma(x) = log Gamma(1 + x) - log x keeps shapes near 0 finite.
    """
    log_p, log_q = log_phi + log_expit(eta), log_phi + log_expit(-eta)
    p, q = torch.exp(log_p), torch.exp(log_q)
    return (
        torch.lgamma(torch.exp(log_phi))
        - (torch.lgamma(1.0 + p) - log_p)
        - (torch.lgamma(1.0 + q) - log_q)
        + (p - 1.0) * torch.log(y).to(eta)
        + (q - 1.0) * torch.log1p(-y).to(eta)
    )


@twin.register
def _(family: MultinomialLogit, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    return softmax_log_likelihood(y, eta)


@twin.register
def _(family: ConditionalLogit, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    sets = torch.as_tensor(family.sets, device=eta.device)
    return choice_log_likelihood(y, eta, sets)


@twin.register
def _(family: IndependentOutputs, y: Tensor, eta: Tensor, parameters: Tensor) -> Tensor:
    return twin(family.family, y, eta, parameters).sum(dim=-1)
