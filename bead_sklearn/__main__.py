"""``python -m bead_sklearn`` is the command ``bead-sklearn``."""

import sys

from bead_sklearn.cli import main

if __name__ == "__main__":
    sys.exit(main())
