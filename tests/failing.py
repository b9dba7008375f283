"""Experiments that fail on purpose, wherever their chunks are simulated."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.scenario.schema import Scenario
from sim.study.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Failing(Experiment):
    """An experiment of which the chunk with one replication fails.

    `marks` is a folder in which every attempt at that chunk leaves a file; the first `times` of them fail.
    """

    bad: int = 0
    how: str = "raise"
    times: int = 10**9
    marks: str = ""

    def pieces(self, scenario: Scenario, chunk: range, *, whole: bool) -> Iterator[range]:
        """Cut the chunk as ever, but for the bad one."""
        if self.bad in chunk:
            tried = len(list(Path(self.marks).iterdir()))
            (Path(self.marks) / str(tried)).touch()
            if tried < self.times:
                self._fail()
        return Experiment.pieces(self, scenario, chunk, whole=whole)

    def _fail(self) -> None:
        if self.how == "exit":
            os._exit(3)
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ZeroDivisionError("on purpose")
