"""Who is asked what: schedules, plans, refits, reports, rehearsals."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from studies import KINDS, make_study

from bead_sklearn import BinaryClassifier
from bead_sklearn.annotate import (
    Collector,
    Item,
    JudgmentStore,
    Quotas,
    Rehearsal,
    SimulatedAnnotators,
)
from bead_sklearn.annotate._model import Rows, make_estimator
from bead_sklearn.annotate._plan import Plan
from bead_sklearn.annotate._planner import Planner, _concordance
from bead_sklearn.annotate._refits import Refitter
from bead_sklearn.annotate._report import stopping_advice, unusual_participants
from bead_sklearn.query import JointAOptimal


@pytest.fixture
def store(tmp_path):
    with JudgmentStore(tmp_path / "study.db") as store:
        yield store


def rehearse(study, store, seed=0, **settings):
    people = SimulatedAnnotators.from_truth(study, random_state=seed, **settings)
    rehearsal = Rehearsal(study, store, people, random_state=seed)
    return rehearsal, people


def test_quotas_gold_and_repetitions(store):
    gold = {f"s{k:02d}": "yes" for k in range(10)}
    study = make_study(
        n_items=70,
        n_participants=4,
        gold=gold,
        strategy="random",
        quotas=Quotas(
            judgments_per_item=2,
            items_per_participant=40,
            gold_share=0.1,
            repeat_share=0.15,
            repeat_gap=8,
        ),
    )
    rehearsal, _ = rehearse(study, store)
    rehearsal.run()
    by_item = Counter(j.item for j in store.judgments() if j.counted)
    assert max(by_item.values()) == 2
    assert not set(by_item) & set(gold)
    for who in study.participants:
        mine = store.judgments(participant=who)
        assert len(mine) <= 40
        first = [j.item for j in mine if j.occasion == 1]
        assert len(first) == len(set(first))
        n_gold = sum(j.item in gold for j in mine if j.occasion == 1)
        # The share, one more by the start, and what fills up when items run out.
        assert 4 <= n_gold <= 10
        again = [j for j in mine if j.occasion == 2]
        assert 3 <= len(again) <= 6
        position = {j.item: j.position for j in mine if j.occasion == 1}
        assert all(j.position - position[j.item] > 8 for j in again)
    # Gold items are not all at the same places.
    places = [
        tuple(j.position for j in store.judgments(participant=who) if j.item in gold)
        for who in study.participants
    ]
    assert len(set(places)) > 1


def test_the_plan_is_followed(store):
    study = make_study(n_items=8, quotas=Quotas(judgments_per_item=2))
    collector = Collector(study, store, source="test")
    plan = Plan(1, 0, [("s05", "p01"), ("s03", "p02")], {"p01": ["s06", "s05"]})
    store.put("plan", plan.to_document())
    store.put("plan version", 1)
    assert collector.plan.version == 0
    collector.refresh()
    assert collector.plan == plan
    asked = []
    for _ in range(2):
        lease = collector.next("p01")
        asked.append(lease.item)
        collector.submit(lease, "yes", confidence=1)
    assert asked == ["s05", "s06"]
    assert collector.next("p02").item == "s03"
    # Nothing is planned for p03: chance decides, and there is something.
    assert collector.next("p03") is not None


def test_planner_chooses_what_the_strategy_says(store):
    """The batch has the highest utilities of all pairs not judged yet."""
    study = make_study(n_items=20, n_participants=5, refit_every=10, n_initial=20)
    rehearsal, _ = rehearse(study, store)
    rehearsal.run(max_judgments=40)
    planner = Planner(study)
    plan, note = planner.update(store.judgments())
    assert note["fitted"]
    assert note["n_judgments"] == len(
        {(j.item, j.participant) for j in store.judgments()}
    )
    judged = {(j.item, j.participant) for j in store.judgments()}
    assert not judged & set(plan.batch)
    assert len(plan.batch) == 10
    rows = Rows(study, make_estimator(study))
    pool = [
        (item, who)
        for who in study.participants
        for item in study.items
        if (item, who) not in judged
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a ridge that explains nothing, with 40
        model = BinaryClassifier(mixed_effects="(1 | participant) + (1 | item)").fit(
            rows.X([(j.item, j.participant) for j in store.judgments()]),
            [j.answer for j in store.judgments()],
        )
    p = model.predict_proba(rows.X(pool))
    entropy = -(p * np.log(p)).sum(axis=1)
    by_pair = dict(zip(pool, entropy, strict=True))
    lowest = min(by_pair[pair] for pair in plan.batch)
    assert lowest >= np.sort(entropy)[-10] - 1e-4
    for who, items in plan.rankings.items():
        mine = [by_pair[item, who] for item in items]
        assert all(a >= b - 1e-4 for a, b in pairwise(mine))


@pytest.mark.parametrize("effects", [None, "random_intercepts", "(1 | participant)"])
def test_a_joint_design_knows_who_the_participants_are(store, effects):
    """By the name of the factor, in a formula or as groups."""
    parameters = {} if effects is None else {"mixed_effects": effects}
    study = make_study(
        n_items=20,
        n_participants=5,
        refit_every=10,
        n_initial=20,
        strategy="joint_a_optimal",
        parameters=parameters,
    )
    rehearsal, _ = rehearse(study, store)
    rehearsal.run(max_judgments=40)
    planner = Planner(study)
    plan, _ = planner.update(store.judgments())
    rows, judged = Rows(study, planner.estimator), store.judgments()
    pairs = {(j.item, j.participant) for j in judged}
    pool = [
        (item, who)
        for who in study.participants
        for item in study.items
        if (item, who) not in pairs
    ]
    participant = None if rows.takes_groups else "participant"
    utilities = JointAOptimal(participant=participant)(
        planner.estimator, rows.X(pool), groups=rows.groups(pool)
    )
    best = max(utilities)
    by_pair = dict(zip(pool, utilities, strict=True))
    # Later ones of a batch are chosen as if those before had been answered.
    assert by_pair[plan.batch[0]] == pytest.approx(best, rel=1e-6)
    assert len(set(plan.batch)) == 10


@pytest.mark.parametrize("kind", list(KINDS))
def test_models_of_every_kind_of_answer_are_scored(store, kind):
    study = make_study(kind, n_items=20, n_participants=6, refit_every=20, n_initial=20)
    rehearsal, _ = rehearse(study, store)
    rehearsal.run(max_judgments=40)
    judgments = store.judgments()
    planner = Planner(study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in (20, 32, 40):
            _, note = planner.update(judgments[:n])
    assert note["fitted"]
    assert -1 <= note["stability"] <= 1
    assert not any("did not converge" in warning for warning in note["warnings"])
    is_number = kind in ("magnitude", "slider")
    assert ("rmse" in note) == is_number
    assert ("accuracy" in note) == (not is_number)


def test_selections_are_scored_option_by_option(store):
    study = make_study("multi_select", n_items=20, n_participants=6, n_initial=20)
    rehearsal, _ = rehearse(study, store)
    rehearsal.run(max_judgments=40)
    judgments = store.judgments()
    planner = Planner(study)
    planner.update(judgments[:30])
    model, new = planner.estimator, judgments[30:]
    X = Rows(study, model).X([(j.item, j.participant) for j in new])
    chosen = [[option in j.answer for option in model.classes_] for j in new]
    expected = np.mean(model.predict(X) == np.array(chosen))
    _, note = planner.update(judgments)
    assert note["accuracy"] == pytest.approx(expected)


def test_stability_of_numbers_is_their_concordance():
    a = np.array([1.0, 2.0, 4.0])
    assert _concordance(a, a + 1e-14) == 1.0
    assert _concordance(np.ones(3), np.ones(3) + 1e-12) == 1.0
    b = np.array([1.5, 1.5, 5.0])
    expected = 2 * np.cov(a, b, ddof=0)[0, 1]
    expected /= np.var(a) + np.var(b) + (a.mean() - b.mean()) ** 2
    assert _concordance(a, b) == pytest.approx(expected)


def test_effects_of_the_default_model_have_a_prior_and_can_be_a_table():
    default = make_estimator(make_study("slider")).mixed_effects
    assert default.formula == "(1 | participant) + (1 | item)"
    assert default.prior_sd_scale == 2.5
    table = {"formula": "(1 | participant)", "prior_sd_scale": 1.0}
    study = make_study(parameters={"mixed_effects": table})
    assert make_estimator(study).mixed_effects.get_params()["prior_sd_scale"] == 1.0
    study = make_study(parameters={"mixed_effects": {"sd": 1.0}})
    with pytest.raises(ValueError, match=r"parameters.*unexpected keyword.*'sd'"):
        make_estimator(study)


def test_corrections_change_the_model(store):
    study = make_study(n_items=20, n_participants=5)
    rehearsal, _ = rehearse(study, store)
    rehearsal.run(max_judgments=30)
    planner = Planner(study)
    planner.update(store.judgments())
    before = planner.estimator
    for judgment in store.judgments()[:10]:
        store.correct(judgment.uid, "no" if judgment.answer == "yes" else "yes")
    store.retract(store.judgments()[-1].uid)
    plan, _ = planner.update(store.judgments())
    assert plan.n_judgments == 29
    fresh = Planner(study)
    fresh.update(store.judgments())
    rows = Rows(study, planner.estimator)
    X = rows.X([(item, "p01") for item in study.items])
    after = planner.estimator.predict_proba(X)
    np.testing.assert_allclose(after, fresh.estimator.predict_proba(X), atol=1e-3)
    assert np.abs(after - before.predict_proba(X)).max() > 0.01


def test_a_failing_model_does_not_end_the_study(store):
    study = make_study(
        "magnitude", estimator=BinaryClassifier(), refit_every=3, n_initial=3
    )
    rehearsal, _ = rehearse(study, store)
    rehearsal.run()
    assert len(store.judgments()) == 12
    assert "ValueError" in store.document("report")["error"]
    assert any("error" in line for line in store.rounds())


def test_models_that_do_not_exist(store):
    study = dataclasses.replace(make_study(), estimator="NoSuchModel")
    rehearsal, _ = rehearse(study, store)
    rehearsal.run()
    assert len(store.judgments()) == 12
    assert "NoSuchModel" in store.document("report")["unavailable"]


def test_any_text_classifier(store):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    study = make_study(
        n_items=20,
        estimator=make_pipeline(TfidfVectorizer(), LogisticRegression()),
        n_initial=5,
        refit_every=5,
    )
    rehearsal, _ = rehearse(study, store)
    rehearsal.run(max_judgments=20)
    assert store.document("report")["error"] is None
    assert store.rounds()[-1]["fitted"]


def test_rows_are_what_the_model_reads():
    study = make_study()
    pairs = [("s01", "p02"), ("s00", "p01")]
    rows = Rows(study, BinaryClassifier(mixed_effects="(1 | participant)"))
    assert list(rows.X(pairs).columns) == ["text", "participant"]
    assert rows.groups(pairs) is None
    rows = Rows(study, BinaryClassifier())
    assert list(rows.X(pairs).columns) == ["text"]
    assert rows.groups(pairs).tolist() == ["p02", "p01"]
    rows = Rows(study, BinaryClassifier(mixed_effects="fixed"))
    assert rows.groups(pairs) is None
    with pytest.raises(ValueError, match="neither"):
        Rows(study, BinaryClassifier(mixed_effects="(1 | school)")).X(pairs)


def test_simulated_annotators_from_a_model(store):
    study = make_study(n_items=20, n_participants=4)
    rehearsal, _ = rehearse(study, store)
    rehearsal.run()
    model = rehearsal.refitter._planner.estimator
    clones = SimulatedAnnotators.from_model(study, model, random_state=1)
    rows = Rows(study, model)
    expected = model.predict_proba(rows.X([("s03", "p02")]))[0]
    drawn = [clones.answer("s03", "p02").answer for _ in range(300)]
    share = np.mean(np.array(drawn) == model.classes_[1])
    assert share == pytest.approx(expected[1], abs=0.1)


def test_simulated_annotators_have_the_truth_of_make_judgments():
    study = make_study(n_items=12, n_participants=6)
    people = SimulatedAnnotators.from_truth(study, random_state=3, participant_sd=0.0)
    assert people.item_values.shape == (12,)
    share = [
        np.mean([people.answer(item, "p01").answer == "yes" for _ in range(400)])
        for item in study.items
    ]
    expected = 1 / (1 + np.exp(-people.item_values))
    np.testing.assert_allclose(share, expected, atol=0.1)
    said = people.answer("s00", "p01")
    assert 0 <= said.confidence <= 1
    assert said.response_time > 0


def test_rehearsals_repeat(tmp_path):
    study = make_study(n_items=10)
    answers = []
    for name in "ab":
        with JudgmentStore(tmp_path / f"{name}.db") as store:
            rehearsal, _ = rehearse(study, store)
            rehearsal.run()
            answers.append(
                [(j.item, j.participant, j.answer) for j in store.judgments()]
            )
    assert answers[0] == answers[1]


def test_advice(store):
    study = make_study(n_items=10)
    steps = [{"stability": value} for value in (0.5, 0.995, 1.0, 0.992)]
    assert stopping_advice(study, [], [])["status"] == "start"
    assert stopping_advice(study, [], steps)["status"] == "consider"
    assert stopping_advice(study, [], [*steps, {"stability": 0.9}])["status"] == (
        "continue"
    )
    rehearsal, _ = rehearse(dataclasses.replace(study, estimator="None"), store)
    rehearsal.run()
    assert stopping_advice(study, store.judgments(), steps)["status"] == "stop"


def test_unusual_participants_are_found(store):
    """One who says no to everything, among people of the same mind."""
    study = make_study(
        n_items=40,
        n_participants=12,
        quotas=Quotas(12),
        refit_every=100,
        strategy="random",
    )
    rehearsal, people = rehearse(study, store, participant_sd=0.3, text_sd=0.5)
    odd = "p07"
    draw = people._draw

    def contrary(item, who, random):
        return ("no", None) if who == odd else draw(item, who, random)

    people._draw = contrary
    rehearsal.run()
    assert [p["participant"] for p in store.document("report")["unusual"]] == [odd]
    assert store.document("report")["unusual"][0]["score"] < 0 or (
        rehearsal.refitter._planner.estimator.classes_[1] == "no"
    )
    assert unusual_participants(None) == []


def test_items_of_large_studies_are_sampled(store, monkeypatch):
    from bead_sklearn.annotate import _planner

    monkeypatch.setattr(_planner, "MAX_PAIRS", 60)
    study = make_study(n_items=50, n_participants=4, n_initial=5, refit_every=10)
    rehearsal, _ = rehearse(study, store)
    rehearsal.run(max_judgments=40)
    assert store.document("report")["error"] is None
    assert len(rehearsal.refitter._planner._pairs) < 60 + 60


def test_refits_begin_with_enough(store):
    study = make_study(n_items=10, refit_every=5)
    collector = Collector(study, store, source="test")
    refitter = Refitter(study, store)
    assert refitter.step()  # the first plan, of random items
    assert not refitter.step()
    for k in range(4):
        collector.submit(collector.next("p01"), "yes" if k % 2 else "no", confidence=1)
    assert not refitter.step()
    collector.submit(collector.next("p01"), "no", confidence=1)
    assert refitter.step()
    assert store.document("plan version") == 2


def test_covariates_and_contexts():
    study = make_study()
    items = {
        name: Item({**item.columns, "length": float(k)})
        for k, (name, item) in enumerate(study.items.items())
    }
    study = dataclasses.replace(study, items=items)
    table = Rows(study, make_estimator(study)).X([("s03", "p01")])
    assert list(table.columns) == ["text", "length", "participant", "item"]
    assert table["length"].tolist() == [3.0]
