"""The page's server: what it answers, whom, and what it turns away."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import string
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from app_served import Client, SmallEngine, desk_of, served
from drivers import environment, no_figures
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.app import reports, server
from sim.app.question import question
from sim.app.reports import Report, Reports, TooManyError
from sim.app.security import HEADERS, LONGEST_QUERY
from sim.app.server import bound, shelf_of
from sim.cli import run as command_line
from sim.scenario.load import Loaded, load
from sim.scenario.problems import RequestError
from sim.scenario.registry import parameters
from sim.work.results import read_results

PROTOCOL_HEADERS = {name.lower(): value for name, value in HEADERS.items()}


@pytest.fixture(scope="module")
def shelf() -> dict[str, Loaded]:
    return shelf_of("chicago2006")


@pytest.fixture(scope="module")
def desk(shelf: Mapping[str, Loaded], tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Desk]:
    yield (made := desk_of(shelf, tmp_path_factory.mktemp("app") / "results"))
    made.reports.close()


@pytest.fixture(scope="module")
def client(desk: server.Desk) -> Iterator[Client]:
    with served(desk) as found:
        yield found


def test_a_question_is_answered_as_a_page_a_fragment_and_a_file(client: Client, tmp_path: Path) -> None:
    address = "of=ebmt2004&cohort.female=0.5"
    page, fragment = client.get(f"/?{address}"), client.get(f"/answer?{address}")
    assert page.status == fragment.status == 200
    assert page.text.startswith("<!DOCTYPE html>")
    assert fragment.text in page.text
    assert "of=ebmt2004&amp;cohort.female=0.5" in fragment.text
    assert client.get(f"/posterior?{address}").text == "<p>posterior of ebmt2004</p>"
    assert client.get("/").text.count("chicago2006") >= 2
    file = client.get(f"/scenario.toml?{address}")
    assert file.headers["content-disposition"] == 'attachment; filename="scenario.toml"'
    (tmp_path / "mine.toml").write_text(file.text, "utf-8")
    again = load(str(tmp_path / "mine.toml"))
    assert again.scenario.cohort.female == 0.5
    assert again.chain[1] == "ebmt2004"


def test_a_moving_hand_is_answered_roughly_and_that_is_no_part_of_the_question(
    shelf: Mapping[str, Loaded], tmp_path: Path
) -> None:
    engine = SmallEngine()
    with served(desk_of(shelf, tmp_path, engine)) as client:
        texts = {client.get(f"/answer?of=ebmt2004{more}").text for more in ("", "&rough=yes")}
    assert engine.fine == [True, False]
    assert len(texts) == 1


def test_a_file_of_ones_own_comes_first_and_downloads_as_a_file_based_on_it(tmp_path: Path) -> None:
    path = tmp_path / "chicago2006.toml"
    path.write_text('base = "chicago2006"\ntitle = "Mine"\ncohort.female = 0.6\n', "utf-8")
    shelf = shelf_of(str(path))
    assert next(iter(shelf)) == "chicago2006.toml"
    assert shelf["chicago2006"].scenario.cohort.female == 0.83
    with served(desk_of(shelf, tmp_path)) as client:
        assert "Mine" in client.get("/").text
        (tmp_path / "b.toml").write_text(client.get("/scenario.toml?cohort.patients=60").text, "utf-8")
    assert load(str(tmp_path / "b.toml")).scenario.cohort.female == 0.6


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/answer", 200), ("/posterior", 200), ("/scenario.toml", 200), ("/static/app.js", 200),
     ("/static/app.css", 200), ("/report/x", 404), ("/folders/x/report.html", 404), ("/nothing", 404),
     ("/answer/", 404), ("/?of=nobody", 400), ("/answer?cohort.female=2", 400),
     ("/?cohort.female=0.123", 500), ("/report", 405)],
)  # fmt: skip
def test_every_answer_has_the_headers_and_no_traceback(client: Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status == status
    assert PROTOCOL_HEADERS.items() <= answer.headers.items()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for secret in ("Traceback", "secret", str(Path.cwd()), "site-packages"):
        assert secret not in answer.text


def test_a_bug_is_told_on_the_terminal(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client.get("/answer?cohort.female=0.123").text == "Something went wrong; the terminal says what."
    assert "ZeroDivisionError: a bug with a secret" in capsys.readouterr().err
    assert client.get("/answer").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:PORT"}, 200),
        ({"Host": "localhost:PORT"}, 200),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "127.0.0.1:1PORT"}, 421),
        ({"Host": "evil.example:PORT"}, 421),
        ({"Host": "127.0.0.1.evil.example:PORT"}, 421),
        ({"Host": "0.0.0.0:PORT"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://127.0.0.1:PORT"}, 200),
        ({"Origin": "http://localhost:PORT"}, 200),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),  # a link that was sent
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),  # another server of this machine
    ],
)
def test_only_the_page_itself_is_answered(client: Client, headers: dict[str, str], status: int) -> None:
    own = {name: value.replace("PORT", str(client.port)) for name, value in headers.items()}
    answer = client.get("/answer", **own)
    assert answer.status == status
    assert PROTOCOL_HEADERS.items() <= answer.headers.items()


def test_a_report_needs_the_page_s_token_and_origin(desk: server.Desk, client: Client) -> None:
    good = {"Origin": client.own, "X-Token": desk.token}
    for bad in ({}, {"Origin": client.own}, {"X-Token": desk.token}, {**good, "X-Token": "a"},
                {**good, "Origin": "http://evil.example"}, {**good, "Host": "evil.example"}):  # fmt: skip
        assert client.ask("POST", "/report", **bad).status in (403, 421), bad
    assert client.ask("POST", "/report?of=nobody", **good).status == 400
    assert client.ask("POST", "/", **good).status == 405
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        assert client.ask(method, "/report", **good).status == 405
    assert client.get(f"/report/{len(desk.reports._reports) + 1}").status == 404  # none was begun
    assert desk.token in client.get("/").text


@pytest.mark.parametrize(
    "name",
    ["../server.py", "..%2fserver.py", "/etc/passwd", "%2e%2e/server.py", "%2e%2e%2fserver.py", "app.js%00",
     "....//app.js",
     "app.js%00.css", "%2fetc%2fpasswd", "app.js/", "./app.js", "..\\app.js", "APP.JS", "", ".",
     "app.js;", "app.js%20", "a" * 3000, "%ff%fe", "~root", "C:%5cwindows", "%252e%252e%252fserver.py"],
)  # fmt: skip
def test_no_path_leads_to_a_file(
    desk: server.Desk, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "report.html").write_text("<p>a report</p>", "utf-8")
    (folder / "unlisted.txt").write_text("not part of it", "utf-8")
    report = reported(desk, folder, {"report.html"})
    monkeypatch.chdir(Path(server.__file__).parent)
    assert client.get(f"/static/{name}").status == 404
    assert client.get(f"/folders/{report}/{name}").status == 404
    assert client.get(f"/folders/{report}/unlisted.txt").status == 404
    assert client.get(f"/folders/{name}/report.html").status == 404
    assert client.get(f"/folders/{report}/report.html").text == "<p>a report</p>"


def reported(desk: server.Desk, folder: Path, names: set[str]) -> int:
    """Let a folder be one of a report of this session."""
    asked = question([], shelf_of())
    number = len(desk.reports._reports) + 1
    desk.reports._reports[str(number)] = Report(asked, number, folder=folder, names=frozenset(names))
    return number


def test_a_file_that_became_a_link_is_not_served(desk: server.Desk, client: Client, tmp_path: Path) -> None:
    folder, secret = tmp_path / "made", tmp_path / "secret.txt"
    (folder / "figures").mkdir(parents=True)
    secret.write_text("secret", "utf-8")
    (folder / "report.html").symlink_to(secret)
    (folder / "figures" / "a.svg").write_text("<svg/>", "utf-8")
    number = reported(desk, folder, {"report.html", "figures/a.svg"})
    assert client.get(f"/folders/{number}/report.html").status == 404
    figure = client.get(f"/folders/{number}/figures/a.svg")
    assert figure.headers["content-type"].startswith("image/svg+xml")
    (folder / "figures" / "a.svg").unlink()
    (folder / "figures").rmdir()
    (folder / "figures").symlink_to(tmp_path)
    (tmp_path / "a.svg").write_text("secret", "utf-8")
    assert client.get(f"/folders/{number}/figures/a.svg").status == 404


def test_a_long_address_is_refused(client: Client) -> None:
    assert client.get(f"/answer?{'a' * (LONGEST_QUERY + 1)}").status == 414
    longest = urlencode([("of", "chicago2006"), ("cohort.female", "0." + "5" * (LONGEST_QUERY - 40))])
    assert client.get(f"/answer?{longest}").status == 200


def addresses(count: int) -> Iterator[list[tuple[str, str]]]:
    """Yield queries as a curious or hostile hand would write them: names, and values that may nearly hold."""
    dice = random.Random(5)  # noqa: S311 (no secret)
    keys = [*parameters(), *(f"{key}.mean" for key in parameters())]
    names = [*keys, "of", "trial", "decimals", "kind", "base", "sources", "title", "target", "", "__class__",
             "cohort", "calibration.solve", "of.of", "cohort.female.__init__", "a" * 500, "\x00",
             "кожа"]  # fmt: skip
    values = ["1", "0.5", "-1", "1e400", "nan", "inf", "unlimited", "none", "0x10", "1_000", "2020-01-01",
              "{}", "{dist='fixed',value=1}", "{ dist = \"gamma\", mean = 1, sd = 1e9 }", "[" * 200,
              "{a=" * 90, "'",
              '"""', "\n", "x\ny=1", "true", "__import__('os').system('touch pwned')", "${7*7}", "{{7*7}}",
              "<script>alert(1)</script>", "../../etc/passwd", "file:///etc/passwd", "\x1b[31m", "\u202e",
              "9" * 400, "1" + "0" * 5000, "%00", "chicago2006", "ebmt2004", "yes", "🦋", ""]  # fmt: skip
    letters = string.printable + "äж\x00\u2028"
    for _ in range(count):
        asked = []
        for _ in range(dice.choice([0, 1, 1, 1, 2, 2, 3, 60 if dice.random() < 0.05 else 4])):
            name = dice.choice(names) if dice.random() < 0.9 else "".join(dice.choices(letters, k=8))
            value = dice.choice(values) if dice.random() < 0.8 else "".join(dice.choices(letters, k=12))
            asked.append((name, value))
        yield asked


def test_ten_thousand_addresses_are_read_or_refused_in_one_message(
    shelf: Mapping[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read, messages = 0, []
    for pairs in addresses(10_000):
        try:
            asked = question(pairs, shelf)
        except RequestError as error:
            messages.append(str(error))
        else:
            read += 1
            assert question(parse_qsl(asked.address, keep_blank_values=True), shelf) == asked
            assert tomllib.loads(asked.toml)["base"] == asked.of
    assert read > 500
    assert len(messages) > 5_000
    assert 0 < min(map(len, messages)) <= max(map(len, messages)) < 6_000
    assert list(tmp_path.iterdir()) == []


def test_some_hundred_of_them_through_the_server(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    statuses: Counter[int] = Counter()
    for pairs in addresses(400):
        answer = client.get(f"/answer?{urlencode(pairs)}")
        statuses[answer.status] += 1
        assert answer.status in (200, 400, 414), pairs
        assert answer.text.count("<p>") == (answer.status != 414), pairs
        assert "<script" not in answer.text
        assert "Traceback" not in answer.text
        assert PROTOCOL_HEADERS.items() <= answer.headers.items()
    assert min(statuses[200], statuses[400]) > 20
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(letters=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80))
def test_any_path_has_an_answer(client: Client, letters: str) -> None:
    answer = client.get(f"/{letters}")
    assert answer.status in (200, 400, 404, 405)
    assert "Traceback" not in answer.text
    assert PROTOCOL_HEADERS.items() <= answer.headers.items()


@pytest.mark.parametrize(
    "sent", [b"", b"\x00" * 64, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
             b"GET http://evil/ HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
             b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
             b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
             b"\x16\x03\x01\x00\xa5\x01\x00\x00"])  # fmt: skip
def test_what_is_no_request_is_turned_away(client: Client, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            answer = raw.recv(65536)
            assert answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 421"), answer
    assert client.get("/answer").status == 200


def test_three_tabs_are_answered_at_once_and_more_do_not_pile_up(
    shelf: Mapping[str, Loaded], tmp_path: Path
) -> None:
    engine = SmallEngine(seconds=0.3)
    with served(desk_of(shelf, tmp_path, engine)) as client, ThreadPoolExecutor(60) as tabs:
        statuses = list(tabs.map(lambda _: client.get("/answer").status, range(3)))
        assert (statuses, engine.most) == ([200] * 3, 3)
        statuses = list(tabs.map(lambda _: client.get("/answer").status, range(60)))
        assert {*statuses} == {200, 503}
        assert engine.most <= 4
        # Who has gone is not answered: only what was begun already is.
        before = engine.answered
        for _ in range(12):
            with socket.create_connection(("127.0.0.1", client.port)) as raw:
                raw.sendall(f"GET /answer HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n\r\n".encode())
                time.sleep(0.01)
        assert client.get("/answer").status == 200
        assert engine.answered - before <= 6


def test_a_report_is_the_real_thing(shelf: Mapping[str, Loaded], tmp_path: Path) -> None:
    desk, parts = desk_of(shelf, tmp_path / "results"), set()
    with served(desk) as client:
        asked = {"Origin": client.own, "X-Token": desk.token}
        at = client.ask("POST", "/report?of=chicago2006&cohort.patients=20&trial=3", **asked).json["at"]
        assert client.ask("POST", "/report?of=chicago2006", **asked).status == 202
        assert client.ask("POST", "/report", **asked).status == 503  # two are at work
        while (told := client.get(at).json)["state"] == "working":
            parts.add(told["what"])
            assert 0 <= told["done"] <= told["all"]
            time.sleep(0.05)
        assert told["state"] == "done", told
        assert parts & {"chicago2006", "tables", "figures", "page"}
        desk.reports.close()  # the other
        results = read_results(Path(told["folder"]))
        assert (results.kind, results.manifest["trial"]) == ("compare", 3)
        assert results.manifest["replications"] == 4
        assert any("replications" in note for note in told["notes"])
        page = client.get(told["page"])
        assert "20 patients" in page.text
        assert page.headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'unsafe-inline'"
        )
        table = client.get(told["page"].replace("report.html", "comparison.csv"))
        assert table.text == (results.folder / "comparison.csv").read_text("utf-8")
        assert client.get(told["page"].replace("report.html", "../app-2/report.html")).status == 404


def test_a_question_that_changes_nothing_is_run(shelf: Mapping[str, Loaded], tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:  # in this process
        no_figures(patch)
        patch.setattr(reports, "begin_worker", lambda: None)
        pipe = SimpleNamespace(send=told.append)
        reports._report((shelf["ebmt2004"],), 1, 4, tmp_path / "made", pipe)  # type: ignore[arg-type]
    assert read_results(tmp_path / "made").kind == "run"
    assert told[-1] == {"what": "written", "done": 1, "all": 1}
    reports._report((shelf["ebmt2004"],), 1, 4, tmp_path / "made", pipe)  # type: ignore[arg-type]
    assert "exists" in told[-1]["message"]


def test_a_report_that_is_given_up_leaves_nothing(shelf: Mapping[str, Loaded], tmp_path: Path) -> None:
    several = Reports(tmp_path / "results", replications=10**6)
    report = several.begin(question([], shelf))
    while report.done == 0:
        assert not report.message
        time.sleep(0.02)
    several.close()
    assert report.told["state"] == "failed"
    assert report.message == "given up"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TooManyError):
        several.begin(question([], shelf))


def test_a_report_that_fails_says_why(shelf: Mapping[str, Loaded], tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file is in the way", "utf-8")
    several = Reports(tmp_path / "results", replications=4)
    report = several.begin(question([], shelf))
    several.close()
    assert report.told["state"] == "failed"
    assert "exists" in report.message


def command(*arguments: str, seconds: float = 0.0, **changes: str) -> subprocess.Popen[str]:
    """Begin ``lupus-hsct app`` with the small engine."""
    program = [sys.executable, "-c", "from app_served import main; main()", str(seconds), "app", *arguments]
    return subprocess.Popen(
        program,
        env=environment(PYTHONUNBUFFERED="1", **changes),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    ("what", "status", "said"), [(signal.SIGINT, 130, "Interrupted\n"), (signal.SIGTERM, 143, "Ended\n")]
)
@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_signal_ends_it_within_a_second_and_quietly(
    what: signal.Signals, status: int, said: str, seconds: float
) -> None:
    """Also while an answer takes half a minute."""
    process = command("--no-browser", seconds=seconds)
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\n", line)
    assert address is not None, (line, process.communicate())
    with socket.create_connection(("127.0.0.1", int(address[1]))) as raw:
        raw.sendall(f"GET /answer HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\n\r\n".encode())
        raw.settimeout(1.0)
        if seconds:
            with pytest.raises(TimeoutError):
                raw.recv(10)
        else:
            assert raw.recv(12) == b"HTTP/1.1 200"
        process.send_signal(what)
        left = process.communicate(timeout=20)
    assert (process.returncode, *left) == (status, "", said)


def test_a_report_at_work_goes_with_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process = command("--no-browser")
    assert process.stdout is not None
    client = Client(int(re.findall(r":(\d+)/", process.stdout.readline())[0]))
    token = re.findall(r"<i>(\w+)</i>", client.get("/").text)[0]
    begun = client.ask("POST", "/report?of=open_clinic&trial=10000", Origin=client.own, X_Token=token)
    while (told := client.get(begun.json["at"]).json)["what"] == "starting":
        assert told["state"] == "working", told
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    left = process.communicate(timeout=20)
    assert (process.returncode, *left) == (130, "", "Interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_browser_opens_the_page(tmp_path: Path) -> None:
    browser, seen = tmp_path / "xdg-open", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.new; mv {seen}.new {seen}\n', "utf-8")
    browser.chmod(0o755)
    process = command(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert process.stdout is not None
    address = process.stdout.readline().partition(" ")[0]
    while not seen.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert seen.read_text("utf-8").strip() == address


def test_a_taken_port_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    with bound() as held:
        port = held.getsockname()[1]
        assert held.getsockname()[0] == "127.0.0.1"
        process = command("--port", str(port))
        out, told = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    remedy = "name another, or leave it away to get a free one"
    assert told == f"Error: --port: {port} can't be had: Address already in use; {remedy}\n"
    assert command_line(["app", "--port", "80"]) == 2
    assert "allowed: a whole number from 1024 to 65535" in capsys.readouterr().err


def test_a_wrong_scenario_is_one_message() -> None:
    process = command("chicago2005")
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out, told.count("\n")) == (2, "", 1)
    assert "did you mean chicago2006?" in told


def test_help_imports_no_server() -> None:
    program = ("import sys; from sim.cli import run; run(['app', '--help']); "
               "assert not {'starlette', 'uvicorn', 'numpy', 'sim.app'} & {*sys.modules}")  # fmt: skip
    told = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, check=True)
    assert b"--no-browser" in told.stdout


def test_the_document_says_what_is_so(client: Client) -> None:
    text = (Path(__file__).parents[2] / "docs" / "app.md").read_text("utf-8")
    (address,) = re.findall(r"`/\?(\S+)`", text)
    assert client.get(f"/?{address}").status == 200
    assert f"with {reports.REPLICATIONS:,} virtual trials" in text
    assert "`results/app-1`" in text
