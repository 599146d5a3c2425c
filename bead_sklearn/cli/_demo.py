"""``bead-sklearn demo``: what the package does, on simulated judgments."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote
from typing import Any

from bead_sklearn.cli._arguments import add_seed
from bead_sklearn.cli._output import Progress, save_csv, save_curves, say, table_rows


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="a tour in under a minute, on simulated judgments",
        description="Simulate yes/no judgments of sentences, fit a model with effects "
        "of participants, see what these effects are worth, and replay active "
        "learning. Each step says in plain words what it shows. Files that a former "
        "demo wrote are replaced.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder for demo_judgments.csv, demo_model, demo_learning_curves.csv and "
        "demo_learning_curves.png (default: the current one)",
    )
    add_seed(parser)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn import BinaryClassifier, persistence
    from bead_sklearn.cli import _evaluation, _simulation
    from bead_sklearn.cli._study import Roles, Study

    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    table, saved = folder / "demo_judgments.csv", folder / "demo_model"
    persistence.check_path(saved, overwrite=True)
    progress = Progress(arguments)
    roles = Roles(
        task="binary",
        text=["text"],
        covariates=[],
        response="response",
        participant="participant",
        item=None,
        mixed_effects="(1 | participant)",
    )

    _heading("1. Judgments")
    judgments = _make_judgments(arguments.seed)
    save_csv(table, *table_rows(judgments.frame))
    study = Study(
        X=_features_and_ids(judgments, roles),
        y=judgments.y,
        participants=judgments.groups,
        roles=roles,
        items=judgments.items,
    )
    true_sd = float(judgments.truth.participant_covariance[0, 0] ** 0.5)
    say(
        f"{study.describe()}: is this sentence acceptable, yes (1) or no (0)? They are "
        "simulated, so the truth is known. Some participants say yes more readily than "
        f"others: their effects have a standard deviation (SD) of {true_sd:.2f} "
        f"logits. The table is in {table}."
    )

    _heading("2. A model of the sentences and of the participants")
    model = BinaryClassifier(
        mixed_effects=roles.mixed_effects,
        text_columns=roles.text,
        random_state=arguments.seed,
    )
    progress.say("Fitting")
    model.fit(study.X, study.y)
    print(model.summary())
    estimate = model.variance_components_[0].sd[0]
    print()
    say(
        "'participant' says how much participants differ: an estimated SD of "
        f"{estimate:.2f}, where {true_sd:.2f} is true. '(Intercept)' is the logit of a "
        "yes for an average sentence and participant, with its standard error (SE) and "
        "a test against 0 (z, p). The features under the ridge are made from words and "
        "parts of words; alpha is how firmly their coefficients are held near 0. R2 is "
        "the share of the variation explained by the sentences (marginal) and by "
        "sentences and participants (conditional); ICC is the participants' share of "
        "what the sentences leave. Log-likelihood, AIC and BIC only mean something "
        "beside those of another model of the same judgments."
    )
    persistence.save(model, saved, overwrite=True, metadata=roles.to_metadata())

    _heading("3. What the participants' effects are worth")
    fixed = BinaryClassifier(
        mixed_effects="fixed", text_columns=roles.text, random_state=arguments.seed
    )
    models = {roles.mixed_effects: (model, study.X), "fixed": (fixed, study.features())}
    progress.say("Cross-validating")
    results = _evaluation.compare(study, models, 5, arguments.seed, progress)
    _evaluation.report(study, results, 5)
    print()
    say(
        "Log loss is the average surprise at a held-out response. '(1 | participant)' "
        "is the model above; 'fixed' is the same without effects of participants; "
        "'shares of the labels' knows only how often each answer is given. Knowing a "
        "participant helps to predict more of the same person's judgments; for a new "
        "person there is nothing to know yet."
    )

    _heading("4. Active learning: asking for the judgments that teach most")
    curves = _simulation.simulate(
        study,
        model,
        ["random", "entropy"],
        progress,
        n_initial=40,
        batch_size=40,
        max_labels=400,
        n_repeats=5,
        validation=0.3,
        random_state=arguments.seed,
    )
    _simulation.report(study, curves)
    print()
    points = folder / "demo_learning_curves.csv"
    _simulation.save_table(curves, points)
    picture = folder / "demo_learning_curves.png"
    say(
        "Each run starts with 40 judgments and asks for 40 more at a time: any "
        "(random), or those the model is least sure of (entropy). Numbers are means of "
        "5 runs, scored on judgments that are never asked for. Uncertainty is not "
        "always the better guide: the least certain judgments may be so because of who "
        f"judged. All points are in {points}. "
        + save_curves(curves, _simulation.score_name(study), picture)
    )

    _heading("5. Your own table")
    say(
        f"The model is saved in {saved}. The same on a table of your own, here with "
        "the one of the demo:"
    )
    print(
        f"  bead-sklearn fit {quote(str(table))} --task binary --text text \\\n"
        "      --response response --participant participant --cross-validate 5\n"
        f"  bead-sklearn predict {quote(str(saved))} {quote(str(table))}"
    )


def _make_judgments(seed: int) -> Any:
    from bead_sklearn.datasets import make_judgments

    return make_judgments(
        "binary",
        n_participants=30,
        n_items=200,
        n_per_participant=50,
        participant_sd=1.5,
        text_sd=1.5,
        random_state=seed,
    )


def _features_and_ids(judgments: Any, roles: Any) -> Any:
    from bead_sklearn.cli._study import select

    return select(judgments.frame, [*roles.features, *roles.factors])


def _heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")
