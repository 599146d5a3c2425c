"""A real server in a process of its own."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import urllib.request

SERVE = """
import pickle, sys, logging
from bead_sklearn.annotate import JudgmentStore
from bead_sklearn.annotate.web import serve
study, path, port = pickle.load(sys.stdin.buffer)
with JudgmentStore(path) as store:
    serve(study, store, port=port)
"""


class Server:
    """A server that can be killed and started again at the same place."""

    def __init__(self, study, path, port=0):
        self.study, self.path, self.port = study, path, port
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        pickle.dump((self.study, self.path, self.port), self.process.stdin)
        self.process.stdin.close()
        line = self.process.stdout.readline().decode()
        found = re.search(r"(http://[^/]+:(\d+))(/o/\S+)", line)
        if found is None:
            raise RuntimeError(f"The server did not start: {line!r}")
        self.url, self.port = found[1], int(found[2])
        self.organiser = found[1] + found[3]

    def wait(self):
        """Wait until it answers, and return the links of the participants."""
        import time

        for _ in range(200):
            try:
                with urllib.request.urlopen(self.organiser, timeout=5) as answer:
                    page = answer.read().decode()
                break
            except OSError:
                time.sleep(0.05)
        links = re.findall(r"<th scope=\"row\">([^<]+)</th><td><code>([^<]+)<", page)
        return dict(links)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)
        if not self.process.stdout.closed:
            self.process.stdout.close()
