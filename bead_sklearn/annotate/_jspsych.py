"""Trials of jsPsych, also in the result files of JATOS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bead_sklearn.annotate._foreign import Found, as_judgments
from bead_sklearn.annotate._records import Judgment
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study

#: Names that trials have for who answered.
PERSON = ("participant", "participant_id", "subject", "PROLIFIC_PID", "workerId")


def to_jspsych(study: Study, store: JudgmentStore) -> str:
    """Write one list of trials."""
    trials = to_trials(study, store.judgments())
    return json.dumps(trials, ensure_ascii=False, indent=1) + "\n"


def to_trials(study: Study, judgments: Iterable[Judgment]) -> list[dict[str, Any]]:
    """Return judgments as jsPsych would have recorded them."""
    return [
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
        for judgment in judgments
    ]


def from_jspsych(study: Study, text: str) -> list[Judgment]:
    """Read one list of trials, or one in each line, as JATOS writes them."""
    found = []
    times: dict[str, int] = {}
    for number, trial in enumerate(_trials(text)):
        if not isinstance(trial, Mapping):
            raise ValueError(f"trial {number} is no object.")
        if "item" not in trial or trial.get("response") is None:
            continue  # instructions, pauses and the like
        who = next((trial[name] for name in PERSON if name in trial), None)
        if who is None:
            raise ValueError(f"trial {number} has none of {PERSON}.")
        milliseconds = trial.get("rt")
        name = f"{who}/{trial['item']}/{trial.get('trial_index', number)}"
        times[name] = times.get(name, 0) + 1  # a worker may come more than once
        if times[name] > 1:
            name += f"/{times[name]}"
        found.append(
            Found(
                name=str(trial.get("uid", name)),
                item=str(trial["item"]),
                participant=str(who),
                answer=_jspsych_answer(study, trial),
                confidence=trial.get("confidence"),
                response_time=None if milliseconds is None else milliseconds / 1000,
                answered_at=trial.get("answered_at"),
                occasion=trial.get("occasion"),
            )
        )
    return as_judgments(study, found, "jspsych")


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
