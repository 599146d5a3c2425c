"""Every engine behind one call: ``prepare(problem)`` returns the fit to be timed.

What an engine wants its data to look like is made before the clock starts; reading
them (formula, design, levels) belongs to the fit. A fit returns its log-likelihood,
None where the engine maximises something else, and standard deviations.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _problems import Problem

Fit = Callable[[], dict[str, Any]]


class AbsentError(Exception):
    """The engine is not installed, or has no such model."""


def _needs(package: str) -> None:
    if find_spec(package) is None:
        raise AbsentError(f"{package} is not installed")


def _for_families(problem: Problem, *families: str) -> None:
    if problem.family not in families:
        raise AbsentError(f"no {problem.family} family")


def our_solver(problem: Problem) -> Fit:
    """bead_sklearn's solver on a design."""
    from _designs import design, factor

    from bead_sklearn import families
    from bead_sklearn.solvers import SolverOptions, fit_mixed_model

    n_classes = int(problem.y.max()) + 1
    family = {
        "bernoulli": families.Bernoulli,
        "ordinal": lambda: families.CumulativeLogit(n_classes),
        "multinomial": lambda: families.MultinomialLogit(n_classes),
        "normal": families.Normal,
    }[problem.family]()
    n_outputs = n_classes - 1 if problem.family == "multinomial" else 1
    contrast = family.output_contrast() if n_outputs > 1 else None

    def fit() -> dict[str, Any]:
        factors = [
            factor(codes, name=name, contrast=contrast)
            for name, codes in problem.ids.items()
        ]
        parts = design(
            problem.X,
            *factors,
            intercept=family.has_intercept,
            n_outputs=n_outputs,
        )
        options = SolverOptions(reml=problem.reml)
        weights = np.ones(len(problem.y))
        found = fit_mixed_model(parts, family, problem.y, weights, options)
        covariances = dict(
            zip(found.posterior.factor_names, found.posterior.covariances, strict=True)
        )
        return {
            "log_likelihood": found.log_likelihood,
            "sds": [
                float(sd)
                for name in problem.ids
                for sd in np.sqrt(np.diagonal(covariances[name]))
            ],
        }

    return fit


#: Public estimator of each family.
_TASKS = {
    "bernoulli": "BinaryClassifier",
    "ordinal": "OrdinalScaleClassifier",
    "multinomial": "CategoricalClassifier",
    "normal": "MagnitudeRegressor",
}


def our_estimator(problem: Problem) -> Fit:
    """bead_sklearn's public estimator on a DataFrame, from formula to summary."""
    import bead_sklearn
    from bead_sklearn import MixedEffects

    task = getattr(bead_sklearn, _TASKS[problem.family], None)
    if task is None:
        raise AbsentError(f"no {_TASKS[problem.family]} yet")
    frame, y = problem.frame(with_response=False), problem.y
    if problem.family != "normal":
        y = y.astype(int)
    method = "reml" if problem.reml else "ml"

    def fit() -> dict[str, Any]:
        effects = MixedEffects(
            formula=problem.random_formula, variance_estimation_method=method
        )
        model = task(alpha=0, mixed_effects=effects).fit(frame, y)
        components = {
            part.grouping_factor: np.sqrt(np.ravel(part.variance)).tolist()
            for part in model.variance_components_
        }
        return {
            "log_likelihood": model.log_likelihood_,
            "sds": [sd for name in problem.ids for sd in components[name]],
        }

    return fit


def gpboost(problem: Problem, **options: Any) -> Fit:
    """GPBoost: gradients and Laplace in C++; ML only."""
    _needs("gpboost")
    _for_families(problem, "bernoulli", "normal")
    import gpboost as gpb
    import pandas as pd

    X = np.column_stack([np.ones(len(problem.X)), problem.X])
    ids = pd.DataFrame({k: codes.astype(str) for k, codes in problem.ids.items()})
    normal = problem.family == "normal"

    def fit() -> dict[str, Any]:
        model = gpb.GPModel(
            group_data=ids,
            likelihood="gaussian" if normal else "bernoulli_logit",
            num_parallel_threads=1,
            **options,
        )
        model.fit(y=problem.y, X=X)
        variances = np.asarray(model.get_cov_pars(std_err=False)).ravel()
        return {
            "log_likelihood": -float(model.get_current_neg_log_likelihood()),
            "sds": np.sqrt(variances[1 if normal else 0 :]).tolist(),
            "note": "ML" if problem.reml else "",
        }

    return fit


def gpboost_cholesky(problem: Problem) -> Fit:
    """GPBoost with exact factorisations instead of stochastic ones."""
    return gpboost(problem, matrix_inversion_method="cholesky")


def glmm(problem: Problem) -> Fit:
    """The package glmm (Rust)."""
    _needs("glmm")
    _for_families(problem, "bernoulli", "normal")
    import glmm

    frame = problem.frame()
    family = "gaussian" if problem.family == "normal" else "binomial"
    options = {"reml": problem.reml} if problem.family == "normal" else {}

    def fit() -> dict[str, Any]:
        found = glmm.fit(frame, problem.formula, family=family, **options)
        return {
            "log_likelihood": float(found.loglik),
            "sds": np.sqrt(np.asarray(found.tau2)).tolist(),
        }

    return fit


def mixedlm(problem: Problem) -> Fit:
    """The package mixedlm (Rust)."""
    _needs("mixedlm")
    _for_families(problem, "bernoulli", "normal")
    import mixedlm

    frame = problem.frame()

    def fit() -> dict[str, Any]:
        if problem.family == "normal":
            found = mixedlm.lmer(problem.formula, frame, REML=problem.reml)
            scale = float(found.get_sigma())
        else:
            binomial = mixedlm.families.Binomial()
            found = mixedlm.glmer(problem.formula, frame, family=binomial)
            scale = 1.0
        return {
            "log_likelihood": float(found.logLik().value),
            "sds": (scale * np.asarray(found.theta)).tolist(),
        }

    return fit


def statsmodels(problem: Problem, *, variational: bool) -> Fit:
    """statsmodels' Bayesian binomial model, by variational Bayes or at the mode."""
    _needs("statsmodels")
    _for_families(problem, "bernoulli")
    from scipy import sparse
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    n = len(problem.y)
    X = np.column_stack([np.ones(n), problem.X])
    levels = [int(codes.max()) + 1 for codes in problem.ids.values()]
    starts = np.concatenate([[0], np.cumsum(levels)])
    columns = [
        codes + start
        for codes, start in zip(problem.ids.values(), starts, strict=False)
    ]
    Z = sparse.csr_matrix(
        (
            np.ones(n * len(columns)),
            (np.tile(np.arange(n), len(columns)), np.concatenate(columns)),
        ),
        shape=(n, starts[-1]),
    )
    which = np.repeat(np.arange(len(levels)), levels)

    def fit() -> dict[str, Any]:
        model = BinomialBayesMixedGLM(problem.y, X, Z, which, vcp_p=1, fe_p=2)
        found = model.fit_vb() if variational else model.fit_map()
        return {"log_likelihood": None, "sds": np.exp(found.vcp_mean).tolist()}

    return fit


def statsmodels_vb(problem: Problem) -> Fit:
    """Mean-field variational Bayes."""
    return statsmodels(problem, variational=True)


def statsmodels_map(problem: Problem) -> Fit:
    """The joint mode of effects and variances."""
    return statsmodels(problem, variational=False)


def r_engine(problem: Problem, engine: str) -> Fit:
    """An engine of R, timed inside R."""
    if shutil.which("Rscript") is None:
        raise AbsentError("Rscript is not on the path")
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "data.csv"
    problem.frame().to_csv(path, index=False)
    script = Path(__file__).with_name("engines.R")

    def fit() -> dict[str, Any]:
        command = ["Rscript", str(script), engine, str(path), problem.formula]
        command += [problem.family, str(problem.reml)]
        done = subprocess.run(command, capture_output=True, text=True)
        folder.cleanup()
        if done.returncode == 3:
            raise AbsentError(done.stderr.strip().splitlines()[-1])
        done.check_returncode()
        return json.loads(done.stdout.splitlines()[-1])

    fit.outside = True
    return fit


def lme4(problem: Problem) -> Fit:
    """lme4, or ordinal's clmm."""
    _for_families(problem, "bernoulli", "normal", "ordinal")
    return r_engine(problem, "clmm" if problem.family == "ordinal" else "lme4")


def glmmtmb(problem: Problem) -> Fit:
    """glmmTMB."""
    _for_families(problem, "bernoulli", "normal")
    return r_engine(problem, "glmmTMB")


ENGINES: dict[str, Callable[[Problem], Fit]] = {
    "ours, solver": our_solver,
    "ours, estimator": our_estimator,
    "gpboost": gpboost,
    "gpboost, cholesky": gpboost_cholesky,
    "glmm": glmm,
    "mixedlm": mixedlm,
    "statsmodels, VB": statsmodels_vb,
    "statsmodels, MAP": statsmodels_map,
    "R: lme4 or clmm": lme4,
    "R: glmmTMB": glmmtmb,
}
