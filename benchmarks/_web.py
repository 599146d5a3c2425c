"""A real server in a process of its own, and annotators that talk to it as a browser.

Both are used by the benchmarks of collecting judgments and by the tests.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import pickle
import re
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

_SERVE = """
import pickle, sys
from bead_sklearn.annotate import JudgmentStore
from bead_sklearn.annotate.web import serve
study, path, port = pickle.load(sys.stdin.buffer)
with JudgmentStore(path) as store:
    serve(study, store, port=port)
"""


class Server:
    """A server that can be killed and started again at the same place.

    Parameters
    ----------
    study : Study
        What is served.
    path : Path
        Its store.
    port : int, default=0
        Where; 0 takes a free port, and keeps it from then on.
    """

    def __init__(self, study: Any, path: Any, port: int = 0) -> None:
        self.study, self.path, self.port = study, path, port
        self.url = self.organiser = ""

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        pickle.dump((self.study, self.path, self.port), self.process.stdin)
        self.process.stdin.close()
        line = self.process.stdout.readline().decode()
        found = re.search(r"(http://[^/]+:(\d+))(/o/\S+)", line)
        if found is None:
            raise RuntimeError(f"The server did not start, it said {line!r}.")
        self.url, self.port = found[1], int(found[2])
        self.organiser = found[1] + found[3]
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        for _ in range(600):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("The server does not listen.")

    def links(self) -> dict[str, str]:
        """Wait until it answers, and return the links of the participants."""
        for _ in range(300):
            try:
                with urllib.request.urlopen(self.organiser, timeout=10) as answer:
                    page = answer.read().decode()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise RuntimeError("The server does not answer.")
        return dict(
            re.findall(r'<th scope="row">([^<]+)</th><td><code>([^<]+)</code>', page)
        )

    def kill(self) -> None:
        """Kill it at once."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self) -> None:
        """Ask it to end."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


@dataclass
class Shown:
    """The page of an item.

    Attributes
    ----------
    item, uid : str
        What is asked about, and the name of the judgment that will come of it.
    fields : dict
        Hidden fields of the form.
    action : str
        Where it is sent.
    """

    item: str
    uid: str
    fields: dict[str, str]
    action: str


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and given.get("type") == "hidden":
            self.fields[given["name"]] = given.get("value") or ""


class RefusedError(Exception):
    """The server answered with another status than expected.

    Attributes
    ----------
    status : int
        Which.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"Status {status}.")
        self.status = status


class WebAnnotator:
    """A participant with a link, and a connection that is kept open.

    Parameters
    ----------
    link : str
        The participant's link.
    timeout : float, default=30
        Seconds after which a request has failed.
    """

    def __init__(self, link: str, timeout: float = 30.0) -> None:
        parts = urlsplit(link)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)

    def request(
        self, method: str, path: str, fields: dict[str, Any] | None = None
    ) -> tuple[int, str]:
        """Send a request; return status and page. A broken connection is an OSError."""
        body = None if fields is None else urlencode(fields, doseq=True)
        headers = {} if fields is None else {"Content-Type": _FORM}
        reused = self._connection.sock is not None
        try:
            return self._exchange(method, path, body, headers)
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            if not reused:
                raise ConnectionError(str(error)) from error
        # A connection that was idle for long may have been closed; as browsers do,
        # send again what may be sent twice.
        return self.request(method, path, fields)

    def _exchange(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, str]:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def ask(self) -> Shown | None:
        """Get the next item; None if there is none now."""
        status, page = self.request("GET", f"{self._path}/item")
        if status != 200:
            raise RefusedError(status)
        forms = _Forms()
        forms.feed(page)
        if forms.action is None:
            return None
        payload = forms.fields["ticket"].partition(".")[0]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * 4))
        return Shown(content["item"], content["uid"], forms.fields, forms.action)

    def send(self, shown: Shown, **fields: Any) -> int:
        """Send an answer; return the status, 303 if it was stored."""
        status, _ = self.request("POST", shown.action, {**shown.fields, **fields})
        return status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


_FORM = "application/x-www-form-urlencoded"
