"""Hold a change of the code to the same bytes: files, terminal text and exit status of whole command lines.

    python tests/golden.py record FILE [CASE...]   writes the hashes of what every case leaves behind
    python tests/golden.py check FILE [CASE...]    makes them again; lists what differs, and then exits with 1
    python tests/golden.py list [CASE...]          names the cases and their command lines
    python tests/golden.py keep                    makes tests/golden again, which test_golden.py reads

CASE is a name or the beginning of some: run_ sweep_ compare_. Bytes of figures and last bits of numbers may
differ between machines and versions of libraries, so a recording is made where it is checked, and not kept.
What tells the time, the commit or a version is left out; the seed of Python's hashes differs every time.
Of a few cases tests/golden keeps numbers and words, which are the same everywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

REMOVE = "remove"
POSTERIOR = "--posterior chicago2006 --draws 20 --replications 64"
OF_ONE_ALTERNATIVE = """\
kind = "scenario"
base = "chicago2006"
title = "Chicago, and one other way to see it"
purpose = "A cheap calibration with an alternative"

[[alternative]]
name = "more_postponed"
title = "1 in 4 postponed, not 1 in 20"
values = { "recovery.postponement.probability" = 0.25 }
"""
WRONG_SCENARIO = """\
kind = "scenario"
base = "chicago2006"
title = "Wrong"
purpose = "To be refused"

[cohort]
patients = true

[aplasia.infection]
case_fatality = 1.5
hazard = 0.1
"""

# Case, and its command lines; those of one case share a folder.
CASES: dict[str, tuple[str, ...]] = {
    # With one worker where another process would only cost time: results do not depend on it.
    "run_chicago2006": ("run chicago2006 --replications 100 --out x",),
    "run_reading_b": ("run chicago2006_reading_b --replications 100 --workers 1 --out x",),
    "run_ebmt2004": ("run ebmt2004 --replications 100 --workers 1 --all --out x",),
    "run_no_isolation": ("run no_isolation --replications 100 --workers 1 --out x",),
    "run_no_transplant": ("run no_transplant --replications 100 --workers 1 --out x",),
    "run_open_clinic": ("run open_clinic --replications 20 --workers 1 --out x",),
    "run_posterior_chicago2006": (f"run chicago2006 {POSTERIOR} --out x",),
    "run_posterior_no_transplant": (f"run no_transplant {POSTERIOR} --workers 1 --out x",),
    "run_posterior_no_isolation": (f"run no_isolation {POSTERIOR} --workers 1 --out x",),
    "run_two": ("run chicago2006 no_isolation --replications 20 --workers 1 --seed 7",),
    "run_events_simpy": (
        "run chicago2006 --replications 20 --engine simpy --events --patients 5 --workers 1 --out x",
    ),
    "run_events_arrays": (
        "run chicago2006 --replications 20 --engine arrays --events --patients all --json --out x",
    ),
    "run_precision": (
        "run chicago2006 --precision 2 --endpoint overall_survival@5 --at-most 400 --replications 50"
        " --set cohort.patients=20 --workers 1 --out x",
    ),
    "report_run": (
        "run no_transplant --replications 10 --workers 1 --out x",
        f"{REMOVE} x/report.html",
        "report x",
        "report x --json",
    ),
    "sweep_one_key": (
        "sweep chicago2006 --vary aplasia.infection.case_fatality=0:0.2:5 --replications 100 --out x",
    ),
    "sweep_two_keys": (
        "sweep open_clinic --vary clinic.isolation_rooms=2,3,4 --vary arrivals.per_year=log:10:40:3"
        " --endpoint room_wait_days --endpoint overall_survival@5 --replications 10 --workers 1 --out x",
    ),
    "sweep_posterior": (
        "sweep chicago2006 --vary relapse.start_day=0,90 --posterior chicago2006 --draws 20 --replications 32"
        " --workers 1 --out x",
    ),
    "sweep_json": (
        "sweep no_isolation --vary cohort.patients=10,20 --replications 20 --workers 1 --json --out x",
    ),
    "compare_no_isolation": ("compare chicago2006 no_isolation --replications 100 --out x",),
    "compare_no_transplant": (
        "compare chicago2006 no_transplant --replications 100 --trial 3 --workers 1 --out x",
    ),
    "compare_open_clinic": ("compare chicago2006 open_clinic --replications 20 --workers 1 --out x",),
    "compare_three": (
        "compare chicago2006 no_isolation no_transplant --set cohort.patients=20 --precision 6"
        " --endpoint overall_survival@5 --replications 50 --at-most 400 --workers 1 --out x",
    ),
    "compare_posterior": (f"compare chicago2006 no_transplant {POSTERIOR} --workers 1 --out x",),
    "compare_json": ("compare chicago2006 no_isolation --replications 20 --workers 1 --json --out x",),
    "validate_point": ("validate --replications 20 --workers 1 --out x",),
    "validate_posterior": (
        "validate --posterior chicago2006 --draws 20 --replications 8 --workers 1 --out x",
    ),
    "validate_json": ("validate burt2006 jayne2004 --replications 20 --workers 1 --json --out x",),
    "calibrate_small": (
        "calibrate chicago2006 --effective-size 20 --points 256 --no-alternatives --workers 1 --out x",
    ),
    "calibrate_alternative": (
        "calibrate ./one.toml --effective-size 10 --points 256 --workers 1 --json --out x",
    ),
    "calibrate_point": ("calibrate ebmt2004 --point --out x",),
    "scenario_list": ("scenario list", "scenario list --json"),
    "scenario_show": ("scenario show chicago2006 --references", "scenario show ebmt2004 --json"),
    "scenario_show_changed": (
        "scenario show open_clinic --set clinic.isolation_rooms=7 --set cohort.female=0.5",
    ),
    "scenario_check": (
        "scenario check chicago2006",
        "scenario check ./one.toml",
        "scenario check ./wrong.toml",
    ),
    "scenario_schema": ("scenario schema", "scenario schema --json"),
    "scenario_new": (
        "scenario new mine",
        "scenario check ./mine.toml",
        "scenario new mine",
        "scenario new other --base no_transplant",
    ),
    "refuse_names": ("run nosuch", "run chicago2006 --set cohort.patiens=3", "validate nosuch"),
    "refuse_values": (
        "run chicago2006 --set cohort.patients=-3",
        "run ./wrong.toml",
        "run chicago2006 --replications 0",
        "run chicago2006 --precision 1 --endpoint nosuch",
    ),
    "refuse_folders": ("run chicago2006 --out there", "report there", "report nowhere"),
    "refuse_studies": (
        "sweep chicago2006",
        "sweep chicago2006 --vary cohort.patients=3:1",
        "compare chicago2006",
        "calibrate no_transplant --out x",
        "run ebmt2004 --posterior chicago2006 --out x",
        "run chicago2006 --posterior nosuch.csv --out x",
    ),
}
GIVEN = {
    "one.toml": OF_ONE_ALTERNATIVE,
    "wrong.toml": WRONG_SCENARIO,
    "there/note.txt": "Of somebody else.\n",
}

# Cheap, and between them most tables, sentences and pages.
KEPT = ("run_events_simpy", "sweep_posterior", "compare_three", "validate_json")
FOLDER = Path(__file__).parent / "golden"
MOST_BYTES = 70_000

# What may differ between two recordings of the same code, or between two commits of it.
_LEFT_OUT = "timings.json"
_OF_JSON = (
    (re.compile(r'"software": \{[^{}]*\}'), '"software": {}'),
    (re.compile(r'"commit": ("[0-9a-f]{40}"|null)'), '"commit": null'),
    (re.compile(r'"manifest_hash": "[0-9a-f]{64}"'), '"manifest_hash": ""'),
)
_OF_PAGES = (
    (re.compile(r",? commit [0-9a-f]{40}"), ""),
    (
        re.compile(
            r"\b(lupus-hsct|python|duckdb|jinja2|matplotlib|numpy|pandas|pydantic|scipy|simpy) \d+(\.\d+)+\w*"
        ),
        r"\1",
    ),
)
_NORMALISED = {".json": _OF_JSON, ".html": _OF_PAGES}


def chosen(beginnings: Sequence[str]) -> list[str]:
    """Return the cases that begin so; all of them, if nothing is asked for."""
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in CASES):
            raise SystemExit(f"no case begins with {beginning}; cases are {', '.join(CASES)}")
    return [name for name in CASES if not beginnings or name.startswith(tuple(beginnings))]


def play(name: str, root: Path, keep: Path | None = None) -> dict[str, str]:
    """Return the hashes of what a case leaves behind; keep the files, as they are hashed, if asked to."""
    files = made(name, root)
    if keep:
        shutil.rmtree(keep / name, ignore_errors=True)
        for file, content in files.items():
            (keep / name / file).parent.mkdir(parents=True, exist_ok=True)
            (keep / name / file).write_bytes(content)
    return {file: hashlib.sha256(content).hexdigest() for file, content in sorted(files.items())}


def made(name: str, root: Path) -> dict[str, bytes]:
    """Run the command lines of a case in a folder of its own; return its files, and what was said."""
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        folder = Path(temporary).resolve()
        lay_out(folder, CASES[name])
        said = b"".join(step(line, folder, root) for line in CASES[name])
        return {"said.txt": said, **dict(left_in(folder))}


def lay_out(folder: Path, lines: Sequence[str]) -> None:
    """Write the files that the command lines name."""
    for path, content in GIVEN.items():
        if any(Path(path).parts[0] in line for line in lines):
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(content, "utf-8")


def step(line: str, folder: Path, root: Path) -> bytes:
    """Do one line of a case; return it with all that it printed and its exit status."""
    words = shlex.split(line)
    if words[0] == REMOVE:
        (folder / words[1]).unlink()
        return f"$ {line}\n".encode()
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", *words],
        cwd=folder,
        env={**kept, "COLUMNS": "160", "PYTHONPATH": str(root), "PYTHONHASHSEED": "random"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = f"$ {line}\n".encode() + done.stdout + b"--- stderr\n" + done.stderr
    said += f"--- status {done.returncode}\n".encode()
    return said.replace(os.fsencode(folder), b"HERE").replace(os.fsencode(root), b"ROOT")


def left_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file that counts, the hidden ones of unfinished studies too."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != _LEFT_OUT:
            content = path.read_bytes()
            for pattern, instead in _NORMALISED.get(path.suffix, ()):
                content = pattern.sub(instead, content.decode("utf-8")).encode("utf-8")
            yield path.relative_to(folder).as_posix(), content


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return one line for each file that is gone, new or another one."""
    gone = [f"{file}: gone" for file in before.keys() - now.keys()]
    new = [f"{file}: new" for file in now.keys() - before.keys()]
    other = [f"{file}: differs" for file in before.keys() & now.keys() if before[file] != now[file]]
    return sorted(gone + new + other)


def lasting(files: dict[str, bytes]) -> dict[str, str]:
    """Return the numbers and words of a case: tables but the longest, what was said, the words of pages."""
    texts = {}
    for file, content in files.items():
        if file.endswith(".html"):
            texts[f"{file}.txt"] = words_of(content.decode("utf-8"))
        elif file.endswith((".csv", ".txt")) and len(content) <= MOST_BYTES:
            texts[file] = content.decode("utf-8")
    return texts


def words_of(page: str) -> str:
    """Return the words that a page shows, each block of them a line; those in figures are left out."""
    shown = re.sub(r"<(style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    shown = re.sub(r"</?(?:a|b|strong|em|i|span|code|wbr|sub|sup|abbr)\b[^>]*>", "", shown)
    blocks = (" ".join(html.unescape(block).split()) for block in re.split(r"<[^>]*>", shown))
    return "\n".join(block for block in blocks if block) + "\n"


def keep_lasting(root: Path) -> None:
    """Make the kept folder again."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in KEPT:
        for file, text in lasting(made(name, root)).items():
            (FOLDER / name / file).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name / file).write_text(text, "utf-8")


def record(names: Sequence[str], hashes: Iterator[dict[str, str]], file: Path) -> int:
    """Write the hashes; those of cases that were not asked for stay as they are."""
    recorded = json.loads(file.read_text("utf-8")) if file.exists() else {}
    for name, now in zip(names, hashes, strict=True):
        print(f"{name}: {len(now)} files, {processor_seconds():.0f} s so far", flush=True)
        recorded[name] = now
        file.write_text(json.dumps(recorded, indent=1) + "\n", "utf-8")
    return 0


def check(names: Sequence[str], hashes: Iterator[dict[str, str]], file: Path, keep: Path | None) -> int:
    """Say what differs from a recording; keep only the folders that do."""
    recorded = json.loads(file.read_text("utf-8"))
    status = 0
    for name, now in zip(names, hashes, strict=True):
        lines = differences(recorded.get(name, {}), now)
        print(f"{name}: {'differs' if lines else 'same'}", flush=True)
        for line in lines:
            print(f"  {name}/{line}", flush=True)
        if lines:
            status = 1
        elif keep:
            shutil.rmtree(keep / name)
    return status


def processor_seconds() -> float:
    """Return what all processes together have taken so far."""
    return os.times().children_user + os.times().children_system


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keep")
    for command in ("record", "check", "list"):
        one = commands.add_parser(command)
        if command != "list":
            one.add_argument("file", type=Path, metavar="FILE")
            one.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="checkout to run")
            one.add_argument(
                "--keep", type=Path, metavar="DIR", help="keep the folders, or those that differ"
            )
            one.add_argument("--jobs", type=int, default=1, metavar="N", help="cases at once")
        one.add_argument("cases", nargs="*", metavar="CASE")
    return parser.parse_args()


def main() -> int:
    """Record, check, list or keep."""
    given = options()
    if given.command == "keep":
        keep_lasting(FOLDER.parents[1])
        return 0
    names = chosen(given.cases)
    if given.command == "list":
        print("\n".join(f"{name}\n" + "\n".join(f"    {line}" for line in CASES[name]) for name in names))
        return 0
    if not (given.root / "sim" / "cli").is_dir():
        raise SystemExit(f"{given.root} holds no sim: name a checkout with --root")
    one = partial(play, root=given.root.resolve(), keep=given.keep and given.keep.resolve())
    with ThreadPoolExecutor(given.jobs) as pool:
        hashes = pool.map(one, names)
        if given.command == "record":
            status = record(names, hashes, given.file)
        else:
            status = check(names, hashes, given.file, given.keep)
    print(f"{processor_seconds():.0f} s of processor time")
    return status


if __name__ == "__main__":
    sys.exit(main())
