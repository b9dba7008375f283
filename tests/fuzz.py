"""Fuzzing of the command line: scenarios, cohorts, posteriors, tables, options, folders, altered at random.

Whatever is handed over, a command ends with status 0 or 2: done, or one message that says what is wrong, and
nothing written. Anything else is a finding, and its seed makes it again: ``SEED=17 KIND=folder make fuzz``;
without a seed ``make fuzz`` goes on until it is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from drivers import no_figures
from made_tables import ASKED, altered, as_bytes

from sim.cli import run as command_line
from sim.scenario.endpoints import BY_NAME
from sim.scenario.registry import parameters
from sim.scenario.shipped import scenarios_folder, shipped_names, shipped_posteriors

SLOW_SECONDS = 10.0
LITTLE = ("--set", "cohort.patients=5", "--replications", "2", "--workers", "1", "--figures", "none")

VALUES = (
    "0", "-1", "1e999", "nan", "inf", "0.5", "1", "30,5", "2,000", "=3x", "=1+1", "@a", "true", '""', "[]",
    "[1, 2]", "{}", '{ dist = "fixed", value = 1 }', '{ dist = "weibull" }', '"unlimited"', '"\\u202e"',
    "1" * 400, "'''a\nb'''", '"\\u0000"', "1979-05-27", "0x10", "1_000", '"\\ud800"', "9" * 5000, "[" * 200,
    "1:2:3", "log:0:1:3", "\u202e1", "\x1b[2J", "ä", "\ud800", "a" * 3000, "-0.0", "1e-320", "4.9e307",
)  # fmt: skip

KEYS = (
    *parameters(),
    "title",
    "kind",
    "base",
    "target",
    "sources",
    "calibration.solve",
    "purpose",
    "nothing",
)


class Case(NamedTuple):
    """What is typed, and the files that lie there."""

    arguments: list[str]
    files: dict[str, bytes]


class Finding(NamedTuple):
    """What went wrong with the case of a seed."""

    seed: int
    kind: str
    what: str
    arguments: list[str]


def _scrambled(data: bytes, luck: random.Random) -> bytes:
    """Return a file with some of its bytes, lines or values altered."""
    for _ in range(luck.choice((1, 1, 1, 2, 3, 8))):
        lines = data.split(b"\n")
        at = luck.randrange(len(lines))
        where, value = luck.randrange(len(data) + 1), luck.choice(VALUES).encode("utf-8", "surrogatepass")
        way = luck.randrange(10)
        if way == 0:
            data = data[:where] + bytes([luck.randrange(256)]) + data[where + 1 :]
        elif way == 1:
            data = data[:where] + data[where + luck.randrange(40) :]
        elif way == 2:
            lines.insert(at, luck.choice(lines))
        elif way == 3:
            del lines[at]
        elif way == 4:
            lines.insert(at, luck.choice(KEYS).encode() + b" = " + value)
        elif way == 5 and b"," in lines[at]:
            cells = lines[at].split(b",")
            cells[luck.randrange(len(cells))] = value
            lines[at] = b",".join(cells)
        elif way == 6:
            data = data * luck.choice((2, 3, 50))
        else:
            name, equals, _ = lines[at].partition(b"=")
            lines[at] = name + equals + value
        if way in (2, 3, 4, 5, 7, 8, 9):
            data = b"\n".join(lines)
    return data


def _options(luck: random.Random) -> Iterator[str]:
    for _ in range(luck.choice((0, 0, 1, 2))):
        option = luck.choice(
            ("--set", "--set", "--seed", "--replications", "--patients", "--precision", "--endpoint",
             "--engine", "--figures", "--workers", "--out", "--draws", "--posterior", "--at-most", "--resume",
             "--force",
             "--json", "--nothing", "--events", "--all", "--vary")
        )  # fmt: skip
        yield option
        if option == "--set":
            yield f"{luck.choice(KEYS)}{luck.choice(('=', '=', '=', '', '=='))}{luck.choice(VALUES)}"
        elif option == "--vary":
            yield f"{luck.choice(KEYS)}={luck.choice(VALUES)},{luck.choice(VALUES)}"
        elif option == "--endpoint":
            yield f"{luck.choice([*BY_NAME])}@{luck.choice(VALUES)}"
        elif option in ("--workers", "--replications"):  # never so many that it takes long
            yield luck.choice([value for value in VALUES if not value.isdigit() or len(value) == 1])
        elif option not in ("--resume", "--force", "--json", "--events", "--all"):
            yield luck.choice(VALUES)


def _scenario(luck: random.Random) -> Case:
    text = (scenarios_folder() / f"{luck.choice(shipped_names())}.toml").read_bytes()
    command = luck.choice((["scenario", "check"], ["scenario", "show"], ["scenario", "show"], ["run"]))
    little = LITTLE if command == ["run"] else ()
    return Case([*command, "./mine.toml", *little], {"mine.toml": _scrambled(text, luck)})


def _cohort(luck: random.Random) -> Case:
    text = (scenarios_folder() / "cohorts" / f"{luck.choice(shipped_names('cohort'))}.toml").read_bytes()
    little = ("--replications", "2", "--workers", "1", "--figures", "none")
    return Case(["validate", "./mine.toml", *little], {"mine.toml": _scrambled(text, luck)})


def _study(luck: random.Random) -> Case:
    """A shipped study with something else in it, checked alone: it may ask for hours of work."""
    text = (scenarios_folder() / "studies" / f"{luck.choice(shipped_names('study'))}.toml").read_bytes()
    text = re.sub(rb"draws = \d+", b"draws = 2", text).replace(b"replications = 300", b"replications = 2")
    return Case(["study", "check", "./mine.toml"], {"mine.toml": _scrambled(text, luck)})


def _posterior(luck: random.Random) -> Case:
    text = b"".join(shipped_posteriors()["small"].read_bytes().splitlines(keepends=True)[:8])
    little = (*LITTLE, "--draws", "2")
    return Case(["run", "chicago2006", *little, "--posterior", "./p.csv"], {"p.csv": _scrambled(text, luck)})


def _typed(luck: random.Random) -> Case:
    command = luck.choice(("run", "run", "sweep", "compare", "validate"))
    named = {"compare": ["chicago2006", luck.choice(shipped_names())], "validate": ["berlin2005"]}
    vary = ["--vary", f"{luck.choice(KEYS)}={luck.choice(VALUES)}"] if command == "sweep" else []
    little = (
        LITTLE if command != "validate" else ("--replications", "2", "--workers", "1", "--figures", "none")
    )
    return Case([command, *named.get(command, ["chicago2006"]), *vary, *little, *_options(luck)], {})


def _folder(luck: random.Random) -> Case:
    files = dict(_run_folder())
    name = luck.choice(sorted(files))
    if name.endswith("manifest.json") and luck.random() < 0.6:
        files[name] = json.dumps(_altered(json.loads(files[name]), luck)).encode("utf-8", "surrogatepass")
    elif luck.random() < 0.15:
        del files[name]
    else:
        files[name] = _scrambled(files[name], luck)
    return Case(["report", "made", "--force"], files)


def _altered(tree: object, luck: random.Random) -> object:
    """Return JSON with one value gone, or another one in its place."""
    if isinstance(tree, dict) and tree and luck.random() < 0.9:
        name = luck.choice(sorted(tree))
        if luck.random() < 0.2:
            return {key: value for key, value in tree.items() if key != name}
        return {**tree, name: _altered(tree[name], luck)}
    if isinstance(tree, list) and tree and luck.random() < 0.9:
        at = luck.randrange(len(tree))
        return [*tree[:at], _altered(tree[at], luck), *tree[at + 1 :]]
    return luck.choice((None, 0, -1.5, "", "\x1b[2J", [], {}, True, "=1+1", 10**30, "chicago2006"))


_MADE: dict[str, bytes] = {}


def _run_folder() -> dict[str, bytes]:
    """Return the files of a small run, made once."""
    if not _MADE:
        with tempfile.TemporaryDirectory() as aside:
            out = Path(aside) / "made"
            assert _called(["run", "chicago2006", *LITTLE, "--out", str(out)])[0] == 0
            for path in sorted(each for each in out.rglob("*") if each.is_file()):
                _MADE[f"made/{path.relative_to(out).as_posix()}"] = path.read_bytes()
    return _MADE


def _table(luck: random.Random) -> Case:
    """Patients of one's own, altered cell by cell or byte by byte."""
    data = as_bytes(altered(luck), luck)
    data = _scrambled(data, luck) if luck.random() < 0.3 else data
    asked = [
        word for text in luck.sample(ASKED, luck.choice((0, 0, 0, 0, 0, 1, 2))) for word in ("--column", text)
    ]
    dates = luck.choice(([], [], ["--dates", luck.choice(("day-first", "day-first", "month-first", "iso"))]))
    more = luck.choice(([], [], [], [], [], ["--sheet", luck.choice(("Sheet", "more", ""))], ["--json"]))
    return Case(["patients", "check", "p.csv", *asked, *dates, *more], {"p.csv": data})


KINDS: dict[str, Callable[[random.Random], Case]] = {
    "scenario": _scenario, "cohort": _cohort, "study": _study, "posterior": _posterior, "options": _typed,
    "folder": _folder, "table": _table,
}  # fmt: skip


def _called(arguments: list[str]) -> tuple[int | str, str]:
    """Call the command line and return its status, or the traceback, and what it says on stderr."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            return command_line(arguments), said.getvalue()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            return (
                f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})",
                said.getvalue(),
            )


def _left(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check(seed: int, kind: str) -> tuple[str, Finding | None]:
    """Do the case of a seed, and return how it ended and what is wrong with that."""
    case = KINDS[kind](random.Random(f"{kind} {seed}"))  # noqa: S311
    before, folder = Path.cwd(), Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        os.chdir(folder)
        for name, data in case.files.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(data)
        there, began = _left(folder), time.process_time()
        status, said = _called(case.arguments)
        seconds, wrong = time.process_time() - began, ""
        lines = [line for line in said.splitlines() if line.startswith(("Error: ", "Usage: "))]
        if status not in (0, 2):
            wrong = f"status {status} {said[-300:]}"
        elif status == 2 and (len(lines) != 1 or "Traceback" in said):
            wrong = f"no one message: {said[-300:]!r}"
        elif status == 2 and _left(folder) != there:
            wrong = f"refused, and written: {sorted({*_left(folder)} ^ {*there})}"
        elif any(not (letter.isprintable() or letter in "\n\t") for letter in said):
            wrong = f"steers the terminal: {said[-300:]!r}"
        elif seconds > SLOW_SECONDS:
            wrong = f"took {seconds:.0f} s"
        return str(status) if not wrong else "found", (
            Finding(seed, kind, wrong, case.arguments) if wrong else None
        )
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


def fuzz(
    seeds: Iterator[int],
    seconds: float,
    kinds: tuple[str, ...],
    counts: Counter[tuple[str, str]],
    findings: list[Finding],
) -> None:
    """Try every kind with one seed after the other for some time or until Ctrl-C, and count."""
    until = time.monotonic() + seconds
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        no_figures(patch)
        with contextlib.suppress(KeyboardInterrupt):
            for seed in seeds:
                for kind in kinds:
                    ended, finding = check(seed, kind)
                    counts[kind, ended] += 1
                    if finding is not None:
                        findings.append(finding)
                        print(f"seed {seed}, {kind}: {finding.what}\n  {finding.arguments}", flush=True)
                    if time.monotonic() > until:
                        return


def summary(counts: Counter[tuple[str, str]], findings: list[Finding]) -> str:
    """Write how many were tried, how they ended, and the seeds that found something."""
    told = [f"{kind}: {count} ended with {ended}" for (kind, ended), count in sorted(counts.items())]
    seeds = ", ".join(f"{each.kind} {each.seed}" for each in findings) or "none"
    return "\n".join([f"{sum(counts.values())} inputs", *told, f"seeds that found something: {seeds}"])


def main() -> None:
    """Fuzz from a seed on, or one seed alone."""
    parser = argparse.ArgumentParser(description="Fuzz the command line.")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--seed", type=int, help="one seed alone")
    parser.add_argument("--kind", choices=[*KINDS], action="append")
    asked = parser.parse_args()
    first, last = (asked.first, 10**12) if asked.seed is None else (asked.seed, asked.seed + 1)
    counts, findings = Counter[tuple[str, str]](), list[Finding]()
    fuzz(iter(range(first, last)), asked.seconds, tuple(asked.kind or KINDS), counts, findings)
    print(summary(counts, findings))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
