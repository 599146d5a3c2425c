"""A table of judgments and the model for it, as the options describe them."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator

from bead_sklearn._frames import make_frame
from bead_sklearn.cli._tasks import make_estimator, read_settings
from bead_sklearn.datasets import Judgments, load_judgments
from bead_sklearn.datasets._columns import (
    covariate_column,
    id_column,
    option_columns,
    other_column,
    text_column,
)
from bead_sklearn.datasets._read import read_table
from bead_sklearn.effects import parse_formula
from bead_sklearn.inputs._levels import object_array
from bead_sklearn.persistence import read_metadata

_MADE_BY = "bead-sklearn fit"

#: An id that no file holds, because text files have no null characters.
_NEW_ID = "\0new"


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are.

    Attributes
    ----------
    task : str
        A key of `TASKS`.
    text, covariates : list of str
        Columns of texts and of numbers.
    response, participant, item : str
        Columns of responses, participants and items; the last may be None.
    mixed_effects : str
        "fixed" or a formula over the columns.
    settings : dict
        Parameters of the estimator that only its task has.
    """

    task: str
    text: list[str]
    covariates: list[str]
    response: str
    participant: str
    item: str | None
    mixed_effects: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Roles:
        """Read the roles off the options."""
        factors = [arguments.participant]
        if arguments.item is not None:
            factors.append(arguments.item)
        default = " + ".join(f"(1 | {_quoted(name)})" for name in factors)
        given = arguments.mixed_effects
        if given is not None and given != "fixed" and "|" not in given:
            raise ValueError(
                "--mixed-effects must be 'fixed' or a formula such as "
                f"{default!r}. Got {given!r}."
            )
        roles = cls(
            task=arguments.task,
            text=arguments.text,
            covariates=arguments.covariate,
            response=arguments.response,
            participant=arguments.participant,
            item=arguments.item,
            mixed_effects=default if given is None else given,
            settings=read_settings(arguments),
        )
        if given is not None and roles.response in roles.factors:
            raise ValueError(
                f"--mixed-effects has effects over {roles.response!r}, the response "
                "itself."
            )
        return roles

    @property
    def factors(self) -> list[str]:
        """Columns of ids that the model reads."""
        if self.mixed_effects == "fixed":
            return []
        terms = parse_formula(self.mixed_effects)
        return list(dict.fromkeys(name for term in terms for name in term.factor))

    @property
    def features(self) -> list[str]:
        """Columns that predict the response, whoever judges."""
        return [*self.text, *self.covariates]

    def to_metadata(self) -> dict[str, Any]:
        """Return the roles to keep with a model."""
        return {"made_by": _MADE_BY, **asdict(self)}

    @classmethod
    def of_model(cls, path: Path) -> Roles:
        """Return the roles kept with a saved model.

        Raises
        ------
        ValueError
            If `to_metadata` was not kept with it.
        """
        metadata = read_metadata(path)
        if metadata.pop("made_by", None) != _MADE_BY:
            raise ValueError(
                f"The model in {path} was not saved by '{_MADE_BY}': it does not say "
                "what the columns of a table are. Load it in Python with "
                "bead_sklearn.persistence.load."
            )
        return cls(**metadata)


def _quoted(name: str) -> str:
    if "`" in name:
        raise ValueError(f"The column {name!r} has a backquote in its name; rename it.")
    return name if re.fullmatch(r"[^\W\d][\w.]*", name) else f"`{name}`"


@dataclass(frozen=True)
class Study:
    """Judgments as the models take them.

    Attributes
    ----------
    X : DataFrame or list of dict
        Features and ids.
    y : ndarray of shape (n,) or (n, n_options)
        Responses.
    participants : ndarray of shape (n,)
        Who judged.
    roles : Roles
        What the columns are.
    items : ndarray of shape (n,)
        What was judged: ids, or texts where there are none.
    labels : tuple or None
        All labels or options, in order; None for numbers and words.
    """

    X: Any
    y: np.ndarray
    participants: np.ndarray
    roles: Roles
    items: np.ndarray
    labels: tuple[Any, ...] | None = None

    def features(self) -> Any:
        """Return X without the ids."""
        return select(self.X, self.roles.features)

    @property
    def n_participants(self) -> int:
        """Number of participants."""
        return len(set(self.participants.tolist()))

    def describe(self) -> str:
        """Return the sizes in words."""
        return f"{len(self.y):,} judgments by {self.n_participants:,} participants"


def load_study(arguments: argparse.Namespace) -> Study:
    """Read the table that the options describe."""
    roles = Roles.from_arguments(arguments)
    judgments = _load(
        arguments.table,
        roles,
        relabel=dict(arguments.relabel) or None,
        sep=arguments.sep,
        encoding=arguments.encoding,
    )
    assert judgments.groups is not None  # because --participant is required
    return Study(
        X=_model_columns(judgments, roles, arguments.table),
        y=judgments.y,
        participants=judgments.groups,
        roles=roles,
        labels=judgments.classes,
        items=(
            text_items(select(judgments.frame, roles.text))
            if judgments.items is None
            else judgments.items
        ),
    )


def load_responses(
    path: Path,
    roles: Roles,
    *,
    relabel: dict[str, str] | None,
    sep: str | None,
    encoding: str,
) -> tuple[Any, np.ndarray]:
    """Read judgments for a model that has been fitted.

    Parameters
    ----------
    path : Path
        The file.
    roles : Roles
        What the columns are.
    relabel : dict or None
        Other names of responses.
    sep, encoding : str
        How to read the file.

    Returns
    -------
    X : DataFrame or list of dict
        Features and ids.
    y : ndarray of shape (n_rows,) or (n_rows, n_options)
        Responses.
    """
    judgments = _load(path, roles, relabel=relabel, sep=sep, encoding=encoding)
    return _model_columns(judgments, roles, path), judgments.y


def _load(path: Path, roles: Roles, **options: Any) -> Judgments:
    return load_judgments(
        path,
        text=roles.text,
        response=roles.response,
        participant=roles.participant,
        item=roles.item,
        task=roles.task,
        covariates=roles.covariates,
        **options,
    )


def _model_columns(judgments: Judgments, roles: Roles, path: Path) -> Any:
    return select(judgments.frame, [*roles.features, *roles.factors], where=path)


def text_items(texts: Any) -> np.ndarray:
    """Return one object per row that is equal for rows of the same texts."""
    if isinstance(texts, list):
        rows = [tuple(row.values()) for row in texts]
    else:
        rows = list(nw.from_native(texts, eager_only=True).iter_rows())
    return object_array([row[0] if len(row) == 1 else row for row in rows])


def load_features(
    path: Path,
    roles: Roles,
    *,
    new: Collection[str],
    row_ids: str | None,
    sep: str | None,
    encoding: str,
) -> tuple[Any, np.ndarray]:
    """Read a table without responses.

    Parameters
    ----------
    path : Path
        The file.
    roles : Roles
        What the columns are.
    new : collection of str
        Columns of ids that stand for somebody or something new in every row; the file
        need not have them.
    row_ids : str or None
        Column that names the rows; None numbers them from 1.
    sep, encoding : str
        How to read the file.

    Returns
    -------
    X : DataFrame or list of dict
        Features and ids.
    ids : ndarray of shape (n_rows,)
        Names of the rows.
    """
    table = read_table(path, sep, encoding)
    unknown = sorted(set(new) - set(roles.factors))
    if unknown:
        raise ValueError(
            f"--new names {unknown[0]!r}, over which the model has no effects. It has "
            f"effects over {', '.join(map(repr, roles.factors)) or 'nothing'}."
        )
    doubling = sorted(set(new) & set(roles.features))
    if doubling:
        raise ValueError(
            f"--new names {doubling[0]!r}, which the model also reads as a text or "
            "number: a new one is a value it has not seen."
        )
    for name in (*roles.features, *roles.factors):
        if name in table.columns or name in new:
            continue
        hint = ""
        if name in roles.factors:
            hint = f" To predict for a new {name}, pass --new {shlex.quote(name)}."
        raise ValueError(f"{path} has no column {name!r}, which the model needs.{hint}")
    if row_ids is not None and row_ids not in table.columns:
        raise ValueError(f"{path} has no column {row_ids!r} (--id).")
    columns: dict[str, np.ndarray] = {}
    if roles.task == "forced_choice":  # some rows may lack some options
        columns |= dict(zip(roles.text, option_columns(table, roles.text), strict=True))
    else:
        columns |= {name: text_column(table, name) for name in roles.text}
    for name in roles.covariates:
        columns[name] = covariate_column(table, name)
    for name in roles.factors:
        if name in new:
            columns[name] = np.full(len(table.lines), _NEW_ID, dtype=object)
        elif name in {roles.participant, roles.item} and name not in columns:
            columns[name] = id_column(table, name, "id")
        elif name not in columns:
            columns[name] = other_column(table, name)
    if row_ids is None:
        return make_frame(columns), np.arange(1, len(table.lines) + 1)
    return make_frame(columns), other_column(table, row_ids)


def make_model(
    arguments: argparse.Namespace, study: Study, *, fixed: bool = False
) -> BaseEstimator:
    """Return the model of the options, or the same without effects of ids."""
    roles = study.roles
    model: BaseEstimator = make_estimator(
        roles.task,
        roles.text,
        study.labels,
        roles.settings,
        mixed_effects="fixed" if fixed else roles.mixed_effects,
        random_state=arguments.seed,
        alpha=arguments.alpha,
        encoder=arguments.encoder,
        family=arguments.family,
    )
    return model


def select(table: Any, names: Sequence[str], where: object = "The table") -> Any:
    """Return some columns of a DataFrame or of records."""
    names = list(dict.fromkeys(names))
    existing = (
        list(table[0]) if isinstance(table, list) else nw.from_native(table).columns
    )
    for name in names:
        if name not in existing:
            raise ValueError(
                f"{where} has no column {name!r}. Its columns are "
                f"{', '.join(map(repr, existing))}."
            )
    if isinstance(table, list):
        return [{name: row[name] for name in names} for row in table]
    return nw.from_native(table).select(names).to_native()
