"""Judgments in the files of Label Studio, jsPsych and JATOS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bead_sklearn.annotate._records import Judgment, utc
from bead_sklearn.annotate.store import SOFTWARE, JudgmentStore
from bead_sklearn.annotate.study import Study

_EPOCH = utc(0.0)

# ------------------------------------------------------------------------ Label Studio


def to_label_studio(study: Study, store: JudgmentStore) -> str:
    """Write a task per item, with an annotation per judgment."""
    by_item: dict[str, list[Judgment]] = {}
    for judgment in store.judgments():
        by_item.setdefault(judgment.item, []).append(judgment)
    tasks = [
        {
            "id": number,
            "data": {**item.columns, "item": name},
            "annotations": [
                {
                    "id": judgment.seq,
                    "unique_id": judgment.uid,
                    "completed_by": {"email": judgment.participant},
                    "created_at": judgment.answered_at,
                    "lead_time": judgment.response_time,
                    "result": _label_studio_result(study, judgment),
                }
                for judgment in by_item.get(name, [])
            ],
        }
        for number, (name, item) in enumerate(study.items.items(), start=1)
    ]
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def _label_studio_result(study: Study, judgment: Judgment) -> list[dict[str, Any]]:
    kind, answer = study.question.kind, judgment.answer
    if kind == "cloze":
        type_, value = (
            "textarea",
            {"text": answer if isinstance(answer, list) else [answer]},
        )
    elif kind == "free_text":
        type_, value = "textarea", {"text": [answer]}
    elif kind in ("slider", "magnitude"):
        type_, value = "number", {"number": answer}
    else:
        chosen = answer if isinstance(answer, list) else [str(answer)]
        type_, value = "choices", {"choices": chosen}
    meta = {"confidence": judgment.confidence, "occasion": judgment.occasion}
    return [
        {
            "from_name": "answer",
            "to_name": "text",
            "type": type_,
            "value": value,
            "meta": meta,
        }
    ]


def from_label_studio(study: Study, text: str) -> list[Judgment]:
    tasks = json.loads(text)
    if not isinstance(tasks, list):
        raise ValueError("a list of tasks is expected.")
    found = []
    for task in tasks:
        item = str(task["data"].get("item", task.get("id")))
        for annotation in task.get("annotations") or ():
            if annotation.get("was_cancelled") or not annotation.get("result"):
                continue
            result = annotation["result"][0]
            who = annotation.get("completed_by", "unknown")
            if isinstance(who, Mapping):
                who = who.get("email") or who.get("id")
            meta = result.get("meta") or {}
            found.append(
                _Found(
                    name=str(annotation.get("unique_id") or annotation.get("id")),
                    item=item,
                    participant=str(who),
                    answer=_label_studio_answer(study, result["value"]),
                    confidence=meta.get("confidence"),
                    response_time=annotation.get("lead_time"),
                    answered_at=annotation.get("created_at"),
                    occasion=meta.get("occasion"),
                )
            )
    return _judgments(study, found, "labelstudio")


def _label_studio_answer(study: Study, value: Mapping[str, Any]) -> Any:
    for name in ("choices", "text", "number", "rating"):
        if name in value:
            answer = value[name]
            break
    else:
        raise ValueError(f"a result with the value {dict(value)} is not known.")
    several = study.question.kind == "multi_select"
    if isinstance(answer, list) and len(answer) == 1 and not several:
        return answer[0]
    return answer


# --------------------------------------------------------------------- jsPsych, JATOS

_PERSON = ("participant", "participant_id", "subject", "PROLIFIC_PID", "workerId")


def to_jspsych(study: Study, store: JudgmentStore) -> str:
    trials = [
        {
            "trial_type": f"bead-{study.question.kind}",
            "trial_index": judgment.position - 1,
            "participant": judgment.participant,
            "item": judgment.item,
            "response": judgment.answer,
            "rt": None
            if judgment.response_time is None
            else round(1000 * judgment.response_time, 3),
            "confidence": judgment.confidence,
            "occasion": judgment.occasion,
            "answered_at": judgment.answered_at,
            "uid": judgment.uid,
        }
        for judgment in store.judgments()
    ]
    return json.dumps(trials, ensure_ascii=False, indent=1) + "\n"


def from_jspsych(study: Study, text: str) -> list[Judgment]:
    """Read one list of trials, or one in each line, as JATOS writes them."""
    found = []
    for number, trial in enumerate(_trials(text)):
        if not isinstance(trial, Mapping):
            raise ValueError(f"trial {number} is no object.")
        if "item" not in trial or trial.get("response") is None:
            continue  # instructions, pauses and the like
        who = next((trial[name] for name in _PERSON if name in trial), None)
        if who is None:
            raise ValueError(f"trial {number} has none of {_PERSON}.")
        milliseconds = trial.get("rt")
        found.append(
            _Found(
                name=str(trial["uid"])
                if "uid" in trial
                else f"{who}/{trial['item']}/{trial.get('trial_index', number)}",
                item=str(trial["item"]),
                participant=str(who),
                answer=_jspsych_answer(study, trial),
                confidence=trial.get("confidence"),
                response_time=None if milliseconds is None else milliseconds / 1000,
                answered_at=trial.get("answered_at"),
                occasion=trial.get("occasion"),
            )
        )
    return _judgments(study, found, "jspsych")


def _trials(text: str) -> Iterable[Any]:
    try:
        data = json.loads(text)
    except ValueError:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [
            t for data in lines for t in (data if isinstance(data, list) else [data])
        ]
    return data if isinstance(data, list) else [data]


def _jspsych_answer(study: Study, trial: Mapping[str, Any]) -> Any:
    """Return a response: buttons are numbers of choices, surveys are objects."""
    response = trial["response"]
    if isinstance(response, Mapping):
        values = list(response.values())
        response = values[0] if len(values) == 1 else values
    plugin = str(trial.get("trial_type", ""))
    choices = (
        study.question.choices(study.items[str(trial["item"])].columns)
        if (str(trial["item"]) in study.items)
        else []
    )
    if plugin.endswith("button-response") and isinstance(response, int):
        shown = trial.get("choices")
        if isinstance(shown, list) and 0 <= response < len(shown):
            return shown[response]
        if 0 <= response < len(choices):
            return choices[response].value
    likert = plugin.startswith("survey-likert") and isinstance(response, int)
    if likert and 0 <= response < len(choices):
        return choices[response].value
    return response


@dataclass(frozen=True)
class _Found:
    """A judgment as another tool has it."""

    name: str
    item: str
    participant: str
    answer: Any
    confidence: Any
    response_time: Any
    answered_at: Any
    occasion: Any


def _judgments(study: Study, found: list[_Found], source: str) -> list[Judgment]:
    """Give judgments of other tools the fields of ours, the same each time."""
    position: dict[str, int] = {}
    seen: dict[tuple[str, str], int] = {}
    judgments = []
    for row in found:
        position[row.participant] = position.get(row.participant, 0) + 1
        pair = row.participant, row.item
        seen[pair] = seen.get(pair, 0) + 1
        occasion = seen[pair] if row.occasion is None else int(row.occasion)
        known = len(row.name) == 24 and all(c in "0123456789abcdef" for c in row.name)
        uid = (
            row.name
            if known
            else uuid.uuid5(uuid.NAMESPACE_OID, f"{source}/{row.name}").hex
        )
        item = study.items.get(row.item)
        time = None if row.answered_at is None else str(row.answered_at)
        judgments.append(
            Judgment(
                uid=uid,
                root=uid,
                version=1,
                kind="answer",
                item=row.item,
                participant=row.participant,
                occasion=occasion,
                answer=row.answer,
                confidence=None if row.confidence is None else float(row.confidence),
                response_time=None
                if row.response_time is None
                else float(row.response_time),
                position=position[row.participant],
                counted=occasion == 1 and item is not None and item.gold is None,
                shown_at=None,
                answered_at=time,
                # Not the time of the import: importing again must give the same rows.
                recorded_at=time or _EPOCH,
                software=SOFTWARE,
                source=source,
            )
        )
    return judgments
