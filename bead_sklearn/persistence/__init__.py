"""Models as folders of plain data, loadable without executing code.

`save` writes a folder with three files: ``model.json`` (versions, parameters and
fitted state), ``arrays.safetensors`` (all arrays) and ``README.md`` (what the model
is, for people). `load` reads it back. Nothing in the folder is code: only classes of
bead_sklearn, scikit-learn and modules you name are built, from their state alone.
"""

from bead_sklearn.persistence._folder import check_path, load, read_metadata, save
from bead_sklearn.persistence._skops import skops_trusted_types

__all__ = ["save", "load", "read_metadata", "check_path", "skops_trusted_types"]
