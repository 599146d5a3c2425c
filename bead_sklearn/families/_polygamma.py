"""First two derivatives of the digamma function, both in one pass over an array."""

from __future__ import annotations

import numpy as np

#: Number of steps up before the asymptotic series is taken.
_SHIFT = 10

#: Bernoulli numbers B_2, B_4, ...: at 11 the first one left out is below 1e-16.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def polygammas(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return psi'(z) and psi''(z) for z of at least 1.

    By psi'(z) = psi'(z + 1) + z^-2 up to z + 10, and the asymptotic series there
    (Abramowitz & Stegun 1964, 6.4.6 and 6.4.11). All terms of a sum have one sign, so
    that the results are exact to rounding.

    Parameters
    ----------
    z : ndarray
        Arguments.

    Returns
    -------
    trigamma, tetragamma : ndarray
        In the shape of ``z``.
    """
    z = np.asarray(z, dtype=np.float64)
    trigamma, tetragamma = np.zeros(z.shape), np.zeros(z.shape)
    for step in range(_SHIFT):
        inverse = 1.0 / (z + step)
        square = inverse * inverse
        trigamma += square
        square *= inverse
        tetragamma += square
    inverse = 1.0 / (z + _SHIFT)
    square = inverse * inverse
    first, second = np.zeros(z.shape), np.zeros(z.shape)
    for k, number in reversed(list(enumerate(_BERNOULLI, start=1))):
        first = square * (first + number)
        second = square * (second + (2 * k + 1) * number)
    trigamma += inverse * (1.0 + 0.5 * inverse + first)
    tetragamma *= -2.0
    tetragamma -= square * (1.0 + inverse + second)
    return trigamma, tetragamma
