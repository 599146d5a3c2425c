"""A real browser annotates on the real server, by keyboard and by mouse.

With SCREENSHOTS set to a folder, every page is drawn there.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from studies import KINDS, make_study

from bead_sklearn.annotate import JudgmentStore, Quotas

#: Kind: keys of the answer, and the answers they give.
KEYS = {
    "binary": (["1"], "yes"),
    "categorical": (["3"], "contradiction"),
    "forced_choice": (["2"], "option_b"),
    "multi_select": (["1", "3"], ["joy", "surprise"]),
    "ordinal": (["6"], 6),
    "slider": ([".", "7", "5"], 0.75),
    "magnitude": (["1", "2", ".", "5"], 12.5),
    "cloze": (["r", "o", "s", "e", "Tab", "w", "a", "l", "l"], ["rose", "wall"]),
    "free_text": (["A", "h", "Enter", "o", "h"], "Ah\noh"),
}
#: Pages stay small in one study: two judgments, no gold items.
SETTINGS = {"quotas": Quotas(judgments_per_item=3, items_per_participant=2)}


@pytest.fixture(params=list(KINDS))
def served(request, web, tmp_path):
    with web.Server(make_study(request.param, **SETTINGS), tmp_path / "s.db") as server:
        yield request.param, server, server.links()


def draw(page, name):
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def new_page(browser, **settings):
    """Return a page that fails the test when a script of it fails."""
    page = browser.new_context(**settings).new_page()
    page.set_default_timeout(20_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type in ("error", "warning")
            else None
        ),
    )
    page.problems = problems
    return page


def click_answer(page, kind):
    """Answer as in KEYS, with the mouse."""
    if kind == "slider":
        box = page.locator("#range").bounding_box()
        page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
        return
    answer = KEYS[kind][1]
    if kind in ("magnitude", "free_text"):
        page.locator("[name=answer]").click()
        page.keyboard.insert_text(str(answer))
        return
    if kind == "cloze":
        for field, word in zip(page.locator("input.blank").all(), answer, strict=True):
            field.click()
            page.keyboard.insert_text(word)
        return
    for key in KEYS[kind][0]:
        page.locator(f"label.option:has([data-key='{key}'])").click()


def test_by_keyboard(served, browser):
    kind, server, links = served
    page = new_page(browser, viewport={"width": 900, "height": 700})
    page.goto(links["p01"])
    draw(page, f"{kind}_start")
    page.wait_for_function("document.activeElement.id === 'start'")
    page.keyboard.press("Enter")
    page.wait_for_selector("#form")
    draw(page, f"{kind}_empty")
    assert page.locator("progress").get_attribute("value") == "0"
    for key in KEYS[kind][0]:
        page.keyboard.press(key)
    page.keyboard.press("Alt+4")
    draw(page, f"{kind}_answered")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter" if kind == "free_text" else "Enter")
    assert page.locator("progress").get_attribute("value") == "1"
    with JudgmentStore(server.path) as store:
        (judgment,) = store.judgments()
        assert judgment.participant == "p01"
        assert judgment.answer == KEYS[kind][1]
        assert judgment.confidence == 0.75
        assert 0 < judgment.response_time < 60
        assert judgment.source == "web"
    assert page.problems == []
    page.context.close()


def test_by_mouse_and_changing_the_answer(served, browser):
    kind, server, links = served
    page = new_page(
        browser,
        viewport={"width": 375, "height": 700},
        has_touch=True,
        is_mobile=True,
        color_scheme="dark",
    )
    page.goto(links["p02"])
    page.locator("#start").click()
    page.wait_for_selector("#form")
    draw(page, f"{kind}_phone")
    # Nothing runs over the edge of a small screen.
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375
    # Sending nothing sends nothing: the browser asks for an answer.
    page.locator("#submit").click()
    assert page.locator("progress").get_attribute("value") == "0"
    click_answer(page, kind)
    page.locator("label.option:has([data-confidence='2'])").click()
    with page.expect_navigation():
        page.locator("#submit").click()
    # Back to the last answer, which is shown as it was given, and change it.
    with page.expect_navigation():
        page.locator("#back").click()
    assert page.locator("[data-confidence='2']").is_checked()
    draw(page, f"{kind}_changing")
    page.locator("label.option:has([data-confidence='5'])").click()
    with page.expect_navigation():
        page.locator("#submit").click()
    with JudgmentStore(server.path) as store:
        first, second = store.history()
        answer = KEYS[kind][1]
        if kind == "slider":
            assert first.answer == pytest.approx(0.75, abs=0.03)
            answer = first.answer
        assert first.answer == second.answer == answer
        assert (first.confidence, second.confidence) == (0.25, 1.0)
        assert second.kind == "correction"
        assert second.root == first.uid
    # The second and last item, then the end.
    click_answer(page, kind)
    page.locator("label.option:has([data-confidence='3'])").click()
    with page.expect_navigation():
        page.locator("#submit").click()
    assert page.locator("h1").inner_text() == "That was all"
    draw(page, f"{kind}_end")
    assert page.problems == []
    page.context.close()


def test_accessibility(served, browser):
    """No violation of WCAG 2.2 AA that axe-core knows, in any state of the page."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs the extra 'browser'"
    ).Axe()
    kind, server, links = served
    page = new_page(browser)

    def check(where):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = axe.run(page).response["violations"]
            assert [
                (rule["id"], node["html"]) for rule in found for node in rule["nodes"]
            ] == [], (where, scheme)

    page.goto(links["p01"])
    check("start")
    page.goto(links["p01"] + "/item")
    check("item")
    click_answer(page, kind)
    page.locator("label.option:has([data-confidence='1'])").click()
    check("answered")
    with page.expect_navigation():
        page.locator("#submit").click()
    page.goto(links["p01"] + "/back")
    check("changing")
    # An answer that is none, past the checks of the browser.
    page.goto(links["p01"] + "/item")
    page.evaluate("document.getElementById('form').noValidate = true")
    with page.expect_navigation():
        page.locator("#submit").click()
    assert page.locator("[role=alert]").count() == 1
    check("error")
    page.goto(server.organiser)
    check("organiser")
    page.goto(links["p01"] + "x")
    check("not found")
    page.context.close()


def test_without_scripts(web, tmp_path, browser):
    """Pages work where scripts are switched off."""
    with web.Server(make_study("slider"), tmp_path / "s.db") as server:
        link = server.links()["p01"]
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(link + "/item")
        page.fill("#number", "0.2")
        page.locator("[data-confidence='5']").check()
        with page.expect_navigation():
            page.locator("#submit").click()
        with JudgmentStore(server.path) as store:
            (judgment,) = store.judgments()
        assert judgment.answer == 0.2
        assert 0 < judgment.response_time < 60
        page.context.close()


HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)>'\"&{{7*7}}"
)


@pytest.mark.parametrize("kind", ["binary", "forced_choice", "cloze", "free_text"])
def test_texts_are_never_html(kind, web, tmp_path, browser):
    """Scripts in items, names, prompts and answers are shown and not run."""
    import dataclasses

    study = make_study(kind, **SETTINGS, instructions=HOSTILE)
    items = {
        f"{name}{HOSTILE}": dataclasses.replace(
            item, columns={c: f"{HOSTILE} {t}" for c, t in item.columns.items()}
        )
        for name, item in study.items.items()
    }
    study = dataclasses.replace(
        study,
        name=HOSTILE,
        items=items,
        question=dataclasses.replace(study.question, prompt=HOSTILE),
        participants=[f"p{HOSTILE}"],
    )
    with web.Server(study, tmp_path / "s.db") as server:
        page = new_page(browser)
        page.goto(server.organiser)
        assert HOSTILE in page.inner_text("h1")
        link = page.locator("table th a").first.get_attribute("href")
        page.goto(server.url + link)
        page.locator("#start").click()
        page.wait_for_selector("#form")
        assert HOSTILE in page.inner_text("main")
        if kind == "free_text":
            page.fill("#text", HOSTILE)
        elif kind == "cloze":
            for field in page.locator("input.blank").all():
                field.fill("<b>x</b>")
        else:
            page.keyboard.press("1")
        page.keyboard.press("Alt+3")
        with page.expect_navigation():
            page.locator("#submit").click()
        page.goto(server.url + link + "/back")
        if kind == "free_text":
            assert page.input_value("#text") == HOSTILE
        assert "owned" not in page.title().replace(HOSTILE, "")
        assert page.locator("img, b").count() == 0
        assert page.problems == []
        page.context.close()
