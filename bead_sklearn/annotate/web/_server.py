"""Running the web server."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bead_sklearn._optional import import_optional
from bead_sklearn.annotate._refit_process import RefitProcess
from bead_sklearn.annotate.collector import Collector
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study
from bead_sklearn.annotate.web._access import read_secret
from bead_sklearn.annotate.web._app import make_app

_log = logging.getLogger("bead_sklearn.annotate.web")

#: Seconds between two looks for a new plan.
_LOOK_EVERY = 0.5


def serve(
    study: Study,
    store: JudgmentStore,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    public_url: str | None = None,
) -> None:
    """Serve a study until the process is told to stop.

    Prints the organiser's link, which leads to all others.

    Parameters
    ----------
    study : Study
        The study.
    store : JudgmentStore
        Where answers go. The secret behind the links is kept beside it, in a file
        with ``.secret`` appended to its name.
    host : str, default="127.0.0.1"
        Address to listen on. The default can be reached from this machine only.
    port : int, default=8000
        Port to listen on; 0 takes a free one.
    public_url : str, default=None
        How participants reach the server, if a proxy stands in front of it.
    """
    uvicorn = import_optional("uvicorn", extra="web", purpose="The web server")
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    if public_url is None:
        public_url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
    secret = read_secret(store.path.with_name(f"{store.path.name}.secret"))
    collector = Collector(study, store, source="web")
    app = make_app(
        collector, secret, public_url=public_url, hosts=_hosts(host, public_url)
    )
    token = app.state.site.access.organiser_token
    print(f"Organiser's page: {public_url}/o/{token}", flush=True)
    print(
        "It has a link for each participant. Stop the server with Ctrl-C.", flush=True
    )
    if not _is_loopback(host):
        print(
            "Others can reach this server, and what they send is not encrypted: put "
            "a proxy with TLS in front of it (see docs/collecting.md).",
            flush=True,
        )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # it would write down the tokens
        server_header=False,
        lifespan="off",
        limit_concurrency=1000,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=16 * 1024,
        proxy_headers=False,
        http="h11",
        ws="none",
    )
    with _background(study, store.path, collector), _until_told():
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio sends small packets without delay.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Whoever is told the link may come at once.
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise OSError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from (
            error
        )
    return listening


def _hosts(host: str, public_url: str) -> list[str]:
    """Return the names under which the server may be addressed."""
    hosts = ["127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host]
    netloc = urlsplit(public_url).netloc
    name = netloc.partition("]")[0] + "]" if "[" in netloc else netloc.partition(":")[0]
    return [*hosts, name]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _until_told() -> Iterator[None]:
    """End in order after an interrupt or a termination, which are the usual ways."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _stop) if main else None
    try:
        # A background job of a shell ignores interrupts: the server then ends without
        # an exception.
        with contextlib.suppress(KeyboardInterrupt, _StoppedError):
            yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
    print("Stopped. All answers are stored.", flush=True)


class _StoppedError(Exception):
    """The process was told to end."""


def _stop(number: int, frame: Any) -> None:
    raise _StoppedError


@contextlib.contextmanager
def _background(study: Study, path: Path, collector: Collector) -> Iterator[None]:
    """Refit in a process of its own, and read its plans."""
    stopping = threading.Event()

    def watch() -> None:
        process = RefitProcess(study, path)
        try:
            while not stopping.wait(_LOOK_EVERY):
                collector.refresh()
                if not process.running:
                    _log.error("The process that refits has ended; another begins.")
                    stopping.wait(10.0)
                    process.close()
                    process = RefitProcess(study, path)
        finally:
            process.close()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
