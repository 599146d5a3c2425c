"""Sparse crossed factors at a real size: lme4's InstEval, 73,421 ratings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Normal
from bead_sklearn.solvers import DenseBlock, Design, SolverOptions, fit_mixed_model

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "mixed"


@pytest.fixture(scope="module")
def ratings(golden):
    return pd.read_csv(golden / "data" / "insteval.csv")


def factor(name, ids):
    levels, codes = np.unique(ids, return_inverse=True)
    ones = np.ones((len(codes), 1))
    structure = full_covariance(np.ones(1))
    return RandomFactor(name, codes, len(levels), ones, structure, ("1",))


def polynomials(values):
    """Orthonormal polynomial contrasts of an ordered factor, as in R."""
    levels, codes = np.unique(values, return_inverse=True)
    powers = np.vander(np.arange(len(levels)) * 1.0, increasing=True)
    basis, triangle = np.linalg.qr(powers)
    return (basis * np.sign(np.diagonal(triangle)))[codes, 1:]


def test_students_lecturers_and_departments(ratings, golden):
    service = ratings["service"].to_numpy()
    together = ratings["dept"].astype(str) + ":" + service.astype(str)
    X = np.column_stack([np.ones(len(ratings)), service])
    factors = (
        factor("dept:service", together),
        factor("d", ratings["d"]),
        factor("s", ratings["s"]),
    )
    check(golden, "insteval_s_d_deptservice_REML", ratings, X, factors)


def test_ordered_covariates(ratings, golden):
    X = np.column_stack(
        [
            np.ones(len(ratings)),
            ratings["service"],
            polynomials(ratings["lectage"]),
            polynomials(ratings["studage"]),
        ]
    )
    factors = tuple(factor(name, ratings[name]) for name in ("s", "d", "dept"))
    check(golden, "insteval_lmmnn_REML", ratings, X, factors)


def check(golden, name, ratings, X, factors):
    expected = json.loads((golden / f"{name}.json").read_text())
    y = ratings["y"].to_numpy(float)
    design = Design(len(y), DenseBlock(X), None, factors)
    options = SolverOptions(reml=True)
    found = fit_mixed_model(design, Normal(), y, np.ones(len(y)), options)
    assert found.log_likelihood == pytest.approx(expected["logLik"], abs=1e-4)
    posterior = found.posterior
    np.testing.assert_allclose(
        posterior.fixed, list(expected["fixef"].values()), atol=1e-5
    )
    np.testing.assert_allclose(
        np.sqrt(np.diagonal(posterior.fixed_covariance())),
        list(expected["se"].values()),
        rtol=1e-4,
    )
    assert found.sigma == pytest.approx(expected["sigma"], rel=1e-5)
    for part in expected["varcomp"]:
        index = posterior.factor_names.index(part["group"])
        [variance] = part["G"]["values"]
        assert posterior.covariances[index][0, 0] == pytest.approx(variance, rel=1e-3)
        modes = expected["ranef"][part["group"]]["values"]
        if part["group"] in ("s", "d"):  # R sorts the others' names differently
            np.testing.assert_allclose(
                posterior.modes[index][: len(modes), 0], np.ravel(modes), atol=1e-4
            )
