"""Tasks and annotations of Label Studio."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bead_sklearn.annotate._foreign import Found, as_judgments
from bead_sklearn.annotate._records import Judgment
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study


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
                Found(
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
    return as_judgments(study, found, "labelstudio")


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
