"""What every request passes: size, origin, rate, and headers of every answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("bead_sklearn.annotate.web")

#: Bytes of a form: the longest text that a question takes, every sign written as
#: nine, and the rest.
MAX_BODY = 128 * 1024
MAX_FIELDS = 200
#: Seconds in which a form must have arrived.
MAX_SECONDS = 20.0

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; "
    "script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # A stricter policy would hide the origin of forms from this server too.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}


class Guard:
    """Middleware: known hosts only, safe headers, and a log without tokens.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    hosts : sequence of str
        Host names under which the server may be addressed; others are how a foreign
        page reaches into a private network.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if _host(scope) in self._hosts:
            await self._app(scope, receive, send_with_headers)
        else:
            start = {"type": "http.response.start", "status": 400, "headers": []}
            await send_with_headers(start)
            text = b"This server does not know the host name of the request.\n"
            await send_with_headers({"type": "http.response.body", "body": text})
        milliseconds = 1000 * (time.perf_counter() - started)
        _log.info(
            "%s %s %d %.1f ms",
            scope["method"] if scope["method"].isalpha() else "?",
            _without_token(scope["path"]),
            status,
            milliseconds,
        )


def _host(scope: Scope) -> str:
    """Return the host of a request without its port, in small letters."""
    for name, value in scope["headers"]:
        if name == b"host":
            host = str(value.decode("latin-1").lower())
            if host.startswith("["):
                return host.partition("]")[0] + "]"
            return host.partition(":")[0]
    return ""


def _without_token(path: str) -> str:
    """Return a path as it may be logged: known words only."""
    known = {"p", "o", "item", "back", "static", "export", "health"}
    parts = [part if part in known else "*" for part in path.split("/") if part]
    return "/" + "/".join(parts[:6])


class Buckets:
    """How often each of many may come.

    Parameters
    ----------
    rate : float
        Requests per second in the long run.
    burst : float
        Requests at once.
    clock : callable, default=time.monotonic
        Seconds.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        most: int = 10_000,
    ) -> None:
        self._rate, self._burst, self._clock, self._most = rate, burst, clock, most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Take one from a bucket; False if it is empty."""
        now = self._clock()
        level, then = self._levels.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        allowed = level >= 1.0
        self._levels[key] = (level - 1.0 if allowed else level, now)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return allowed


def check_origin(request: Request) -> None:
    """Refuse forms that another site sent.

    Raises
    ------
    HTTPException
        403 if the browser says so.
    """
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if origin is not None and origin.partition("://")[2] != host:
        raise HTTPException(403, "This form came from another site.")
    if request.headers.get("sec-fetch-site", "same-origin") not in (
        "same-origin",
        "none",
    ):
        raise HTTPException(403, "This form came from another site.")


async def read_form(request: Request) -> dict[str, list[str]]:
    """Read the fields of a form.

    Raises
    ------
    HTTPException
        415 if it is no form, 413 if it is too large, 408 if it takes too long, 400 if
        it cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "A form is expected.")
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length) > MAX_BODY:
        raise HTTPException(413, "The form is too large.")
    body = b""
    try:
        async with asyncio.timeout(MAX_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise HTTPException(413, "The form is too large.")
    except TimeoutError:
        raise HTTPException(408, "The form took too long.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The form is incomplete.") from None
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except (UnicodeDecodeError, ValueError):
        raise HTTPException(400, "The form cannot be read.") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:
            raise HTTPException(400, "The form cannot be read.")
        fields.setdefault(name, []).append(value)
    return fields
