"""What the organiser's page shows."""

from __future__ import annotations

from typing import Any

from bead_sklearn.annotate.collector import Collector
from bead_sklearn.annotate.web._access import Access
from bead_sklearn.annotate.web._chart import make_chart, smooth

#: Models listed on the page.
_MAX_ROUNDS = 20
_NOTHING: dict[str, Any] = {
    "alpha": None,
    "retest_alpha": None,
    "gold_accuracy": None,
    "participants": [],
}


def organiser_values(
    collector: Collector, access: Access, public_url: str
) -> dict[str, Any]:
    """Return what the organiser's page shows.

    Counts are of this moment; what takes computing is of the last report.
    """
    study, store = collector.study, collector.store
    by_item, by_person = store.counts()
    report = store.document("report") or {}
    rounds = store.rounds()
    quota = study.quotas.judgments_per_item
    open_items = study.open_items
    measures = {
        person["participant"]: person
        for person in report.get("quality", _NOTHING)["participants"]
    }
    scores = [
        (line["n_judgments"], line[name], line["n_scored"])
        for line in rounds
        for name in ("accuracy", "rmse")
        if name in line
    ]
    numeric = study.question.level == "interval"
    steps = [
        (line["n_judgments"], line["stability"])
        for line in rounds
        if line.get("stability") is not None
    ]
    warnings = [report[name] for name in ("unavailable", "error") if report.get(name)]
    return {
        "title": f"{study.name}: organiser",
        "study": study,
        "warnings": warnings,
        "n_judgments": sum(by_item.get(item, 0) for item in open_items),
        "n_wanted": quota * len(open_items),
        "n_complete": sum(by_item.get(item, 0) >= quota for item in open_items),
        "n_open": len(open_items),
        "n_active": len(store.leases()),
        "quality": report.get("quality", _NOTHING),
        "advice": report.get(
            "advice", {"status": "start", "text": "Advice comes with the answers."}
        ),
        "score_chart": make_chart(smooth(scores, max(20, 2 * study.refit_every))),
        "score_name": "Error of predictions (root mean square)"
        if numeric
        else "Share of answers predicted",
        "stability_chart": make_chart(steps),
        "people": [
            _person(collector, access, public_url, who, by_person.get(who, 0), measures)
            | {"remarks": _remarks(who, measures, report)}
            for who in study.participants
        ],
        "rounds": [_round(line) for line in rounds[: -_MAX_ROUNDS - 1 : -1]],
    }


def _person(
    collector: Collector,
    access: Access,
    public_url: str,
    who: str,
    n_done: int,
    measures: dict[str, Any],
) -> dict[str, Any]:
    names = (
        "agreement",
        "gold_accuracy",
        "retest",
        "overconfidence",
        "median_time",
        "fatigue",
    )
    link = f"/p/{access.participant_token(who)}"
    measured = measures.get(who, {})
    return {
        "name": who,
        "link": link,
        "url": public_url + link,
        "done": n_done,
        "total": collector.progress(who, n_done).total,
        **{name: measured.get(name) for name in names},
    }


def _remarks(who: str, measures: dict[str, Any], report: dict[str, Any]) -> list[str]:
    remarks = list(measures.get(who, {}).get("flags", []))
    for person in report.get("unusual", []):
        if person["participant"] == who:
            remarks.append(
                f"unusual: effect {person['score']:+.1f} standard deviations from "
                "the median"
            )
    return remarks


def _round(line: dict[str, Any]) -> dict[str, Any]:
    remarks = [line["error"]] if "error" in line else list(line.get("warnings", []))
    if "fitted" in line and not line["fitted"]:
        remarks.insert(0, "too few answers for a model: items at random")
    return {
        "when": line["made_at"][:19].replace("T", " "),
        "n": line.get("n_judgments"),
        "seconds": line.get("seconds"),
        "remarks": " ".join(remarks),
    }
