r"""The continuous ranked probability score.

.. math:: \mathrm{CRPS}(F, y) = \int (F(x) - 1\{y \le x\})^2 dx

is a proper score of a predicted distribution function F in the unit of y, smaller
being better; for a point it is the absolute error [1]_.

References
----------
.. [1] Gneiting & Raftery (2007). Strictly proper scoring rules, prediction, and
   estimation. Journal of the American Statistical Association 102, 359-378.
   doi:10.1198/016214506000001437
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr
from sklearn.utils.validation import check_array, check_consistent_length

_ROOT_PI = np.sqrt(np.pi)


def crps_normal(y_true: Any, mean: Any, std: Any) -> np.ndarray:
    r"""Return the CRPS of predicted normal distributions.

    .. math:: \sigma (z (2 \Phi(z) - 1) + 2 \varphi(z) - 1 / \sqrt{\pi}),
        \quad z = (y - \mu) / \sigma

    Parameters
    ----------
    y_true, mean, std : array-like of shape (n_samples,)
        Responses, and means and standard deviations predicted for them.

    Returns
    -------
    scores : ndarray of shape (n_samples,)
        In the unit of y.

    Raises
    ------
    ValueError
        If a standard deviation is not positive, or lengths differ.

    Examples
    --------
    >>> from bead_sklearn.metrics import crps_normal
    >>> crps_normal([0.0], [0.0], [1.0]).round(4)
    array([0.2337])
    """
    y, center, scale = _columns(y_true=y_true, mean=mean, std=std)
    _check_positive("std", scale)
    z = (y - center) / scale
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return np.asarray(
        scale * (z * (2.0 * ndtr(z) - 1.0) + 2.0 * density - 1.0 / _ROOT_PI)
    )


def crps_lognormal(y_true: Any, log_mean: Any, log_std: Any) -> np.ndarray:
    r"""Return the CRPS of predicted lognormal distributions.

    .. math:: y (2 \Phi(z) - 1) - 2 e^{\mu + \sigma^2 / 2}
        (\Phi(z - \sigma) + \Phi(\sigma / \sqrt 2) - 1),
        \quad z = (\log y - \mu) / \sigma

    (Baran & Lerch 2015, doi:10.1002/qj.2521).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Responses.
    log_mean, log_std : array-like of shape (n_samples,)
        Mean and standard deviation predicted for log(y).

    Returns
    -------
    scores : ndarray of shape (n_samples,)
        In the unit of y.

    Raises
    ------
    ValueError
        If a response or standard deviation is not positive, or lengths differ.

    Examples
    --------
    >>> from bead_sklearn.metrics import crps_lognormal
    >>> crps_lognormal([1.0], [0.0], [0.1]).round(4)
    array([0.0234])
    """
    y, center, scale = _columns(y_true=y_true, log_mean=log_mean, log_std=log_std)
    _check_positive("y_true", y)
    _check_positive("log_std", scale)
    z = (np.log(y) - center) / scale
    mean = np.exp(center + 0.5 * scale**2)
    shares = ndtr(z - scale) + ndtr(scale / np.sqrt(2.0)) - 1.0
    return np.asarray(y * (2.0 * ndtr(z) - 1.0) - 2.0 * mean * shares)


def crps_from_quantiles(y_true: Any, quantiles: Any, levels: Any) -> np.ndarray:
    r"""Return the CRPS of predicted distributions from some of their quantiles.

    The CRPS is twice the integral of the quantile losses
    :math:`(1\{y \le q\} - \tau)(q - y)` over the levels :math:`\tau` [1]_, here their
    mean with weights that are the widths of the cells around each level. For n levels
    (k - 1/2) / n it is exactly the CRPS of the distribution with mass 1/n at each
    quantile.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Responses.
    quantiles : array-like of shape (n_samples, n_levels)
        Quantiles predicted for them, such as by ``predict_dist``.
    levels : array-like of shape (n_levels,)
        Their probabilities, increasing, between 0 and 1.

    Returns
    -------
    scores : ndarray of shape (n_samples,)
        In the unit of y.

    Raises
    ------
    ValueError
        If shapes do not agree, or levels do not increase between 0 and 1.

    References
    ----------
    .. [1] Laio & Tamea (2007). Verification tools for probabilistic forecasts of
       continuous hydrological variables. Hydrology and Earth System Sciences 11,
       1267-1277. doi:10.5194/hess-11-1267-2007

    Examples
    --------
    >>> from bead_sklearn.metrics import crps_from_quantiles
    >>> crps_from_quantiles([2.0], [[3.0]], [0.5])
    array([1.])
    """
    (y,) = _columns(y_true=y_true)
    at = check_array(quantiles, dtype=np.float64, input_name="quantiles")
    (level,) = _columns(levels=levels)
    inside = (level > 0) & (level < 1)
    if not (inside.all() and (np.diff(level) > 0).all()):
        raise ValueError(
            f"levels must increase strictly between 0 and 1. Got {levels!r}."
        )
    if at.shape != (len(y), len(level)):
        raise ValueError(
            f"quantiles must have shape {(len(y), len(level))}, one row per response "
            f"and one column per level. Got {at.shape}."
        )
    edges = np.concatenate([[0.0], 0.5 * (level[1:] + level[:-1]), [1.0]])
    losses = ((y[:, None] <= at) - level) * (at - y[:, None])
    return np.asarray(2.0 * losses @ np.diff(edges))


def _columns(**given: Any) -> list[np.ndarray]:
    """Return 1-D arrays of one length."""
    columns = [
        check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
        for name, values in given.items()
    ]
    for name, column in zip(given, columns, strict=True):
        if column.ndim != 1:
            raise ValueError(f"{name} must be 1-D. Got shape {column.shape}.")
    check_consistent_length(*columns)
    return columns


def _check_positive(name: str, values: np.ndarray) -> None:
    wrong = np.flatnonzero(~(values > 0))
    if len(wrong):
        raise ValueError(
            f"{name} must be positive. Row {wrong[0]} has {values[wrong[0]]:g}."
        )
