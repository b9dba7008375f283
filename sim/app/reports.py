"""The full report of a question, as `lupus-hsct run` or `compare` makes it: in a process of its own.

So the page answers meanwhile, and what is given up goes at once: it is made in a folder aside, which takes
its name under ``results/`` when it is whole.
"""

from __future__ import annotations

import multiprocessing
import shutil
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from sim.app.question import Question
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError, TypedWarning
from sim.work.files import RESULTS, written_in
from sim.work.workers import begin_worker, starting

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

REPLICATIONS = 1000
"""Virtual trials of a report: intervals of about a point, in some seconds."""
AT_ONCE = 2
PAGE = "report.html"


class TooManyError(Exception):
    """As many reports as may be are being made."""


@dataclass
class Report:
    """A report that is asked for, and how far it is.

    Attributes
    ----------
    what, done, all
        The part of the work, how much of it is done, and how much it is.
    folder, names
        The finished folder and the files in it; None before.
    message
        Why there is none.
    notes
        Warnings of figures that can't bear their weight.
    """

    question: Question
    number: int
    what: str = "starting"
    done: int = 0
    all: int = 1
    folder: Path | None = None
    names: frozenset[str] = frozenset()
    message: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def told(self) -> dict[str, Any]:
        """How far it is, for the page."""
        state = "failed" if self.message else "done" if self.folder else "working"
        page = f"/folders/{self.number}/{PAGE}" if state == "done" else ""
        folder = "" if self.folder is None else self.folder.as_posix()
        return {"state": state, "what": self.what, "done": self.done, "all": self.all, "page": page,
                "folder": folder, "message": self.message, "notes": self.notes}  # fmt: skip


class Reports:
    """The reports of this session.

    Parameters
    ----------
    results
        Where their folders come to be.
    replications
        Virtual trials of each.
    """

    def __init__(self, results: Path = RESULTS, replications: int = REPLICATIONS) -> None:
        self._results, self._replications = results, replications
        self._reports: dict[str, Report] = {}
        self._at_work: dict[int, BaseProcess] = {}
        self._lock, self._closed = threading.Lock(), False
        self._threads: list[threading.Thread] = []

    def get(self, number: str) -> Report | None:
        """Return a report by its number, if there is one."""
        return self._reports.get(number)

    def begin(self, question: Question) -> Report:
        """Begin a report.

        Raises
        ------
        TooManyError
            Two are at work already.
        """
        with self._lock:
            if self._closed or sum(each.is_alive() for each in self._threads) >= AT_ONCE:
                raise TooManyError
            report = Report(question, len(self._reports) + 1)
            self._reports[str(report.number)] = report
            thread = threading.Thread(target=self._make, args=(report,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return report

    def close(self) -> None:
        """Give up what is at work, and take away what it has written."""
        with self._lock:
            self._closed = True
            for process in self._at_work.values():
                process.kill()
        for thread in self._threads:
            thread.join()

    def _make(self, report: Report) -> None:
        aside = None
        try:
            made = [folder for folder in (self._results,) if not folder.exists()]
            self._results.mkdir(parents=True, exist_ok=True)
            aside = Path(mkdtemp(prefix=".app.partial-", dir=self._results))
            self._wait_for(report, aside / "made")
            if not report.message:
                folder = _named(aside / "made", self._results)
                report.names, report.folder = frozenset(written_in(folder)), folder
        except OSError as error:
            report.message = f"{error.strerror or error}: {error.filename or self._results}"
        finally:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
            for folder in made if report.message else ():
                with suppress(OSError):
                    folder.rmdir()

    def _wait_for(self, report: Report, out: Path) -> None:
        """Let another process make the report, and take down what it tells until it ends."""
        ours, theirs = multiprocessing.Pipe(duplex=False)
        asked = report.question
        replications = max(self._replications, asked.trial)
        scenarios = (asked.base, asked.changed) if asked.values else (asked.base,)
        process = multiprocessing.get_context("spawn").Process(
            target=_report, args=(scenarios, asked.trial, replications, out, theirs), daemon=True
        )
        with self._lock:
            if not self._closed:
                with starting():
                    process.start()
                self._at_work[report.number] = process
        theirs.close()
        told: dict[str, Any] = {"message": "given up"}
        with suppress(EOFError):
            while True:
                told = ours.recv()
                for name, value in told.items():
                    setattr(report, name, [*report.notes, value] if name == "notes" else value)
        ours.close()
        if process.pid is not None:
            process.kill()  # it has told all it had to; taking it apart would cost a second
            process.join()
        if told.get("what") != "written" and not report.message:
            report.message = "given up" if self._closed else "The report failed; the terminal says why."
        with self._lock:
            self._at_work.pop(report.number, None)


def _named(made: Path, results: Path) -> Path:
    """Give a finished folder the next free name."""
    number = 1
    while True:
        path = results / f"app-{number}"
        with suppress(OSError):  # taken in this moment
            if not path.exists():
                return made.rename(path)
        number += 1


def _report(
    scenarios: tuple[Loaded, ...], trial: int, replications: int, out: Path, told: Connection
) -> None:
    """Make a report, in this process, and tell how far it is."""
    begin_worker()

    def progress(what: str, done: int, total: int) -> None:
        told.send({"what": what, "done": done, "all": total})

    how: Mapping[str, Any] = {"replications": replications, "out": out, "progress": progress}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TypedWarning)
        try:
            if len(scenarios) > 1:
                from sim.commands.compare import compare

                compare(*scenarios, trial=trial, **how)
            else:
                from sim.commands.run import run

                run(scenarios[0], **how)
        except (RequestError, MemoryError, OSError) as error:
            told.send({"message": str(error) or "There is not enough memory."})
            return
    typed = (str(each.message) for each in caught if issubclass(each.category, TypedWarning))
    for text in dict.fromkeys(typed):
        told.send({"notes": text})
    told.send({"what": "written", "done": 1, "all": 1})
