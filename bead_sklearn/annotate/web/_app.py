"""The pages of a study as an ASGI application."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.responses import Response as Answer
from starlette.routing import Route

from bead_sklearn.annotate._records import Judgment, Lease
from bead_sklearn.annotate.collector import Collector
from bead_sklearn.annotate.exchange import export_text
from bead_sklearn.annotate.questions import AnswerError
from bead_sklearn.annotate.store import AlreadyAnsweredError
from bead_sklearn.annotate.web._access import Access
from bead_sklearn.annotate.web._limits import Buckets, Guard, check_origin, read_form
from bead_sklearn.annotate.web._organiser import organiser_values
from bead_sklearn.annotate.web._pages import Pages, item_values, static_files

#: Requests of one participant per second and at once; of strangers, per address.
RATE, BURST = 20.0, 60.0
STRANGER_RATE, STRANGER_BURST = 2.0, 30.0

_HEADINGS = {
    400: "This request cannot be read",
    403: "This is not allowed",
    404: "There is nothing here",
    405: "This is not possible",
    408: "This took too long",
    409: "This has been answered already",
    413: "This is too large",
    415: "This is no form",
    422: "This is no answer",
    429: "Too fast",
}


class Site:
    """The handlers of all requests.

    Parameters
    ----------
    collector : Collector
        Gives out items and takes answers.
    access : Access
        Knows the tokens.
    public_url : str
        How participants reach the server, for the links on the organiser's page.
    """

    def __init__(self, collector: Collector, access: Access, public_url: str) -> None:
        self.collector = collector
        self.access = access
        self.public_url = public_url.rstrip("/")
        self.pages = Pages()
        self.static = static_files()
        self._known = Buckets(RATE, BURST)
        self._strangers = Buckets(STRANGER_RATE, STRANGER_BURST)

    # ---------------------------------------------------------------- checks

    def participant(self, request: Request) -> str:
        """Return who asks; 404 for wrong tokens, 429 for too many requests."""
        who = self.access.participant(request.path_params["token"])
        if who is None:
            raise self._stranger(request)
        if not self._known.take(who):
            raise HTTPException(429, headers={"Retry-After": "3"})
        return who

    def _stranger(self, request: Request) -> HTTPException:
        address = "?" if request.client is None else request.client.host
        if not self._strangers.take(address):
            return HTTPException(429, headers={"Retry-After": "10"})
        return HTTPException(404)

    def _ticket(self, who: str, fields: dict[str, list[str]]) -> dict[str, Any]:
        tickets = fields.get("ticket", [])
        if len(tickets) != 1:
            raise HTTPException(400, "The form is incomplete.")
        content = self.access.unsign(who, tickets[0])
        if content is None:
            raise HTTPException(403, "This form was not made for this link.")
        return content

    # ------------------------------------------------------------ participants

    async def start(self, request: Request) -> Answer:
        """Show the instructions, or where the participant stopped."""
        who = self.participant(request)
        base = f"/p/{request.path_params['token']}"
        done = await run_in_threadpool(self.collector.store.judgments, participant=who)
        if done:
            return RedirectResponse(f"{base}/item", 303)
        study = self.collector.study
        return HTMLResponse(
            self.pages.render(
                "start.html",
                title=study.name,
                study=study,
                base=base,
                paragraphs=_paragraphs(study.instructions),
                total=self.collector.progress(who, 0).total,
            )
        )

    async def item(self, request: Request) -> Answer:
        """Show the next item, or take its answer."""
        who = self.participant(request)
        base = f"/p/{request.path_params['token']}"
        if request.method == "POST":
            check_origin(request)
            fields = await read_form(request)
            return await run_in_threadpool(self._submit, who, base, fields)
        return await run_in_threadpool(self._next, who, base)

    def _next(self, who: str, base: str) -> Answer:
        done = self.collector.store.judgments(participant=who)
        lease = self.collector.next(who, done)
        if lease is None:
            return self._nothing(who, base, len(done))
        return self._item_page(who, base, lease, done)

    def _nothing(self, who: str, base: str, n_done: int) -> Answer:
        complete = n_done >= self.collector.progress(who, n_done).total
        if complete:
            text = [f"You have given {n_done} answers, and all are stored. Thank you!"]
        else:
            text = [
                "The other items are complete or with other participants.",
                f"You have given {n_done} answers, and all are stored. Thank you!",
                "Come back later with the same link to see if there is more.",
            ]
        return HTMLResponse(
            self.pages.render(
                "message.html",
                title=self.collector.study.name,
                heading="That was all" if complete else "Nothing to judge now",
                paragraphs=text,
                link=(f"{base}/back", "Change my last answer") if n_done else None,
            )
        )

    def _item_page(
        self,
        who: str,
        base: str,
        lease: Lease,
        done: Sequence[Judgment],
        *,
        error: str | None = None,
        typed: list[str] | None = None,
        confidence: float | None = None,
        answer: Any = None,
        correct: str | None = None,
        rendered_at: float | None = None,
    ) -> Answer:
        """Return the page of an item; ``correct`` names the answer to change."""
        study = self.collector.study
        rendered_at = time.time() if rendered_at is None else rendered_at
        content: dict[str, Any] = {
            "uid": lease.uid,
            "item": lease.item,
            "occasion": lease.occasion,
            "counted": lease.counted,
            "shown_at": lease.shown_at,
            "rendered_at": rendered_at,
        }
        if correct is not None:
            content["correct"] = correct
        page = self.pages.render(
            "item.html",
            title=f"{study.name}: {len(done) + 1}",
            study=study,
            base=base,
            action=f"{base}/back" if correct else f"{base}/item",
            ticket=self.access.sign(who, content),
            progress=self.collector.progress(who, len(done)),
            feedback=self.collector.feedback(done),
            error=error,
            correcting=correct is not None,
            instructions=_paragraphs(study.instructions),
            **item_values(study, lease.item, answer, confidence, typed or []),
        )
        return HTMLResponse(page, 200 if error is None else 422)

    def _submit(self, who: str, base: str, fields: dict[str, list[str]]) -> Answer:
        content = self._ticket(who, fields)
        correct = content.get("correct")
        rendered_at = content["rendered_at"]
        lease = Lease(
            uid=content["uid"],
            item=content["item"],
            participant=who,
            occasion=content["occasion"],
            counted=content["counted"],
            shown_at=content["shown_at"],
            expires_at=math.inf,
        )
        if lease.item not in self.collector.study.items:
            raise HTTPException(403, "This form is from an earlier study.")
        question = self.collector.study.question
        columns = self.collector.study.items[lease.item].columns
        seconds = _response_time(fields, rendered_at)
        answer = confidence = None
        try:
            confidence = _confidence(fields)
            answer = question.from_form(fields, columns)
            if correct is not None:
                before = self.collector.store.get(correct)
                if before is None:
                    raise HTTPException(403, "There is no such answer.")
                self.collector.correct(
                    before,
                    answer,
                    confidence=confidence,
                    response_time=seconds,
                    new_uid=lease.uid,
                )
            else:
                self.collector.submit(
                    lease, answer, confidence=confidence, response_time=seconds
                )
        except AnswerError as error:
            return self._item_page(
                who,
                base,
                lease,
                self.collector.store.judgments(participant=who),
                error=str(error),
                typed=fields.get("answer", []),
                confidence=confidence,
                answer=answer,
                correct=correct,
                rendered_at=rendered_at,
            )
        except AlreadyAnsweredError:
            page = self.pages.render(
                "message.html",
                title=self.collector.study.name,
                heading=_HEADINGS[409],
                paragraphs=[
                    "Your first answer is stored, and this one is not. To change your "
                    "last answer, use “Change my last answer”."
                ],
                link=(f"{base}/item", "Go on"),
            )
            return HTMLResponse(page, 409)
        return RedirectResponse(f"{base}/item", 303)

    async def back(self, request: Request) -> Answer:
        """Show the last answer to be changed, or take the change."""
        who = self.participant(request)
        base = f"/p/{request.path_params['token']}"
        if request.method == "POST":
            check_origin(request)
            fields = await read_form(request)
            return await run_in_threadpool(self._submit, who, base, fields)
        return await run_in_threadpool(self._last, who, base)

    def _last(self, who: str, base: str) -> Answer:
        done = self.collector.store.judgments(participant=who)
        if not done:
            return RedirectResponse(f"{base}/item", 303)
        last = done[-1]
        # The form is named after what it makes: a correction.
        lease = Lease(
            uid=secrets.token_hex(12),
            item=last.item,
            participant=who,
            occasion=last.occasion,
            counted=last.counted,
            shown_at=last.shown_at or last.recorded_at,
            expires_at=math.inf,
        )
        return self._item_page(
            who,
            base,
            lease,
            done[:-1],
            answer=last.answer,
            confidence=last.confidence,
            correct=last.uid,
        )

    # --------------------------------------------------------------- organiser

    def _organiser(self, request: Request) -> str:
        token = request.path_params["token"]
        if not self.access.is_organiser(token):
            raise self._stranger(request)
        if not self._known.take("\0organiser"):
            raise HTTPException(429, headers={"Retry-After": "3"})
        return f"/o/{token}"

    async def organiser(self, request: Request) -> Answer:
        """Show how the study stands."""
        base = self._organiser(request)

        def page() -> str:
            values = organiser_values(self.collector, self.access, self.public_url)
            return self.pages.render("organiser.html", base=base, **values)

        return HTMLResponse(await run_in_threadpool(page))

    async def export(self, request: Request) -> Answer:
        """Send all judgments as a file."""
        self._organiser(request)
        kind = request.path_params["kind"]
        if kind not in ("csv", "jsonl"):
            raise HTTPException(404)
        collector = self.collector
        text = await run_in_threadpool(
            export_text, collector.study, collector.store, kind
        )
        return PlainTextResponse(
            text,
            headers={"Content-Disposition": f'attachment; filename="judgments.{kind}"'},
        )

    # ------------------------------------------------------------------ others

    async def static_file(self, request: Request) -> Answer:
        """Send one of the few files that pages refer to."""
        found = self.static.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        kind, content = found
        return Answer(
            content,
            headers={"Content-Type": kind, "Cache-Control": "public, max-age=3600"},
        )

    async def health(self, request: Request) -> Answer:
        """Say that the server is there."""
        return PlainTextResponse("ok\n")

    async def refuse(self, request: Request, error: Exception) -> Answer:
        """Answer what is not served."""
        assert isinstance(error, HTTPException)
        status = error.status_code
        texts = {
            404: "Please check the link: it must be complete.",
            429: "Please wait a moment, then go on.",
        }
        said = error.detail if error.detail != HTTPStatus(status).phrase else ""
        page = self.pages.render(
            "message.html",
            title=_HEADINGS.get(status, "Error"),
            heading=_HEADINGS.get(status, "Error"),
            paragraphs=[texts.get(status, said)],
            link=None,
        )
        return HTMLResponse(page, status, headers=dict(error.headers or {}))

    async def fail(self, request: Request, error: Exception) -> Answer:
        """Answer after a defect of this program, and say nothing of it."""
        page = self.pages.render(
            "message.html",
            title="Error",
            heading="Something went wrong",
            paragraphs=[
                "The last answer may not be stored. Please go back and send it again: "
                "it is never stored twice."
            ],
            link=None,
        )
        return HTMLResponse(page, 500)


def make_app(
    collector: Collector,
    secret: bytes,
    *,
    public_url: str = "http://127.0.0.1:8000",
    hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]"),
) -> Starlette:
    """Make the ASGI application of a study.

    Parameters
    ----------
    collector : Collector
        Gives out items and takes answers.
    secret : bytes
        What all links and forms are signed with, at least 32 bytes.
    public_url : str, default="http://127.0.0.1:8000"
        How participants reach it.
    hosts : sequence of str, default=("127.0.0.1", "localhost", "[::1]")
        Host names under which it answers.

    Returns
    -------
    app : Starlette
        The application; its ``state.site.access`` knows the links.
    """
    access = Access(secret, collector.study.participants)
    site = Site(collector, access, public_url)
    app = Starlette(
        routes=[
            Route("/p/{token}", site.start),
            Route("/p/{token}/item", site.item, methods=["GET", "POST"]),
            Route("/p/{token}/back", site.back, methods=["GET", "POST"]),
            Route("/o/{token}", site.organiser),
            Route("/o/{token}/export/{kind}", site.export),
            Route("/static/{name}", site.static_file),
            Route("/health", site.health),
        ],
        exception_handlers={HTTPException: site.refuse, 500: site.fail},
    )
    app.router.redirect_slashes = False
    app.add_middleware(Guard, hosts=hosts)
    app.state.site = site
    return app


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _confidence(fields: dict[str, list[str]]) -> float | None:
    values = [value for value in fields.get("confidence", []) if value.strip()]
    if not values:
        return None
    try:
        confidence = float(values[0]) if values[0].isascii() else math.nan
    except ValueError:
        confidence = math.nan
    if len(values) > 1 or not 0 <= confidence <= 1:
        raise AnswerError("Please say once how sure you are, from 0 to 1.")
    return confidence


def _response_time(fields: dict[str, list[str]], rendered_at: float) -> float:
    """Return seconds as the page measured them, if that can be, else as we did."""
    here = max(0.0, time.time() - rendered_at)
    text = fields.get("elapsed", [""])[0]
    if text.isascii() and text.isdigit() and len(text) < 12:
        there = int(text) / 1000.0
        if there <= here + 1.0:
            return there
    return here
