"""Random-effects formulas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bead_sklearn.effects import FormulaTerm, parse_formula

PARTICIPANT = ("participant",)


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("(1 | participant)", [FormulaTerm(PARTICIPANT, True, (), True)]),
        ("(1|participant)", [FormulaTerm(PARTICIPANT, True, (), True)]),
        ("(x | g)", [FormulaTerm(("g",), True, ("x",), True)]),
        ("(1 + x | g)", [FormulaTerm(("g",), True, ("x",), True)]),
        ("(x + 0 | g)", [FormulaTerm(("g",), False, ("x",), True)]),
        ("(0 + x | g)", [FormulaTerm(("g",), False, ("x",), True)]),
        ("(x - 1 | g)", [FormulaTerm(("g",), False, ("x",), True)]),
        ("(x:z + y | g)", [FormulaTerm(("g",), True, ("x:z", "y"), True)]),
        ("(0 + `a b`:z | g)", [FormulaTerm(("g",), False, ("a b:z",), True)]),
        ("(1 + x + z || g)", [FormulaTerm(("g",), True, ("x", "z"), False)]),
        ("(1 | a:b)", [FormulaTerm(("a", "b"), True, (), True)]),
        (
            "(1 | a/b)",
            [
                FormulaTerm(("a",), True, (), True),
                FormulaTerm(("a", "b"), True, (), True),
            ],
        ),
        (
            "(1 | `worker id`) + (1 | item.nr)",
            [
                FormulaTerm(("worker id",), True, (), True),
                FormulaTerm(("item.nr",), True, (), True),
            ],
        ),
        ("(1 | Prüfling)", [FormulaTerm(("Prüfling",), True, (), True)]),
    ],
)
def test_formulas(formula, terms):
    assert parse_formula(formula) == terms


@pytest.mark.parametrize(
    ("formula", "position", "reason"),
    [
        ("", 1, "expected a term"),
        ("1 | g", 1, "expected '\\(' to open"),
        ("(1 | g", 7, "expected '\\)' to close"),
        ("(1 g)", 4, "expected '\\|'"),
        ("(1 | )", 6, "name of a grouping factor"),
        ("( | g)", 3, "expected 1, 0 or the name"),
        ("(2 | g)", 2, "expected 1, 0 or the name"),
        ("(1 | g) (1 | h)", 9, "expected '\\+' between"),
        ("(1 | g) + ", 11, "expected '\\('"),
        ("(0 | g)", 2, "needs a covariate"),
        ("(x + x | g)", 6, "stands twice"),
        ("(x:z + x:z | g)", 8, "stands twice"),
        ("(x: | g)", 5, "name of a covariate"),
        ("(x:1 | g)", 4, "name of a covariate"),
        ("(1 - x | g)", 6, "only '- 1'"),
        ("(1 | a:b/c)", 9, "cannot be mixed"),
        ("(1 | g) ~ x", 9, "unexpected character"),
    ],
)
def test_errors_point_at_the_character(formula, position, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse_formula(formula)
    message = str(caught.value)
    assert f"at character {position}." in message
    lines = message.splitlines()
    assert lines[1] == "  " + formula
    assert lines[2].index("^") == position + 1


names = st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True)


@given(
    st.lists(names, min_size=0, max_size=3, unique=True),
    st.booleans(),
    names,
    st.booleans(),
    st.sampled_from(["", " "]),
)
def test_what_is_written_is_read(slopes, intercept, factor, correlated, blank):
    intercept = intercept or not slopes
    left = f"{blank}+{blank}".join([str(int(intercept)), *slopes])
    bar = "|" if correlated else "||"
    [term] = parse_formula(f"({left}{blank}{bar}{blank}{factor})")
    assert term == FormulaTerm((factor,), intercept, tuple(slopes), correlated)
