"""Refits in a process of their own, so that no annotator waits for them.

Nothing but the standard library is imported at first: a process whose parent has ended
meanwhile is gone before it has loaded the models.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from bead_sklearn.annotate.study import Study

#: Seconds between two looks at the store.
PAUSE = 0.25


class RefitProcess:
    """A process that keeps a store's plan up to date until it is closed.

    It ends by itself when the process that started it ends, however that happens.

    Parameters
    ----------
    study : Study
        The study.
    path : Path
        Its store.
    """

    def __init__(self, study: Study, path: Path) -> None:
        environment = {**os.environ}
        threads = str(max(1, (os.cpu_count() or 1) // 2))
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment.setdefault(name, threads)
        # What this process can import, the other one can.
        environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bead_sklearn.annotate._refit_process"],
            stdin=subprocess.PIPE,
            env=environment,
        )
        assert self._process.stdin is not None
        content = pickle.dumps((study, path.absolute()))
        self._process.stdin.write(len(content).to_bytes(8, "big") + content)
        self._process.stdin.flush()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            # In the middle of a fit; the store takes no harm.
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _end_with_parent(stream: Any) -> None:
    """Wait for the end of the input, which the parent's end brings about."""
    stream.read()
    os._exit(0)


def main() -> None:
    """Keep the plan of a store up to date; the parent says which."""
    stream = sys.stdin.buffer
    content = stream.read(int.from_bytes(stream.read(8), "big"))
    threading.Thread(target=_end_with_parent, args=(stream,), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(10)

    import logging

    from bead_sklearn.annotate._refits import Refitter
    from bead_sklearn.annotate.store import JudgmentStore

    logging.basicConfig(format="bead-sklearn: %(message)s")
    study, path = pickle.loads(content)
    with JudgmentStore(path) as store:
        refitter = Refitter(study, store)
        while True:
            refitter.step()
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
