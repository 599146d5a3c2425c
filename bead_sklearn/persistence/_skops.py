"""Which types of a skops file belong to the suite."""

from __future__ import annotations

from os import PathLike

from bead_sklearn._optional import import_optional


def skops_trusted_types(file: str | PathLike[str] | bytes) -> list[str]:
    """Return the suite's own types in a file written by skops.

    skops loads no type that is not named as trusted. This names those of
    bead_sklearn, and refuses a file with types from elsewhere.

    Parameters
    ----------
    file : str, path or bytes
        A file written by :func:`skops.io.dump`, or the result of
        :func:`skops.io.dumps`.

    Returns
    -------
    types : list of str
        For the ``trusted`` argument of :func:`skops.io.load`.

    Raises
    ------
    ValueError
        If the file holds types that neither skops nor the suite knows.
    ImportError
        If skops is not installed.

    Examples
    --------
    >>> import skops.io
    >>> from bead_sklearn import MagnitudeRegressor
    >>> from bead_sklearn.persistence import skops_trusted_types
    >>> model = MagnitudeRegressor().fit([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0])
    >>> data = skops.io.dumps(model)
    >>> again = skops.io.loads(data, trusted=skops_trusted_types(data))
    >>> bool(again.predict([[3.0]]) == model.predict([[3.0]]))
    True
    """
    io = import_optional("skops.io", extra="persistence", purpose="Reading skops files")
    source = {"data": file} if isinstance(file, bytes) else {"file": file}
    types = io.get_untrusted_types(**source)
    foreign = [name for name in types if not name.startswith("bead_sklearn.")]
    if foreign:
        raise ValueError(
            f"The file holds types from outside bead_sklearn: {', '.join(foreign)}. "
            "Look at them, and pass those you trust to skops.io.load yourself."
        )
    return list(types)
