"""``bead-sklearn annotate``: collect judgments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bead_sklearn.cli._arguments import at_least
from bead_sklearn.cli._output import Progress


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "annotate",
        help="collect judgments in a terminal or by a web page",
        description="Collect judgments for a study: in this terminal, or by a web page "
        "with a link for each participant. Answers go to a store beside the study "
        "file, which loses nothing; starting again goes on where it ended.",
        usage="%(prog)s [options] STUDY",
        epilog="Example: bead-sklearn annotate study.toml --participant p01",
    )
    parser.add_argument(
        "study", type=Path, metavar="STUDY", help="the study, a .toml file"
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        help="store of the judgments (default: the study file with .db)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--participant", metavar="ID", help="who annotates here")
    what.add_argument("--web", action="store_true", help="start a local web server")
    what.add_argument(
        "--rehearse",
        action="store_true",
        help="let simulated participants answer, into a store of their own",
    )
    what.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="write the judgments: .csv or .jsonl with all rows, .labelstudio.json, "
        ".jspsych.json, .txt as of JATOS",
    )
    what.add_argument(
        "--import",
        dest="import_from",
        type=Path,
        metavar="FILE",
        help="read judgments of one of these kinds, or a .jrzip of JATOS",
    )
    what.add_argument(
        "--merge", type=Path, metavar="STORE", help="add all that another store has"
    )
    what.add_argument(
        "--check",
        action="store_true",
        help="read the whole store and say if it is sound",
    )
    web = parser.add_argument_group("web server")
    web.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; the default is this machine only",
    )
    web.add_argument(
        "--port",
        type=at_least(0),
        default=8000,
        help="port to listen on; 0 takes a free one (default: 8000)",
    )
    web.add_argument(
        "--public-url",
        metavar="URL",
        help="how participants reach the server, if a proxy stands in front of it",
    )
    parser.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="N",
        help="seed of the simulated participants (default: 0)",
    )
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn.annotate import JudgmentStore, load_study

    study = load_study(arguments.study)
    path = arguments.store or arguments.study.with_suffix(".db")
    progress = Progress(arguments)
    if arguments.rehearse:
        from bead_sklearn.annotate.rehearsal import run_rehearsal

        path = arguments.store or arguments.study.with_suffix(".rehearsal.db")
        run_rehearsal(study, path, seed=arguments.seed, say=progress.say)
        return
    with JudgmentStore(path) as store:
        report = store.check()
        if report.recovered or not report.sound:
            progress.say(f"{path}: {report}")
        if arguments.check:
            print(report)
        elif arguments.web:
            from bead_sklearn.annotate.web import serve

            serve(
                study,
                store,
                host=arguments.host,
                port=arguments.port,
                public_url=arguments.public_url,
            )
        elif arguments.export is not None:
            from bead_sklearn.annotate.exchange import export_judgments

            n = export_judgments(study, store, arguments.export)
            progress.say(f"Wrote {n:,} judgments to {arguments.export}.")
        elif arguments.import_from is not None:
            from bead_sklearn.annotate.exchange import import_judgments

            n = import_judgments(study, store, arguments.import_from)
            progress.say(f"Added {n:,} judgments from {arguments.import_from}.")
        elif arguments.merge is not None:
            if not arguments.merge.exists():
                raise FileNotFoundError(f"There is no store {arguments.merge}.")
            with JudgmentStore(arguments.merge) as other:
                n = store.merge(other)
            progress.say(f"Added {n:,} rows from {arguments.merge}.")
        else:
            _annotate_here(arguments, study, store)


def _annotate_here(arguments: argparse.Namespace, study: Any, store: Any) -> None:
    from bead_sklearn.annotate import Collector
    from bead_sklearn.annotate._refit_process import RefitProcess
    from bead_sklearn.annotate.terminal import TerminalSession

    participant = arguments.participant
    if participant is None:
        if len(study.participants) > 1:
            raise ValueError(
                "Say who annotates with --participant ID, or use --web. The study has "
                f"the participants {list(study.participants)[:20]}."
            )
        participant = study.participants[0]
    session = TerminalSession(Collector(study, store, source="terminal"), participant)
    with RefitProcess(study, store.path):
        session.run()
