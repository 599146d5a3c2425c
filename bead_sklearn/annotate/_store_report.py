"""What a look at a whole store finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreReport:
    """The condition of a store.

    Attributes
    ----------
    n_judgments : int
        Rows, corrections and retractions included.
    recovered : tuple of str
        ``uid`` of the judgments that the database had lost and the journal had.
    damaged_lines : tuple of int
        Lines of the journal that cannot be read.
    missing : tuple of int
        Numbers of judgments that are in neither.
    problems : tuple of str
        What SQLite says about the file; empty if it is sound.
    """

    n_judgments: int
    recovered: tuple[str, ...]
    damaged_lines: tuple[int, ...]
    missing: tuple[int, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is missing or damaged."""
        return not (self.damaged_lines or self.missing or self.problems)

    def __str__(self) -> str:
        lines = [f"{self.n_judgments:,} rows"]
        if self.recovered:
            lines.append(f"recovered from the journal: {', '.join(self.recovered)}")
        if self.damaged_lines:
            lines.append(f"damaged lines of the journal: {_listed(self.damaged_lines)}")
        if self.missing:
            lines.append(f"missing judgments: numbers {_listed(self.missing)}")
        lines.extend(self.problems)
        return "\n".join(lines) if len(lines) > 1 else f"{lines[0]}, all sound"


def _listed(numbers: tuple[int, ...]) -> str:
    """Write numbers with ranges: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)
