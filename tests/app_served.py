"""The page's server with the smallest engine and pages, alone in a process or asked within the tests'."""

from __future__ import annotations

import html
import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.app import engine, server
from sim.app.answer import AnswerShown, SideShown
from sim.app.controls import Controls, Preset
from sim.app.question import Question
from sim.app.reports import Reports
from sim.app.server import Desk, bound, server_of
from sim.cli import main as command_line
from sim.scenario.load import Loaded


class SmallEngine:
    """Answers every question alike, after `seconds`; counts how many it answers at once, and in all."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.now, self.most, self.answered = seconds, 0, 0, 0
        self.fine: list[bool] = []

    def answer(self, question: Question, *, fine: bool = True) -> AnswerShown:
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        self.now -= 1
        self.answered += 1
        self.fine.append(fine)
        if question.values.get("cohort.female") == 0.123:
            raise ZeroDivisionError("a bug with a secret")
        ends = np.array([0.0, 5.0])
        side = SideShown(
            question.changed.scenario.title, {"remission": 1.0}, {"remission": 100}, ends, ends, {}
        )
        return AnswerShown(5.0, 100, side, side, [], [], [], 50, [], [], exact=True)

    def posterior(self, question: Question) -> str:
        return f"posterior of {question.of}"


class SmallPages:
    """Writes what is asked and answered, and the token, with little around it."""

    def page_html(
        self,
        question: Question,
        controls: Controls,
        answer: AnswerShown,
        token: str,
        presets: Sequence[Preset],
    ) -> str:
        body = f"{self.answer_html(question, answer)}<i>{token}</i><b>{len(controls.first)}</b>"
        return f"<!DOCTYPE html>{body}{''.join(each.name for each in presets)}"

    def answer_html(self, question: Question, answer: AnswerShown) -> str:
        return f"<p>{html.escape(question.address)}</p><h2>{html.escape(answer.changed.title)}</h2>"

    def posterior_html(self, _question: Question, posterior: Any) -> str:
        return f"<p>{posterior}</p>"

    def refused_html(self, message: str, *, whole: bool) -> str:
        return f"{'<!DOCTYPE html>' if whole else ''}<p>{html.escape(message)}</p>"

    def static_files(self) -> Mapping[str, str]:
        return {"app.css": "body {}", "app.js": "'use strict';"}


def desk_of(shelf: Mapping[str, Loaded], results: Path, small: SmallEngine | None = None) -> Desk:
    """Return what the routes share, with reports of few virtual trials."""
    return Desk(shelf, small or SmallEngine(), Reports(results, replications=4), SmallPages())


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Asks a server word for word: no path is tidied up on the way."""

    def __init__(self, port: int) -> None:
        self.port, self.own = port, f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, **headers: str) -> Answer:
        """Send one request; a header `X_Token` is X-Token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)


@contextmanager
def served(desk: Desk) -> Iterator[Client]:
    """Serve a session from a thread."""
    at = bound()
    port = at.getsockname()[1]
    found = server_of(desk, port)
    thread = threading.Thread(target=found.run, args=([at],))
    thread.start()
    try:
        yield Client(port)
    finally:
        found.should_exit = True
        thread.join()


def main() -> None:
    """Serve like the command does, with the small engine and pages: arguments are the command's."""
    small = SmallEngine(float(sys.argv.pop(1)))
    engine.Engine = lambda **_given: small  # type: ignore[assignment, misc]
    server.Desk.__init__.__defaults__ = (SmallPages(),)
    command_line()
