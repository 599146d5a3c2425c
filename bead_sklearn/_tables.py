"""Tables and numbers as text."""

from __future__ import annotations

from collections.abc import Sequence


def lay_out(rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Lay out rows of cells in aligned columns.

    Parameters
    ----------
    rows : sequence of sequence of str
        The cells; the header is a row like others.
    align : str
        "l" or "r" for each column.

    Returns
    -------
    lines : list of str
        One per row.

    Examples
    --------
    >>> print(*lay_out([("", "SD"), ("item", "0.5"), ("participant", "1.25")], "lr"),
    ...       sep=chr(10))
                    SD
     item          0.5
     participant  1.25
    """
    widths = [max(len(row[j]) for row in rows) for j in range(len(align))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        ]
        lines.append(" " + "  ".join(cells).rstrip())
    return lines


def format_number(x: float) -> str:
    """Return a number with four digits."""
    return "0" if x == 0 else f"{x:.4g}"


def format_p_value(p: float) -> str:
    """Return a p-value with three decimals."""
    return "<.001" if p < 0.001 else f"{p:.3f}"
