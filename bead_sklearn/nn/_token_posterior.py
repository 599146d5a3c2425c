"""Effects of participants on tokens: modes, and the likelihood of their variance.

A participant g is biased towards some tokens of a language model,

    P(token k | text so far, g) = softmax(f + a + s v_g)_k,   v_g ~ N(0, I),

with f what the model says, a what all participants share and s one standard
deviation. The biases are integrated out by the Laplace approximation, with all
covariances between the tokens of a participant. At the mode, with S the inverse of the
negative Hessian in v and C the derivative of its log-determinant in a,

    d log L / d a     = sum_g (G - S C / 2),
    d log L / d log s = sum_g (v'v - K + tr S - s v' S C),

where G is the derivative of the log-likelihood in a at the mode.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

_MAX_NEWTON, _MAX_HALVINGS = 60, 30
#: The mode is found when a Newton step would raise no density by more.
_SMALLEST_GAIN = 1e-12

#: Range of the standard deviation, in logits.
_RANGE = (1e-3, 30.0)
#: Below the first it may be none at all, which the second shows.
_SMALL, _TINY = 0.1, 0.01

#: Numbers of a chunk of participants, and a first guess of the shared biases' sd.
_MAX_ENTRIES = 4_000_000
_START_SHARED_SD, _SHARED_STEPS, _MAX_ITERATIONS = 1.0, 8, 30


@dataclass(frozen=True)
class TokenChoices:
    """Tokens that participants wrote, and what a language model said of each place.

    Attributes
    ----------
    logits : Tensor of shape (n, K + 1)
        Logits of the K tokens with biases; the last is that of all others together.
    chosen : ndarray of int of shape (n,)
        Which was written; K is one of the others.
    codes : ndarray of int of shape (n,)
        Participant of each place.
    weights : ndarray of shape (n,)
        How many times each place counts.
    """

    logits: Tensor
    chosen: np.ndarray
    codes: np.ndarray
    weights: np.ndarray

    @property
    def n_tokens(self) -> int:
        """Number of tokens with biases, K."""
        return int(self.logits.shape[1]) - 1


@dataclass(frozen=True)
class _Chunk:
    """Participants of similar numbers of places, padded by places of weight 0."""

    levels: np.ndarray
    logits: Tensor  # (B, T, K + 1)
    chosen: Tensor  # (B, T)
    weights: Tensor  # (B, T)
    given: Tensor  # (B, K): how often each token was written


@dataclass(frozen=True)
class _Point:
    """A chunk at some biases."""

    p: Tensor  # (B, T, K)
    log_likelihood: Tensor  # (B,)
    gradient: Tensor  # (B, K), in the biases


class _Curvature:
    """The negative Hessian in v, I + s^2 M, and products with its inverse.

    M is a diagonal minus a product with as many rows as there are places, so that the
    smaller of these and the number of tokens is what is factorised.
    """

    def __init__(self, p: Tensor, weights: Tensor, s: float) -> None:
        scaled = s * weights.sqrt()[..., None] * p
        self.diagonal_of_a = 1.0 + s**2 * (weights[..., None] * p).sum(dim=1)
        self.is_dual = p.shape[1] < p.shape[2]
        if self.is_dual:
            root = self.diagonal_of_a.rsqrt()
            q = scaled * root[:, None]
            inner = torch.eye(p.shape[1]).to(p) - q @ q.transpose(1, 2)
            lower = torch.linalg.cholesky(inner)
            z = torch.linalg.solve_triangular(lower, q, upper=False)
            self._root, self._z = root, z
            self.diagonal = root**2 * (1.0 + (z**2).sum(dim=1))
            self.log_det = self.diagonal_of_a.log().sum(dim=1)
        else:
            whole = torch.diag_embed(self.diagonal_of_a)
            lower = torch.linalg.cholesky(whole - scaled.transpose(1, 2) @ scaled)
            self._inverse = torch.cholesky_inverse(lower)
            self.diagonal = self._inverse.diagonal(dim1=1, dim2=2)
            self.log_det = torch.zeros(len(p)).to(p)
        own = lower.diagonal(dim1=1, dim2=2)
        self.log_det = self.log_det + 2.0 * own.log().sum(dim=1)

    def solve(self, x: Tensor) -> Tensor:
        """Return S x for vectors in the rows of (B, m, K)."""
        if not self.is_dual:
            return x @ self._inverse
        x = x * self._root[:, None]
        x = x + (x @ self._z.transpose(1, 2)) @ self._z
        return x * self._root[:, None]


class TokenPosterior:
    """Posterior of token biases given a standard deviation and shared biases.

    Parameters
    ----------
    choices : TokenChoices
        What was written.
    n_levels : int
        Number of participants; those who wrote nothing stay at 0.
    device : str, default="cpu"
        Where it is computed, in double precision.
    """

    def __init__(
        self, choices: TokenChoices, n_levels: int, device: str = "cpu"
    ) -> None:
        self.n_tokens, self.n_levels = choices.n_tokens, n_levels
        self.device = torch.device(device)
        self.chunks = list(_make_chunks(choices, self.device))
        self.total = max(float(choices.weights.sum()), 1.0)
        self.v = torch.zeros(n_levels, self.n_tokens, dtype=torch.float64)
        self.v = self.v.to(self.device)

    def evaluate(self, s: float, shared: np.ndarray) -> tuple[float, float, np.ndarray]:
        """Return the marginal log-likelihood and its derivatives.

        Parameters
        ----------
        s : float
            Standard deviation of the biases.
        shared : ndarray of shape (K,)
            Biases that all participants share.

        Returns
        -------
        log_likelihood : float
            By Laplace, summed over participants.
        by_log_s : float
            Its derivative in log(s).
        by_shared : ndarray of shape (K,)
            Its derivatives in the shared biases.
        """
        a = torch.as_tensor(shared, dtype=torch.float64, device=self.device)
        value = by_s = 0.0
        by_shared = torch.zeros_like(a)
        for chunk in self.chunks:
            at = torch.as_tensor(chunk.levels, device=self.device)
            v, point, curvature = self._mode(chunk, s, a, self.v[at])
            self.v[at] = v
            p, w = point.p, chunk.weights[..., None]
            diagonal = curvature.diagonal[:, None]
            sp = curvature.solve(p)
            mean = (p * diagonal).sum(dim=2, keepdim=True)
            inner = (p * sp).sum(dim=2, keepdim=True)
            third = p * (diagonal - mean - 2.0 * (sp - inner))
            moved = curvature.solve(s**2 * (w * third).sum(dim=1, keepdim=True))[:, 0]
            squares = (v**2).sum(dim=1)
            value += float(
                (point.log_likelihood - 0.5 * squares - 0.5 * curvature.log_det).sum()
            )
            gain = squares - self.n_tokens + curvature.diagonal.sum(dim=1)
            by_s += float((gain - s * (v * moved).sum(dim=1)).sum())
            by_shared += (point.gradient - 0.5 * moved).sum(dim=0)
        return value, by_s, by_shared.cpu().numpy()

    def moments(self, s: float, shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return modes and variances of the biases, each (n_levels, K)."""
        a = torch.as_tensor(shared, dtype=torch.float64, device=self.device)
        variances = torch.full_like(self.v, s**2)
        for chunk in self.chunks:
            at = torch.as_tensor(chunk.levels, device=self.device)
            self.v[at], _, curvature = self._mode(chunk, s, a, self.v[at])
            variances[at] = s**2 * curvature.diagonal
        return (s * self.v).cpu().numpy(), variances.cpu().numpy()

    def information(self, s: float, shared: np.ndarray) -> np.ndarray:
        """Return what is known of each shared bias by itself, at the last modes."""
        a = torch.as_tensor(shared, dtype=torch.float64, device=self.device)
        total = torch.zeros_like(a)
        for chunk in self.chunks:
            v = self.v[torch.as_tensor(chunk.levels, device=self.device)]
            p = self._point(chunk, a + s * v).p
            own = (chunk.weights[..., None] * p * (1.0 - p)).sum(dim=1)
            total += (own / (1.0 + s**2 * own)).sum(dim=0)
        return total.cpu().numpy()

    def _point(self, chunk: _Chunk, bias: Tensor) -> _Point:
        eta = chunk.logits.clone()
        eta[..., :-1] += bias[:, None]
        log_p = eta.log_softmax(dim=2)
        chosen = log_p.gather(2, chunk.chosen[..., None])[..., 0]
        p = log_p[..., :-1].exp()
        value = torch.where(chunk.weights > 0, chunk.weights * chosen, 0.0).sum(dim=1)
        gradient = chunk.given - (chunk.weights[..., None] * p).sum(dim=1)
        return _Point(p, value, gradient)

    def _mode(
        self, chunk: _Chunk, s: float, a: Tensor, v: Tensor
    ) -> tuple[Tensor, _Point, _Curvature]:
        """Find the modes of a chunk by Newton's method; the density is log-concave."""
        point = self._point(chunk, a + s * v)
        height = point.log_likelihood - 0.5 * (v**2).sum(dim=1)
        for _ in range(_MAX_NEWTON):
            curvature = _Curvature(point.p, chunk.weights, s)
            slope = s * point.gradient - v
            step = curvature.solve(slope[:, None])[:, 0]
            if float((slope * step).sum(dim=1).max()) < _SMALLEST_GAIN:
                return v, point, curvature
            share = torch.ones_like(height)
            for _ in range(_MAX_HALVINGS):
                new_v = v + share[:, None] * step
                new = self._point(chunk, a + s * new_v)
                new_height = new.log_likelihood - 0.5 * (new_v**2).sum(dim=1)
                worse = ~(new_height >= height - 1e-11 * height.abs().clamp(min=1.0))
                if not bool(worse.any()):
                    break
                share = torch.where(worse, 0.5 * share, share)
            else:  # within rounding of the mode
                return v, point, curvature
            v, point, height = new_v, new, new_height
        return v, point, _Curvature(point.p, chunk.weights, s)


@dataclass(frozen=True)
class TokenFit:
    """What was estimated of token biases.

    Attributes
    ----------
    sd : float
        Standard deviation of the biases of participants; 0 where the data show none.
    shared : ndarray of shape (K,)
        Biases that all participants share.
    shared_sd : float
        Standard deviation of their prior.
    log_likelihood : float
        Marginal, by Laplace.
    """

    sd: float
    shared: np.ndarray
    shared_sd: float
    log_likelihood: float


def fit_tokens(
    posterior: TokenPosterior,
    s: float,
    *,
    shared: np.ndarray | None = None,
    estimate: bool = True,
    shared_sd: float | None = 0.0,
    max_iter: int | None = None,
) -> TokenFit:
    """Maximise the marginal likelihood.

    Parameters
    ----------
    posterior : TokenPosterior
        Of the participants who tell.
    s : float
        Standard deviation at the start, or the one that is held.
    shared : ndarray of shape (K,), default=None
        Shared biases at the start; None is 0.
    estimate : bool, default=True
        Whether the standard deviation is estimated.
    shared_sd : float or None, default=0.0
        Standard deviation of the prior of shared biases: 0 has none; None estimates
        it by EM steps that take the shared biases as independent of each other.
    max_iter : int, default=None
        Iterations after which the search ends; None is when it has converged.

    Returns
    -------
    fit : TokenFit
        At the maximum.
    """
    k = posterior.n_tokens
    estimate = estimate and bool(posterior.chunks)
    has_shared = shared_sd != 0.0 and bool(posterior.chunks)
    a = np.zeros(k)
    if has_shared and shared is not None:
        a = np.array(shared, dtype=np.float64)
    tau = _START_SHARED_SD if shared_sd is None else float(shared_sd)
    n_own = int(estimate)

    def read(x: np.ndarray) -> tuple[float, np.ndarray]:
        return (float(np.exp(x[0])) if estimate else s), (
            x[n_own:] if has_shared else a
        )

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        at, own = read(x)
        value, by_log_s, by_shared = posterior.evaluate(at, own)
        gradient = [np.full(n_own, by_log_s)]
        if has_shared:
            value -= 0.5 * float(own @ own) / tau**2
            gradient.append(by_shared - own / tau**2)
        return -value / posterior.total, -np.concatenate(gradient) / posterior.total

    x = np.full(n_own, np.clip(np.log(max(s, _RANGE[0])), *np.log(_RANGE)))
    if has_shared:
        x = np.append(x, a)
    limits = [tuple(np.log(_RANGE))] * n_own + [(None, None)] * (len(x) - n_own)
    for _ in range(_SHARED_STEPS if shared_sd is None and max_iter is None else 1):
        if not len(x):
            break
        x = optimize.minimize(
            loss,
            x,
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options={"maxiter": max_iter or _MAX_ITERATIONS, "ftol": 1e-8},
        ).x
        if not has_shared or shared_sd is not None:
            break
        at, own = read(x)
        variance = 1.0 / (posterior.information(at, own) + tau**-2)
        before, tau = tau, float(np.sqrt(np.mean(own**2 + variance)))
        if abs(tau - before) < 0.01 * before:
            break
    s, a = read(x)
    # In log(s) the likelihood is flat near 0: its slope says whether 0 is the maximum.
    if estimate and s < _SMALL and posterior.evaluate(_TINY, a)[1] <= 0.0:
        s = 0.0
    value, _, _ = posterior.evaluate(s, a)
    return TokenFit(s, a, tau if has_shared else 0.0, value)


def _make_chunks(choices: TokenChoices, device: torch.device) -> Iterator[_Chunk]:
    """Gather the places of each participant; chunks are padded and of bounded size."""
    counted = np.flatnonzero((choices.weights > 0) & (choices.codes >= 0))
    if not len(counted):
        return
    order = counted[np.argsort(choices.codes[counted], kind="stable")]
    levels, starts, sizes = np.unique(
        choices.codes[order], return_index=True, return_counts=True
    )
    by_size = np.argsort(sizes, kind="stable")
    begin = 0
    while begin < len(levels):
        end = begin + 1
        while end < len(levels):
            width = int(sizes[by_size[end]])
            if (end + 1 - begin) * width * (choices.n_tokens + 1) > _MAX_ENTRIES:
                break
            end += 1
        part = by_size[begin:end]
        width = int(sizes[part[-1]])
        place = starts[part][:, None] + np.arange(width)
        real = np.arange(width) < sizes[part][:, None]
        rows = order[np.where(real, place, starts[part][:, None])]
        weights = np.where(real, choices.weights[rows], 0.0)
        chosen = torch.as_tensor(choices.chosen[rows], device=device)
        w = torch.as_tensor(weights, dtype=torch.float64, device=device)
        logits = choices.logits[torch.as_tensor(rows.ravel())]
        logits = logits.to(device, torch.float64).reshape(*rows.shape, -1)
        given = torch.zeros(
            len(part), choices.n_tokens + 1, dtype=torch.float64, device=device
        ).scatter_add_(1, chosen, w)
        yield _Chunk(levels[part], logits, chosen, w, given[:, :-1])
        begin = end
