"""Training a network through the marginal likelihood of a mixed model.

    y_i ~ family(f(x_i) + u_g),   u_g ~ N(0, sigma_u^2),

f a network. Mini-batches hold whole groups (large ones in pieces), and what the network
receives is rho = dLL/df, the exact gradient of the marginal likelihood of the batch:
``f.backward(-rho)``. Between epochs the intercept and the variances are profiled on all
training rows. The epoch with the best validation loss wins; then the last layer and the
variances are refitted by the solver on the features of the layer before it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import optimize
from torch import nn

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli, Family, Normal
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    MixedModelFit,
    SolverOptions,
    fit_mixed_model,
)
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._quadrature import QuadratureObjective

#: Nodes of the quadrature where the family is not normal.
_NODES_TRAINING = 5
_NODES_PROFILE = 9


@dataclass
class Groups:
    """Rows with inputs, responses and group codes."""

    X: torch.Tensor
    y: np.ndarray
    codes: np.ndarray
    n_groups: int

    def take(self, rows: np.ndarray) -> Groups:
        """Return some rows; groups keep their codes."""
        return Groups(self.X[rows], self.y[rows], self.codes[rows], self.n_groups)


@dataclass
class GroupTrainer:
    """Trains a network with one random intercept per group.

    Attributes
    ----------
    body : nn.Module
        From inputs to features.
    head : nn.Linear
        From features to f.
    family : Family
        ``Normal`` or ``Bernoulli``.
    batch_size, max_epochs, patience, learning_rate :
        As usual.
    max_seconds : float
        CPU seconds after which no further epoch begins.
    seed : int
        Order of the batches.
    """

    body: nn.Module
    head: nn.Linear
    family: Family
    batch_size: int = 128
    max_epochs: int = 200
    patience: int = 10
    learning_rate: float = 1e-3
    max_seconds: float = float("inf")
    seed: int = 0
    sd: float = 1.0
    history: list[dict] = field(default_factory=list)

    def fit(self, train: Groups, validation: Groups) -> GroupTrainer:
        """Train; the network of the best epoch stays."""
        rng = np.random.default_rng(self.seed)
        parameters = [*self.body.parameters(), *self.head.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
        start, best, kept, bad = time.process_time(), np.inf, self._state(), 0
        for epoch in range(self.max_epochs):
            self._train()
            for rows, pieces in self._batches(train, rng):
                f = self.head(self.body(train.X[rows]))[:, 0]
                rho = self._rho(f.detach().double().numpy(), train.y[rows], pieces)
                optimizer.zero_grad()
                f.backward(torch.from_numpy(-rho / len(rows)).to(f.dtype))
                optimizer.step()
            effects = self._profile(train)
            eta = self.predict(validation.X) + effects[validation.codes]
            loss = -float(self.family.derivatives(validation.y, eta)[0].mean())
            self.history.append({"epoch": epoch, "loss": loss, "sd": self.sd})
            if loss < best - 1e-5:
                best, kept, bad = loss, self._state(), 0
            else:
                bad += 1
            if bad >= self.patience or time.process_time() - start > self.max_seconds:
                break
        self._restore(kept)
        return self

    def predict(self, X: torch.Tensor) -> np.ndarray:
        """Return f, without effects."""
        self._train(False)
        with torch.no_grad():
            return self.head(self.body(X))[:, 0].double().numpy()

    def features(self, X: torch.Tensor) -> np.ndarray:
        """Return what the last layer sees."""
        self._train(False)
        with torch.no_grad():
            return self.body(X).double().numpy()

    def refit(self, rows: Groups) -> MixedModelFit:
        """Fit last layer and variances by the solver; features stay."""
        features = self.features(rows.X)
        features = features[:, features.std(axis=0) > 1e-6]
        X = np.column_stack([np.ones(len(features)), features])
        return _fit_groups(self.family, rows, X)

    def sd_given(self, f: np.ndarray, rows: Groups) -> float:
        """Estimate the sd of the effects given f up to shift and scale."""
        X = np.column_stack([np.ones(len(f)), f])
        found = _fit_groups(self.family, rows, X)
        return float(np.sqrt(found.posterior.covariances[0][0, 0]))

    def _train(self, mode: bool = True) -> None:
        self.body.train(mode)
        self.head.train(mode)

    def _state(self):
        parts = (self.body, self.head)
        states = [{k: v.clone() for k, v in p.state_dict().items()} for p in parts]
        return states, self.sd, self.family

    def _restore(self, state) -> None:
        states, self.sd, self.family = state
        for part, values in zip((self.body, self.head), states, strict=True):
            part.load_state_dict(values)

    def _batches(self, train: Groups, rng: np.random.Generator):
        """Yield rows and the piece of a group that each belongs to."""
        shuffled = rng.permutation(len(train.y))
        rank = rng.permutation(train.n_groups)
        order = shuffled[np.argsort(rank[train.codes[shuffled]], kind="stable")]
        codes = train.codes[order]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        within = np.arange(len(codes)) - np.repeat(
            starts, np.diff(np.append(starts, len(codes)))
        )
        new_piece = within % self.batch_size == 0
        piece = np.cumsum(new_piece) - 1
        firsts = np.flatnonzero(new_piece)
        # Batches end where a piece ends, once they are full; large groups come in
        # several pieces that lie apart.
        sizes = np.diff(np.append(firsts, len(codes)))
        batch, filled, of_piece = 0, 0, np.empty(len(firsts), dtype=int)
        visit = rng.permutation(len(firsts))
        for index in visit:
            of_piece[index] = batch
            filled += sizes[index]
            if filled >= self.batch_size:
                batch, filled = batch + 1, 0
        by_batch = np.argsort(of_piece[piece], kind="stable")
        ends = np.flatnonzero(np.diff(of_piece[piece][by_batch])) + 1
        for members in np.split(by_batch, ends):
            yield order[members], np.unique(piece[members], return_inverse=True)[1]

    def _rho(self, f: np.ndarray, y: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Derivative of the marginal log-likelihood of a batch in f."""
        factor = _factor(codes, int(codes.max()) + 1)
        empty = DenseBlock(np.zeros((len(f), 0)))
        design = Design(len(f), empty, None, (factor,), offset=f)
        nothing, theta = np.zeros(0), factor.structure.from_sds(np.array([self.sd]))
        if isinstance(self.family, Normal):
            objective = _laplace(design, self.family, y)
            objective(nothing, theta, self.family.parameters)
            return objective.rho
        objective = QuadratureObjective(
            design, self.family, y, np.ones(len(y)), _NODES_TRAINING
        )
        objective(nothing, theta, self.family.parameters)
        return objective.laplace.rho

    def _profile(self, train: Groups) -> np.ndarray:
        """Set intercept and variances to their best values given f; return effects."""
        f = self.predict(train.X)
        if isinstance(self.family, Normal):
            residuals = Groups(train.X, train.y - f, train.codes, train.n_groups)
            found = _fit_groups(self.family, residuals, np.ones((len(f), 1)))
            shift = float(found.posterior.fixed[0])
            self.family = Normal(found.sigma)
            self.sd = float(np.sqrt(found.posterior.covariances[0][0, 0]))
            effects = found.posterior.effects[0][:, 0]
        else:
            shift, effects = self._profile_offset(train, f)
        with torch.no_grad():
            self.head.bias += shift
        return effects

    def _profile_offset(self, train: Groups, f: np.ndarray) -> tuple[float, np.ndarray]:
        factor = _factor(train.codes, train.n_groups)
        ones = DenseBlock(np.ones((len(f), 1)))
        design = Design(len(f), ones, None, (factor,), offset=f)
        objective = QuadratureObjective(
            design, self.family, train.y, np.ones(len(f)), _NODES_PROFILE
        )
        scale = np.array([2.0 / np.sqrt(len(f)), 1.0 / np.sqrt(2.0 * train.n_groups)])

        def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
            shift, sd = x * scale
            value, by_fixed, by_theta, _ = objective(
                np.array([shift]), np.array([sd]), self.family.parameters
            )
            return -value, -scale * np.array([by_fixed[0], by_theta[0]])

        found = optimize.minimize(
            negative,
            np.array([0.0, self.sd]) / scale,
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None), (1e-3 / scale[1], None)],
            options={"maxiter": 8, "gtol": 1e-2},
        )
        shift, self.sd = map(float, found.x * scale)
        negative(found.x)
        laplace = objective.laplace
        effects = (laplace.own - 0.5 * laplace.own_skew)[:, 0] * self.sd
        return shift, effects


def _factor(codes: np.ndarray, n_groups: int) -> RandomFactor:
    z, structure = np.ones((len(codes), 1)), full_covariance(np.ones(1))
    return RandomFactor("group", codes, n_groups, z, structure, ("(Intercept)",))


def _laplace(design: Design, family: Family, y: np.ndarray) -> LaplaceObjective:
    weights = np.ones(len(y))
    return LaplaceObjective(design, family, y, weights, with_fixed=False, reml=False)


def _fit_groups(family: Family, rows: Groups, X: np.ndarray) -> MixedModelFit:
    factor = _factor(rows.codes, rows.n_groups)
    design = Design(len(X), DenseBlock(X), None, (factor,))
    normal = isinstance(family, Normal)
    options = SolverOptions(reml=normal, n_quadrature=1 if normal else _NODES_PROFILE)
    fresh = Normal() if normal else Bernoulli()
    return fit_mixed_model(design, fresh, rows.y, np.ones(len(X)), options)
