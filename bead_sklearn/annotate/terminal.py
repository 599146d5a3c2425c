"""Annotating in a terminal, with the keyboard only."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Callable
from typing import Any

from bead_sklearn.annotate._records import Judgment, Lease
from bead_sklearn.annotate.collector import Collector
from bead_sklearn.annotate.questions import AnswerError
from bead_sklearn.annotate.store import AlreadyAnsweredError

_HELP = "Commands: :b change the last answer, :i instructions, :q stop (all is kept)"


class TerminalSession:
    """One participant at a terminal.

    Parameters
    ----------
    collector : Collector
        Gives out items and takes answers.
    participant : str
        Who sits there.
    read : callable, default=input
        ``read(prompt) -> line``.
    write : callable, default=print
        ``write(text)``.
    clock : callable, default=time.monotonic
        Measures response times, in seconds.
    before_item : callable, default=None
        Called before each item, for example to refit.
    """

    def __init__(
        self,
        collector: Collector,
        participant: str,
        *,
        read: Callable[[str], str] = input,
        write: Callable[[str], Any] = print,
        clock: Callable[[], float] = time.monotonic,
        before_item: Callable[[], Any] | None = None,
    ) -> None:
        if participant not in collector.study.participants:
            raise ValueError(
                f"The study has no participant {participant!r}; it has "
                f"{list(collector.study.participants)[:20]}."
            )
        self._collector = collector
        self._participant = participant
        self._read = read
        self._write = write
        self._clock = clock
        self._before_item = before_item

    def run(self) -> int:
        """Ask until nothing is left or the participant stops.

        Returns
        -------
        n_answers : int
            Answers given in this session.
        """
        collector, study = self._collector, self._collector.study
        self._write(f"\n{study.name}, participant {self._participant}")
        self._instructions()
        self._write(_HELP)
        n = 0
        try:
            while True:
                if self._before_item is not None:
                    self._before_item()
                collector.refresh()
                done = collector.store.judgments(participant=self._participant)
                lease = collector.next(self._participant, done)
                if lease is None:
                    self._finish(len(done))
                    break
                self._show(lease, done)
                n += self._ask(lease, done)
        except (_StopError, EOFError, KeyboardInterrupt):
            collector.store.release(self._participant)
            self._write("\nStopped. All answers are stored; start again to go on.")
        return n

    def _finish(self, n_done: int) -> None:
        total = self._collector.progress(self._participant, n_done).total
        if n_done >= total:
            self._write(f"\nThat was all: {n_done} answers. Thank you!")
        else:
            self._write(
                f"\nNothing to judge now: the other items are with other participants "
                f"or complete. You gave {n_done} answers. Thank you!"
            )

    def _instructions(self) -> None:
        text = self._collector.study.instructions.strip()
        for paragraph in text.split("\n\n") if text else ():
            self._write(_filled(paragraph))

    def _show(self, lease: Lease, done: list[Judgment]) -> None:
        study = self._collector.study
        question, columns = study.question, study.items[lease.item].columns
        progress = self._collector.progress(self._participant, len(done))
        feedback = self._collector.feedback(done)
        self._write(f"\n{_bar(progress.share)} {progress.done} of {progress.total}")
        if feedback is not None and feedback.status == "pause":
            self._write(f"  {feedback.advice}")
        if question.context is not None:
            self._write(_filled(columns[question.context]))
        for name in question.text:
            label = f"{name}: " if len(question.text) > 1 else ""
            self._write(_filled(f"{label}{columns[name]}", indent="    "))
        self._write(_filled(question.prompt))
        hint = question.hint(columns)
        for line in hint.split("  ") if len(hint) > 70 else [hint]:
            self._write(f"  {line}")

    def _ask(self, lease: Lease, done: list[Judgment]) -> int:
        """Ask about an item; return whether a new answer was stored."""
        while True:
            started = self._clock()
            try:
                answer = self._answer(lease.item)
                confidence = self._confidence()
            except _BackError:
                if not self._change(done):
                    continue
                return 0
            seconds = self._clock() - started
            try:
                self._collector.submit(
                    lease, answer, confidence=confidence, response_time=seconds
                )
            except AlreadyAnsweredError:
                # In another window of the same participant.
                self._write("This item has been answered elsewhere meanwhile.")
                return 0
            return 1

    def _change(self, done: list[Judgment]) -> bool:
        if not done:
            self._write("There is no answer to change yet.")
            return False
        last = done[-1]
        question = self._collector.study.question
        columns = self._collector.study.items[last.item].columns
        shown = [columns[name] for name in question.text] or [
            choice.label for choice in question.choices(columns)
        ]
        self._write(_filled(f"Your last item: {' / '.join(shown)}"))
        self._write(f"  Your answer: {question.show(last.answer)}")
        self._write(f"  {question.hint(columns)}")
        try:
            answer = self._answer(last.item)
            confidence = self._confidence()
        except _BackError:
            self._write("Nothing was changed.")
            return False
        self._collector.correct(last, answer, confidence=confidence)
        self._write("Changed.")
        return True

    def _answer(self, item: str) -> Any:
        question = self._collector.study.question
        columns = self._collector.study.items[item].columns
        while True:
            line = self._line("> ")
            try:
                return question.from_line(line, columns)
            except AnswerError as error:
                self._write(str(error))

    def _confidence(self) -> float | None:
        wanted = self._collector.study.confidence
        if wanted == "none":
            return None
        optional = ", Enter to skip" if wanted == "optional" else ""
        while True:
            line = self._line(f"How sure, 0 to 100{optional}? ").strip().rstrip("%")
            if not line and wanted == "optional":
                return None
            if line.isascii() and line.strip().isdigit() and int(line) <= 100:
                return int(line) / 100
            self._write("Please type a number from 0 (guessed) to 100 (certain).")

    def _line(self, prompt: str) -> str:
        while True:
            line = self._read(prompt)
            command = line.strip()
            if command == ":q":
                raise _StopError
            if command == ":b":
                raise _BackError
            if command == ":i":
                self._instructions()
            elif command.startswith(":") and len(command) == 2:
                self._write(_HELP)
            else:
                return line


class _StopError(Exception):
    """The participant stops."""


class _BackError(Exception):
    """The participant wants to change the last answer."""


def _filled(text: str, indent: str = "") -> str:
    width = min(shutil.get_terminal_size().columns, 88)
    return textwrap.fill(
        _plain(text), width, initial_indent=indent, subsequent_indent=indent
    )


def _plain(text: str) -> str:
    """Replace what a terminal would take for a command."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def _bar(share: float, width: int = 30) -> str:
    full = round(share * width)
    return f"[{'#' * full}{'.' * (width - full)}]"
