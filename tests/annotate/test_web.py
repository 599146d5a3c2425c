"""What the server lets in and what it refuses."""

from __future__ import annotations

import logging
import os
import threading

import pytest
from asgi import FORM, content_of, post, run, send, ticket_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from studies import make_study

pytest.importorskip("starlette", reason="needs the extra 'web'")

from bead_sklearn.annotate import Collector, JudgmentStore, Quotas
from bead_sklearn.annotate.web import _app, _limits, make_app
from bead_sklearn.annotate.web._access import Access, read_secret
from bead_sklearn.annotate.web._limits import Buckets

SECRET = bytes(range(32))
QUOTAS = Quotas(judgments_per_item=3)


@pytest.fixture
def store(tmp_path):
    with JudgmentStore(tmp_path / "study.db") as store:
        yield store


@pytest.fixture
def app(store, monkeypatch):
    return new_app(store, monkeypatch)


def new_app(store, monkeypatch, kind="binary", **kwargs):
    # Rates are tested by themselves.
    for name in ("RATE", "BURST", "STRANGER_RATE", "STRANGER_BURST"):
        monkeypatch.setattr(_app, name, 1e9)
    kwargs.setdefault("quotas", QUOTAS)
    return make_app(Collector(make_study(kind, **kwargs), store, source="web"), SECRET)


def path_of(app, who="p01"):
    return f"/p/{app.state.site.access.participant_token(who)}"


def opened(app, who="p01"):
    """Open an item; return its form."""
    reply = send(app, "GET", path_of(app, who) + "/item")
    assert reply.status == 200
    return {"ticket": ticket_of(reply), "elapsed": "1500"}


ANSWER = {"answer": "0", "confidence": "0.75"}


def test_an_answer_is_stored(app, store):
    form = opened(app)
    reply = post(app, path_of(app) + "/item", {**form, **ANSWER})
    assert (reply.status, reply.headers["location"]) == (303, path_of(app) + "/item")
    (judgment,) = store.judgments()
    assert (judgment.answer, judgment.confidence) == ("yes", 0.75)
    assert judgment.uid == content_of(form["ticket"])["uid"]
    # The page cannot have measured more time than passed.
    assert judgment.response_time <= 1.5


def test_a_repeated_request_is_one_judgment(app, store):
    form = {**opened(app), **ANSWER}
    for _ in range(3):
        assert post(app, path_of(app) + "/item", form).status == 303
    other = post(app, path_of(app) + "/item", {**form, "answer": "1"})
    assert other.status == 409
    assert "is stored" in other.text
    assert [j.answer for j in store.history()] == ["yes"]


def test_concurrent_requests_are_one_judgment(app, store):
    form = {**opened(app), **ANSWER}
    replies = []
    threads = [
        threading.Thread(
            target=lambda k=k: replies.append(
                post(app, path_of(app) + "/item", {**form, "answer": str(k % 2)})
            )
        )
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.history()) == 1
    assert sorted({reply.status for reply in replies}) == [303, 409]
    assert sum(reply.status == 303 for reply in replies) == 4


def test_a_correction_sent_twice_is_one(app, store):
    post(app, path_of(app) + "/item", {**opened(app), **ANSWER})
    page = send(app, "GET", path_of(app) + "/back")
    form = {"ticket": ticket_of(page), "answer": "1", "confidence": "1"}
    for _ in range(2):
        assert post(app, path_of(app) + "/back", form).status == 303
    assert [j.kind for j in store.history()] == ["answer", "correction"]
    assert store.judgments()[0].answer == "no"


def test_wrong_answers_are_shown_again(app, store):
    form = opened(app)
    for fields in (
        {},
        {"answer": "0"},
        {"answer": "2", "confidence": "0"},
        {"answer": "-1", "confidence": "0"},
        {"answer": ["0", "1"], "confidence": "0"},
        {"answer": "0", "confidence": "1.5"},
        {"answer": "0", "confidence": "nan"},
        {"answer": "0", "confidence": ["0", "1"]},
        {"answer": "٣", "confidence": "0"},
    ):
        reply = post(app, path_of(app) + "/item", {**form, **fields})
        assert reply.status == 422, fields
        assert 'role="alert"' in reply.text
        assert content_of(ticket_of(reply)) == content_of(form["ticket"])
    assert store.history() == []


def test_forms_of_others_are_refused(app, store):
    theirs = {**opened(app, "p02"), **ANSWER}
    assert post(app, path_of(app, "p01") + "/item", theirs).status == 403
    assert post(app, path_of(app, "p01") + "/item", ANSWER).status == 400
    two = {**theirs, "ticket": [theirs["ticket"]] * 2}
    assert post(app, path_of(app, "p02") + "/item", two).status == 400
    assert store.history() == []


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_tickets_are_refused(app, store, data):
    ticket = opened(app)["ticket"]
    # The length of a ticket depends on the time.
    place = int(data.draw(st.floats(0, 0.999)) * len(ticket))
    letter = data.draw(st.sampled_from("abcXYZ019-_.=%é\0<"))
    changed = ticket[:place] + letter + ticket[place + 1 :]
    if changed == ticket:
        return
    reply = post(app, path_of(app) + "/item", {**ANSWER, "ticket": changed})
    assert reply.status in (400, 403)
    assert store.history() == []


def test_other_sites_cannot_send_forms(app, store):
    form = {**opened(app), **ANSWER}
    for header in (
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:8000.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ):
        assert post(app, path_of(app) + "/item", form, [header]).status == 403
    assert store.history() == []
    same = [("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin")]
    assert post(app, path_of(app) + "/item", form, same).status == 303


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1.evil.example", "[::2]"]
)
def test_unknown_hosts_are_refused(app, host):
    assert send(app, "GET", path_of(app), host=host).status == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "LOCALHOST", "[::1]:99"])
def test_known_hosts(app, host):
    assert send(app, "GET", path_of(app), host=host).status == 200


def test_large_forms_are_refused(app, store):
    path, kind = path_of(app) + "/item", ("content-type", FORM)
    large = [kind, ("content-length", "999999999")]
    assert send(app, "POST", path, b"a=1", large).status == 413
    endless = [b"a" * 60_000] * 5
    assert send(app, "POST", path, headers=[kind], parts=endless).status == 413
    many = "&".join(f"a{k}=1" for k in range(5000)).encode()
    assert send(app, "POST", path, many, [kind]).status == 400
    assert store.history() == []


def test_slow_and_broken_connections(app, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_SECONDS", 0.05)
    path, kind = path_of(app) + "/item", ("content-type", FORM)
    slow = send(app, "POST", path, headers=[kind], parts=[b"a=", 5.0, b"1"])
    assert slow.status == 408
    broken = send(app, "POST", path, headers=[kind], parts=[b"a=", None])
    assert broken.status == 400


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""]
)
def test_other_content_is_refused(app, kind):
    reply = send(app, "POST", path_of(app) + "/item", b"{}", [("content-type", kind)])
    assert reply.status == 415


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=300))
def test_any_bytes_as_a_form(app, store, body):
    """Garbage is refused with the right status and stores nothing."""
    reply = send(app, "POST", path_of(app) + "/item", body, [("content-type", FORM)])
    assert reply.status in (400, 403)
    assert store.history() == []


@pytest.mark.parametrize("kind", ["multi_select", "slider", "cloze", "free_text"])
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_values_in_a_form(kind, data, tmp_path_factory):
    """Whatever is sent as an answer is stored as it should be, or refused as such."""
    with (
        pytest.MonkeyPatch.context() as patch,
        JudgmentStore(tmp_path_factory.mktemp("any") / "s.db") as store,
    ):
        app = new_app(store, patch, kind)
        values = data.draw(
            st.lists(
                st.one_of(
                    st.text(max_size=20), st.integers().map(str), st.floats().map(str)
                ),
                max_size=4,
            )
        )
        try:
            form = {**opened(app), "answer": values, "confidence": data.draw(st.text())}
            reply = post(app, path_of(app) + "/item", form)
        except UnicodeEncodeError:
            return  # lone surrogates cannot be sent
        assert reply.status in (303, 400, 422)
        for judgment in store.history():
            assert reply.status == 303
            columns = app.state.site.collector.study.items[judgment.item].columns
            question = app.state.site.collector.study.question
            assert question.read(judgment.answer, columns) == judgment.answer
        assert send(app, "GET", path_of(app) + "/item").status == 200


SEGMENTS = st.one_of(
    st.sampled_from(
        ["p", "o", "static", "item", "back", "export", "csv", "style.css", "health"]
    ),
    st.sampled_from(
        ["..", ".", "%2e%2e", "..%2f", "\\", "", "etc", "passwd", "study.db"]
    ),
    st.text(max_size=30),
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(
        ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"]
    ),
    parts=st.lists(SEGMENTS, max_size=5),
)
def test_any_address(app, method, parts):
    """Nobody gets anywhere without a token, whatever the path is."""
    reply = send(app, method, "/" + "/".join(parts))
    if parts in (["health"], ["static", "style.css"]) and method in ("GET", "HEAD"):
        assert reply.status == 200
    else:
        assert reply.status in (404, 405), (method, parts)
    access = app.state.site.access
    secrets = [access.organiser_token, *map(access.participant_token, ["p01", "p02"])]
    assert not any(secret in reply.text for secret in secrets)
    assert "Traceback" not in reply.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../study.db",
        "/static/..%2fstudy.db",
        "/static/%2e%2e/study.db",
        "/static//etc/passwd",
        "/static/style.css/../../x",
        "/study.db",
        "/static/",
    ],
)
def test_no_other_files(app, path):
    assert send(app, "GET", path).status == 404


def test_tokens_open_one_door_only(app):
    access = app.state.site.access
    organiser, token = access.organiser_token, access.participant_token("p01")
    assert send(app, "GET", f"/o/{organiser}").status == 200
    assert send(app, "GET", f"/o/{organiser}/export/csv").status == 200
    for path in (
        f"/o/{token}",
        f"/o/{token}/export/csv",
        f"/p/{organiser}",
        f"/p/{organiser}/item",
        f"/p/{token.lower()}/item",
        f"/p/{token}=/item",
        f"/p/{token[:-1]}",
        f"/o/{organiser}/export/db",
        "/p/p01",
        "/o/",
    ):
        assert send(app, "GET", path).status == 404, path
    for path in (f"/o/{organiser}", "/health"):
        assert send(app, "POST", path).status == 405


def test_pages_of_participants_name_nobody_else(app):
    access = app.state.site.access
    page = send(app, "GET", path_of(app, "p01") + "/item").text
    assert "p02" not in page
    assert access.participant_token("p02") not in page
    assert access.organiser_token not in page


def test_every_answer_has_safe_headers(app):
    for path in (path_of(app), "/nothing", "/static/style.css", path_of(app) + "/item"):
        headers = send(app, "GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "cache-control" in headers
    assert send(app, "GET", path_of(app)).headers["cache-control"] == "no-store"


def test_guessing_is_slowed_down(store, monkeypatch):
    # No time passes, however slow the machine is.
    monkeypatch.setitem(Buckets.__init__.__kwdefaults__, "clock", lambda: 0.0)
    app = make_app(Collector(make_study(quotas=QUOTAS), store, source="web"), SECRET)
    statuses = [send(app, "GET", f"/p/guess{k}").status for k in range(60)]
    assert statuses[0] == 404
    assert statuses[-1] == 429
    # Who has a link is not hindered, but has a limit too.
    assert send(app, "GET", path_of(app)).status == 200
    statuses = [send(app, "GET", path_of(app)).status for _ in range(120)]
    assert statuses[-1] == 429
    assert send(app, "GET", path_of(app, "p02")).status == 200


def test_buckets():
    now = [0.0]
    buckets = Buckets(2.0, 3.0, clock=lambda: now[0], most=2)
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    assert buckets.take("b")
    assert buckets.take("c")
    # The oldest is forgotten, so that strangers cannot fill the memory.
    assert len(buckets._levels) == 2


def test_tokens_are_not_logged(app, caplog):
    caplog.set_level(logging.DEBUG)
    access = app.state.site.access
    form = {**opened(app), **ANSWER}
    post(app, path_of(app) + "/item", form)
    send(app, "GET", f"/o/{access.organiser_token}")
    send(app, "GET", "/p/a-wrong-token/item")
    assert "GET /p/*/item 404" in caplog.text
    assert "POST /p/*/item 303" in caplog.text
    for secret in (access.organiser_token, access.participant_token("p01")):
        assert secret not in caplog.text
    assert "wrong" not in caplog.text


def test_a_defect_says_nothing_of_itself(app, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("the inner workings")

    monkeypatch.setattr(app.state.site.collector.store, "judgments", fail)
    with pytest.raises(RuntimeError):
        send(app, "GET", path_of(app) + "/item")
    # The server has answered before the error goes to its log.
    reply = []

    async def collect(message):
        reply.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path_of(app) + "/item",
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
        "client": ("127.0.0.1", 1),
    }
    with pytest.raises(RuntimeError):
        run(app(scope, receive, collect))
    assert reply[0]["status"] == 500
    assert b"inner" not in reply[1]["body"]


def test_the_secret_is_private(tmp_path):
    path = tmp_path / "study.db.secret"
    secret = read_secret(path)
    assert len(secret) == 32
    assert read_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    if os.name == "posix":
        with pytest.raises(ValueError, match="chmod 600"):
            read_secret(path)
    path.chmod(0o600)
    path.write_text("not hexadecimal")
    with pytest.raises(ValueError, match="does not hold a secret"):
        read_secret(path)
    with pytest.raises(ValueError, match="needs 32"):
        Access(b"short", ["p01"])


def test_links_stay_and_differ():
    people = [f"p{k}" for k in range(500)]
    access, again = Access(SECRET, people), Access(SECRET, people)
    tokens = [access.participant_token(who) for who in people]
    assert tokens == [again.participant_token(who) for who in people]
    assert len({*tokens, access.organiser_token}) == 501
    assert min(map(len, tokens)) == 24  # 144 bits
    other = Access(bytes(32), people)
    assert not set(tokens) & {other.participant_token(who) for who in people}


def test_items_are_given_again_when_a_page_is_reloaded(app):
    first, again = (content_of(opened(app)["ticket"]) for _ in range(2))
    assert first["uid"] == again["uid"]
    assert first["item"] == again["item"]


def test_a_store_of_another_question_is_refused(app, store):
    with pytest.raises(ValueError, match="another question"):
        Collector(make_study("ordinal"), store, source="web")


def test_the_organiser_sees_what_was_said(app, store):
    for who in ("p01", "p02"):
        post(app, path_of(app, who) + "/item", {**opened(app, who), **ANSWER})
    opened(app, "p03")
    page = send(app, "GET", f"/o/{app.state.site.access.organiser_token}").text
    assert "<dd>2<small> of 18</small></dd>" in page
    assert "<dd>1<small> of 3</small></dd>" in page
    export = send(
        app, "GET", f"/o/{app.state.site.access.organiser_token}/export/jsonl"
    )
    assert len(export.text.splitlines()) == 2
    assert export.headers["content-disposition"].startswith("attachment")
