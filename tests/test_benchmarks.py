"""The benchmark scripts can be read, and their small parts are right."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path.stem for path in HERE.glob("[!_]*.py"))


@pytest.fixture(autouse=True)
def on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    yield
    for name in [*SCRIPTS, *(path.stem for path in HERE.glob("_*.py"))]:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("script", sorted(set(SCRIPTS) - {"bench_import"}))
def test_help(script, monkeypatch, capsys):
    module = importlib.import_module(script)
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert module.__doc__.splitlines()[0] in capsys.readouterr().out


def test_simulated_data_are_what_they_say():
    data = importlib.import_module("_data").simulate_crossed(10_000, 4, 3)
    assert data.X.shape == (10_000, 4)
    np.testing.assert_array_equal(np.bincount(data.participant), np.full(200, 50))
    pairs = data.participant * 100 + data.item
    assert len(np.unique(pairs)) == 10_000  # nobody judges an item twice
    expected = 1.0 / (1.0 + np.exp(-data.eta))
    residual = data.y - expected
    z = residual.sum() / np.sqrt((expected * (1.0 - expected)).sum())
    assert abs(z) < 4.0


def test_a_cell_is_measured_in_its_own_process(tmp_path):
    measuring = importlib.import_module("_measure")
    script = tmp_path / "script.py"
    script.write_text(
        "import json, sys\n"
        "cell = json.loads(sys.argv[sys.argv.index('--cell') + 1])\n"
        "if cell['n'] < 0: raise ValueError('n is negative')\n"
        "while cell['n'] == 0: pass\n"
        "print('some output'); print(json.dumps({'twice': 2 * cell['n']}))\n"
    )

    def run(n, limit=60.0):
        return measuring.run_cell(str(script), {"n": n}, limit)

    assert run(2) == {"n": 2, "status": "ok", "twice": 4}
    failed = run(-1)
    assert failed["status"] == "error"
    assert failed["message"] == "ValueError: n is negative"
    assert run(0, limit=0.5)["status"] == "limit"


def test_results_are_lines_of_json(tmp_path):
    measuring = importlib.import_module("_measure")
    path = tmp_path / "folder" / "results.jsonl"
    measuring.save(path, [{"a": 1}])
    measuring.save(path, [{"a": 2}])
    lines = path.read_text().splitlines()
    assert [json.loads(line)["a"] for line in lines] == [1, 2]


def test_measure_repeats_fast_fits():
    measuring = importlib.import_module("_measure")
    calls = []

    def fit():
        calls.append(1)
        return {"value": len(calls)}

    record = measuring.measure(fit)
    assert record["runs"] == len(calls) > 1
    assert record["value"] == len(calls)
    assert record["peak_mb"] > 0


def test_penalised_modes_solve_their_equations():
    rule = importlib.import_module("bench_seed_rule")
    participant, x, y = rule.simulate(5, 0)
    variance = 0.25
    b, u, spread = rule.joint_mode(participant, x, y, variance)
    p = 1.0 / (1.0 + np.exp(-(b[0] + b[1] * x + u[participant])))
    np.testing.assert_allclose(
        np.bincount(participant, weights=y - p), u / variance, atol=1e-8
    )
    np.testing.assert_allclose([(y - p).sum(), (y - p) @ x], 0.0, atol=1e-8)
    assert (spread > 0).all()


def test_batches_hold_whole_groups_once():
    torch = pytest.importorskip("torch")
    trainer = importlib.import_module("_group_trainer")
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(20), rng.integers(1, 30, 20))
    rows = trainer.Groups(torch.zeros(len(codes), 1), np.zeros(len(codes)), codes, 20)
    made = trainer.GroupTrainer(
        torch.nn.Identity(), torch.nn.Linear(1, 1), trainer.Normal(), batch_size=40
    )
    seen = []
    for members, pieces in made._batches(rows, rng):
        seen.append(members)
        for piece in np.unique(pieces):
            [group] = np.unique(codes[members[pieces == piece]])
            assert (codes[members] == group).sum() == (codes == group).sum()
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(len(codes)))


def test_gradient_for_the_network_is_that_of_the_marginal_likelihood():
    torch = pytest.importorskip("torch")
    trainer = importlib.import_module("_group_trainer")
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(6), 5)
    f, y = rng.standard_normal(30), rng.standard_normal(30)
    made = trainer.GroupTrainer(
        torch.nn.Identity(), torch.nn.Linear(1, 1), trainer.Normal(0.8), sd=1.3
    )
    same = codes[:, None] == codes
    covariance = 1.3**2 * same + 0.8**2 * np.eye(30)
    expected = np.linalg.solve(covariance, y - f)
    np.testing.assert_allclose(made._rho(f, y, codes), expected, rtol=1e-8)


def test_differences_of_models_over_participants():
    report = importlib.import_module("_tasks_report")
    rng = np.random.default_rng(0)
    counts = rng.integers(5, 30, 40)
    other = rng.normal(size=40) * counts
    one = other + 0.3 * counts + rng.normal(size=40) * counts
    cell = lambda sums: {"parts": {"sums": sums.tolist(), "counts": counts.tolist()}}  # noqa: E731
    mean, error = report.difference([cell(one)], [cell(other)])
    assert mean == pytest.approx((one - other).sum() / counts.sum())
    draws = []
    for seed in range(2000):
        kept = np.random.default_rng(seed).integers(0, 40, 40)
        draws.append((one - other)[kept].sum() / counts[kept].sum())
    assert error == pytest.approx(np.std(draws), rel=0.1)
    assert report.difference([cell(other)], [cell(other)]) == (0.0, 0.0)


def test_calibration_of_predictions_that_are_true():
    models = importlib.import_module("_tasks_models")
    rng = np.random.default_rng(0)
    p = rng.uniform(size=40_000)
    happened = rng.uniform(size=len(p)) < p
    found = models.bins(models.Predicted(p, p, p, happened))
    assert sum(found["count"]) == len(p)
    np.testing.assert_allclose(found["stated"], found["observed"], atol=0.04)
    y = rng.normal(size=20_000)
    normal = importlib.import_module("scipy.stats").norm
    table = np.tile(normal.ppf(models.LEVELS), (len(y), 1))
    found = models.bins(models.of_numbers(y, normal.logpdf(y), table))
    np.testing.assert_allclose(found["stated"], found["observed"], atol=0.02)


def test_smaller_tables_keep_participants_whole():
    pd = pytest.importorskip("pandas")
    data = importlib.import_module("_tasks_data")
    people = np.repeat(np.arange(20), 5)
    table = pd.DataFrame({"participant": people, "item": people // 4 * 5 + 0})
    table["item"] += np.tile(np.arange(5), 20)
    kept = data.whole_participants(table, 42)
    assert len(kept) == 40
    assert (kept["participant"].value_counts() == 5).all()
    assert kept["item"].nunique() == 10  # two blocks of four who share their items


def test_samples_of_the_study():
    study = importlib.import_module("_study_data")
    for family in study.FAMILIES:
        for setting in study.settings(family):
            rng = np.random.default_rng(0)
            sample = study.draw(family, setting, rng)
            n_judgments = setting.participants * setting.per_participant
            assert len(sample.fixed) == sample.design.n_fixed
            assert len(setting.true_sds) == sum(
                factor.z.shape[1] for factor in sample.design.factors
            )
            if family == "conditional_logit":
                sample.family.check_response(sample.y)
                assert sample.y.sum() == n_judgments
            else:
                assert len(sample.y) == n_judgments
            if len(sample.family.parameters):  # the truth is not given away
                true = study.FAMILIES[family][0].parameters
                assert not np.allclose(sample.family.parameters, true)


def test_single_effects_of_the_study_are_tested():
    study = importlib.import_module("simulation_study")
    shares = 100.0 * np.random.default_rng(0).binomial(400, 0.945, size=90) / 400
    records = [
        {"n_fits": 400, "coverage": list(part)} for part in shares.reshape(30, 3)
    ]
    found = study.scatter(records)
    assert found["p_value"] > 0.01
    assert found["n_significant"] == 0
    assert found["mean"] == pytest.approx(shares.mean(), abs=1e-9)
    # One effect that is far off is seen among the others.
    records[4]["coverage"][1] = 80.0
    found = study.scatter(records)
    assert found["p_value"] < 1e-6
    assert found["n_significant"] == 1


def test_tables_of_tasks_are_made_from_kept_results(monkeypatch, capsys, tmp_path):
    module = importlib.import_module("bench_tasks")
    figure, page = tmp_path / "figure.png", tmp_path / "page.md"
    page.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    arguments = ["--read", str(HERE / "results" / "tasks.jsonl")]
    arguments += ["--page", str(page), "--figure", str(figure)]
    monkeypatch.setattr(sys, "argv", ["bench_tasks", *arguments])
    module.main()
    assert figure.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert text.startswith("before\n<!-- results -->")
    assert text.endswith("<!-- end of results -->\nafter\n")
    assert "old" not in text.split()
    assert "| binary | known | default |" in text
    assert "multi-select" in capsys.readouterr().out
    # The page of the documentation is the one that the script writes.
    kept = (HERE.parent / "docs" / "benchmark_tasks.md").read_text(encoding="utf-8")
    table = text.split("<!-- results -->")[1].split("<!-- end of results -->")[0]
    assert table in kept


@pytest.mark.parametrize(
    ("script", "results"),
    [
        ("simulation_study", "simulation_study.jsonl"),
        ("bench_participants", "participants.jsonl"),
    ],
)
def test_figures_are_drawn_from_kept_results(
    script, results, monkeypatch, capsys, tmp_path
):
    module = importlib.import_module(script)
    figure = tmp_path / "figure.png"
    arguments = ["--read", str(HERE / "results" / results), "--figure", str(figure)]
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    module.main()
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "(1 | p)" in capsys.readouterr().out
