"""Random-effects formulas in the notation of lme4."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[^\W\d][\w.]*|`[^`]+`)|(?P<number>\d+)|(?P<symbol>\|\||[()|+:/-]))"
)


@dataclass(frozen=True)
class FormulaTerm:
    """One parenthesis of a formula: what varies, by which factor.

    Attributes
    ----------
    factor : tuple of str
        Names of the columns whose combination defines the groups; one name except for
        nested or interaction factors (``a:b``).
    intercept : bool
        Whether the intercept varies.
    slopes : tuple of str
        Covariates whose coefficients vary.
    correlated : bool
        Whether the effects of one group are correlated (``|``) or independent
        (``||``).
    shared : bool
        Whether the slopes, of a few features without meaning of their own, have one
        variance.
    """

    factor: tuple[str, ...]
    intercept: bool
    slopes: tuple[str, ...]
    correlated: bool
    shared: bool = False

    @property
    def factor_name(self) -> str:
        """Name of the grouping factor, such as ``"school:class"``."""
        return ":".join(self.factor)


def parse_formula(formula: str) -> list[FormulaTerm]:
    """Parse a random-effects formula.

    Parameters
    ----------
    formula : str
        Terms such as ``(1 | g)``, ``(1 + x | g)``, ``(0 + x | g)``, ``(1 + x || g)``
        and ``(1 | a/b)``, joined by ``+``; a covariate ``x:z`` is the column of that
        name. Names that are not identifiers stand between backquotes.

    Returns
    -------
    terms : list of FormulaTerm
        One per parenthesis; ``(1 | a/b)`` gives two, for ``a`` and ``a:b``.

    Raises
    ------
    ValueError
        If the formula does not follow this grammar; the message points at the
        character where reading stopped.

    References
    ----------
    .. [1] Bates, Maechler, Bolker & Walker (2015). Fitting linear mixed-effects
       models using lme4. Journal of Statistical Software 67(1), section 2.
       doi:10.18637/jss.v067.i01

    Examples
    --------
    >>> from bead_sklearn.effects import parse_formula
    >>> [term] = parse_formula("(1 + trial | participant)")
    >>> term.factor, term.intercept, term.slopes, term.correlated
    (('participant',), True, ('trial',), True)
    """
    return _Parser(formula).parse()


class _Parser:
    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(formula):
            match = _TOKEN.match(formula, position)
            if match is None:
                if not formula[position:].strip():
                    break
                blank = len(formula[position:]) - len(formula[position:].lstrip())
                raise self._error("unexpected character", position + blank)
            kind = str(match.lastgroup)
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            position = match.end()
        self.next = 0

    def parse(self) -> list[FormulaTerm]:
        if not self.tokens:
            raise self._error("expected a term such as (1 | participant)", 0)
        terms = self._term()
        while self.next < len(self.tokens):
            self._take("+", "'+' between terms")
            terms += self._term()
        return terms

    def _term(self) -> list[FormulaTerm]:
        self._take("(", "'(' to open a term")
        intercept, slopes = self._left_side()
        bar = self._take(("|", "||"), "'|' or '||' before the grouping factor")
        factors = self._factors()
        self._take(")", "')' to close the term")
        return [
            FormulaTerm(factor, intercept, tuple(slopes), bar == "|")
            for factor in factors
        ]

    def _left_side(self) -> tuple[bool, list[str]]:
        intercept = True
        slopes: list[str] = []
        start = self._position()
        sign = "+"
        while True:
            kind, text, position = self._peek()
            if kind == "name":
                if sign == "-":
                    raise self._error("only '- 1' can be taken out of a term", position)
                name = self._interaction()
                if name in slopes:
                    raise self._error(f"{name!r} stands twice in one term", position)
                slopes.append(name)
            elif kind == "number" and text in ("0", "1"):
                intercept = (text == "1") == (sign == "+")
            else:
                raise self._error("expected 1, 0 or the name of a covariate", position)
            self.next += 1
            if self._peek()[1] not in ("+", "-"):
                break
            sign = self._peek()[1]
            self.next += 1
        if not intercept and not slopes:
            raise self._error("a term without intercept needs a covariate", start)
        return intercept, slopes

    def _interaction(self) -> str:
        """Read names joined by ':', all but the last token."""
        parts = [self._peek()[1].strip("`")]
        while self.tokens[self.next + 1 : self.next + 2] and (
            self.tokens[self.next + 1][1] == ":"
        ):
            self.next += 2
            kind, text, position = self._peek()
            if kind != "name":
                raise self._error("expected the name of a covariate", position)
            parts.append(text.strip("`"))
        return ":".join(parts)

    def _factors(self) -> list[tuple[str, ...]]:
        names = [self._name()]
        separators = set()
        while self._peek()[1] in (":", "/"):
            separators.add(self._peek()[1])
            if len(separators) > 1:
                raise self._error("':' and '/' cannot be mixed", self._position())
            self.next += 1
            names.append(self._name())
        if separators == {"/"}:
            return [tuple(names[: depth + 1]) for depth in range(len(names))]
        return [tuple(names)]

    def _name(self) -> str:
        kind, text, position = self._peek()
        if kind != "name":
            raise self._error("expected the name of a grouping factor", position)
        self.next += 1
        return text.strip("`")

    def _peek(self) -> tuple[str, str, int]:
        if self.next < len(self.tokens):
            return self.tokens[self.next]
        return "end", "", len(self.formula)

    def _position(self) -> int:
        return self._peek()[2]

    def _take(self, symbols: str | tuple[str, ...], expected: str) -> str:
        _, text, position = self._peek()
        if text not in ((symbols,) if isinstance(symbols, str) else symbols):
            raise self._error(f"expected {expected}", position)
        self.next += 1
        return text

    def _error(self, reason: str, position: int) -> ValueError:
        return ValueError(
            f"The random-effects formula cannot be read: {reason} at character "
            f"{position + 1}.\n  {self.formula}\n  {' ' * position}^\n"
            "Write terms such as (1 | participant) or (1 + trial | participant) "
            "joined by '+'."
        )
