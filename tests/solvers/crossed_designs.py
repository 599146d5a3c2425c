"""Small crossed designs for comparing ways of solving the normal equations."""

from __future__ import annotations

import numpy as np

from bead_sklearn.effects import RandomFactor, diagonal_covariance, full_covariance
from bead_sklearn.solvers import DenseBlock, Design

CROSSED = [
    "intercepts",
    "slopes",
    "item slopes",
    "three",
    "nested",
    "nested in the rest",
    "ridge",
    "no fixed part",
    "missing levels",
]


def crossed_design(kind, *, n=400, n_persons=40, n_items=30, seed=0):
    """A design with crossed factors of which few pairs of levels meet."""
    rng = np.random.RandomState(seed)
    person = np.arange(n) % n_persons
    item = rng.permutation(np.arange(n) % n_items)
    fixed = DenseBlock(np.column_stack([np.ones(n), rng.normal(size=(n, 2))]))
    slope = rng.normal(size=n)

    def factor(name, codes, n_levels, *columns, structure=full_covariance):
        z = np.column_stack([np.ones(n), *columns])
        names = tuple(map(str, range(z.shape[1])))
        return RandomFactor(
            name, codes, n_levels, z, structure(np.ones(z.shape[1])), names
        )

    persons = factor("person", person, n_persons)
    items = factor("item", item, n_items)
    word, session = rng.randint(12, size=n), rng.randint(2, size=n)
    if kind == "slopes":
        persons = factor("person", person, n_persons, slope)
    if kind == "item slopes":
        columns = slope, rng.normal(size=n)
        persons = factor("person", person, n_persons, slope)
        items = factor("item", item, n_items, *columns, structure=diagonal_covariance)
    if kind == "missing levels":
        persons = factor("person", person + 2, n_persons + 3)
        items = factor("item", item + 1, n_items + 3)
    factors = (persons, items)
    if kind == "three":
        persons = factor("person", person, n_persons, slope)
        factors = (persons, items, factor("word", word, 12, rng.normal(size=n)))
    if kind == "nested":
        sessions = factor("session", 2 * person + session, 2 * n_persons)
        factors = (persons, items, sessions)
    if kind == "nested in the rest":
        variants = factor("variant", 2 * (item // 2) + session, n_items)
        pairs = factor("pair", item // 2, n_items // 2)
        factors = (persons, variants, pairs)
    ridge = None
    if kind == "ridge":
        ridge = DenseBlock(rng.normal(size=(n_items, 4)), item)
    if kind == "no fixed part":
        fixed = DenseBlock(np.zeros((n, 0)))
    return Design(n, fixed, ridge, factors)


def n_theta(design):
    sizes = [factor.structure.n_parameters for factor in design.factors]
    return sum(sizes) + (design.ridge is not None)


def some_theta(design, seed=1):
    return np.abs(np.random.RandomState(seed).normal(0.8, 0.3, size=n_theta(design)))


def as_covariances(normal_equations, design, n_rest):
    """All that a posterior asks for, as arrays."""
    found = normal_equations.covariances(n_rest)
    blocks = [
        found.level_blocks(part.start, factor.n_levels, factor.size)
        for factor, part in zip(design.rest_factors, design.rest_slices, strict=False)
    ]
    n_fixed = design.n_fixed if n_rest == design.n_rest else 0
    return [found.own, *blocks, found.fixed_block(n_fixed)]
