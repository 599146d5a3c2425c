"""Requests to an ASGI application without a server, as raw as one likes."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    text: str = field(init=False)

    def __post_init__(self):
        self.text = self.body.decode("utf-8", "replace")


def run(coroutine):
    """Run a coroutine in a thread: the loop of a browser may be running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def send(app, method, path, body=b"", headers=(), host="127.0.0.1:8000", parts=None):
    """Send a request; ``parts`` are pieces of a body, None a lost connection."""
    raw = [(b"host", host.encode("latin-1"))]
    raw += [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
    }
    pieces = list(parts if parts is not None else [body])
    sent = []

    async def receive():
        if not pieces:
            await asyncio.sleep(3600)
        piece = pieces.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        if isinstance(piece, float):
            await asyncio.sleep(piece)
            piece = b"x"
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def collect(message):
        sent.append(message)

    run(app(scope, receive, collect))
    start = next(m for m in sent if m["type"] == "http.response.start")
    return Reply(
        start["status"],
        {n.decode(): v.decode("latin-1") for n, v in start["headers"]},
        b"".join(m.get("body", b"") for m in sent if m["type"] != start["type"]),
    )


def post(app, path, fields, headers=(), **settings):
    body = urlencode(fields, doseq=True).encode()
    given = [("content-type", FORM), ("content-length", str(len(body))), *headers]
    return send(app, "POST", path, body, given, **settings)


def ticket_of(reply):
    return re.search(r'name="ticket" value="([^"]+)"', reply.text)[1]


def content_of(ticket):
    payload = ticket.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
