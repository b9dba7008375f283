"""Beside doing a study: what it would take, doing it again, a file to start from, and one to share."""

from __future__ import annotations

import time
import zipfile
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sim.commands.answers import evaluations_of, histories_of, with_answers
from sim.commands.plan import StudyPlan, plan_of
from sim.commands.studies import STUDY_FILE, study
from sim.scenario.endpoints import column
from sim.scenario.inherit import Overrides
from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short, unknown
from sim.scenario.shipped import SUFFIX, locate, shipped_names
from sim.scenario.study_file import load_study
from sim.scenario.write import file_to_write
from sim.study.exact import expected_spots
from sim.study.pilot import EffortNeeded, pilot
from sim.study.sweep import measure
from sim.work.files import MANIFEST, read_json, sealed_files
from sim.work.results import read_results
from sim.work.task import Progress

_PILOT_SECONDS = 0.5
_HISTORY_SECONDS = 1e-6
_ROW_BYTES = {"exact": 12_000, "simulated": 24_000}
"""Of a point's rows in points.csv and wide.csv, about."""


def check(file: str | Path, set: Overrides = ()) -> dict[str, Any]:  # noqa: A002 (the option's name)
    """Say what a study would take, from a pilot of half a second; nothing is written.

    Returns
    -------
    dict
        Points, arms, draws, replications, patients, histories (all of these multiplied; 0 if the exact twin
        tells everything; and those of answers), engine, seconds on one processor, bytes.

    Raises
    ------
    RequestError
        As `sim.commands.studies.study`.
    """
    plan = with_answers(plan_of(load_study(file, set), {}))
    draws = 1 if plan.budget.draws is None else len(plan.budget.draws.values)
    exact, own, more = plan.by_twin, plan.histories, histories_of(plan)
    seconds = _pilot(plan, exact=exact)
    return {
        "study": plan.name,
        "points": len(plan.spots),
        "draws": draws,
        "replications": 0 if exact else plan.budget.replications,
        "patients": plan.patients,
        "histories": own + more,
        "of_answers": more,
        "engine": "exact" if exact else "simulated",
        "seconds": seconds
        + more * (seconds / own if own else _HISTORY_SECONDS)
        + evaluations_of(plan) * (seconds / (len(plan.spots) * draws) if exact else 0.0),
        "bytes": len(plan.spots) * _ROW_BYTES["exact" if exact else "simulated"],
        "effort": [_row_of(each) for each in pilot(plan.spots, plan.shown, plan.budget)],
    }


def _row_of(needed: EffortNeeded) -> dict[str, Any]:
    """Return it as a row: what is not told is None."""
    told = {name: None if value != value else value for name, value in needed._asdict().items()}
    del told["key"]
    return {"endpoint": column(needed.key), **told}


def _pilot(plan: StudyPlan, *, exact: bool) -> float:
    """Return about how many seconds the study takes on one processor, from one point of it."""
    middle = len(plan.spots) // 2
    spot, budget = plan.spots[middle : middle + 1], plan.budget
    draws = budget.draws
    few = None if draws is None else replace(draws, values=draws.values[:4])
    share = 1 if draws is None or few is None else len(draws.values) / len(few.values)
    replications = min(budget.replications, 128)
    small = replace(budget, draws=few, replications=replications, precision=None, workers=1)

    def work() -> object:
        return expected_spots(spot, few) if exact else measure(spot, small)

    work()  # what is made once does not count
    started, rounds = time.perf_counter(), 0
    while time.perf_counter() - started < _PILOT_SECONDS / 2:
        work()
        rounds += 1
    each = (time.perf_counter() - started) / rounds * share
    times = 1.0 if exact else budget.replications / replications
    return each * times * len(plan.spots)


def again(folder: str | Path, *, workers: int | None = 1, progress: Progress | None = None) -> list[str]:
    """Do the study of a folder again from its own ``study.toml``, and say which files differ; none if equal.

    Raises
    ------
    RequestError
        It is no folder of a study.
    """
    before = read_results(Path(folder))
    if before.kind != "study":
        raise RequestError(f"{folder}: holds a {before.kind}, and only a study can be done again")
    with TemporaryDirectory(prefix="lupus-hsct-") as aside:
        out = Path(aside) / "again"
        study(Path(folder) / STUDY_FILE, out=out, figures="none", workers=workers, progress=progress)
        old, new = (sealed_files(read_json(Path(each) / MANIFEST) or {}) for each in (folder, out))
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        return [_difference(name, Path(folder) / name, out / name) for name in names]


def _difference(name: str, old: Path, new: Path) -> str:
    """Say how two files of a name differ: by their first line that is not the same."""
    if not (old.is_file() and new.is_file()):
        return f"{name}: only in the {'old' if old.is_file() else 'new'} folder"
    if old.suffix == ".parquet":
        return f"{name}: differs"
    lines = [each.read_text("utf-8").splitlines() for each in (old, new)]
    both = enumerate(zip_longest(*lines, fillvalue=""), start=1)
    number, (was, now) = next((at, pair) for at, pair in both if pair[0] != pair[1])
    return f"{name}, line {number}: {cut_short(was)} is now {cut_short(now)}"


def write_new_study(kind: str, name: str, *, force: bool = False) -> Path:
    """Write a commented study file to start from: a copy of a shipped one.

    Raises
    ------
    RequestError
        There is no such study, or the file exists.
    """
    shipped = shipped_names("study")
    if kind not in shipped:
        raise RequestError(unknown(f'no study "{kind}"', kind, shipped, f"there are {', '.join(shipped)}"))
    path = file_to_write(name, force=force)
    path.write_bytes(locate(kind, kind="study").path.read_bytes())
    return path


PACKED = ("report.html", MANIFEST)
"""What is shared beside figures, scenarios and all that a manifest has the hashes of."""


def pack(folder: str | Path, to: str | Path | None = None, *, force: bool = False) -> Path:
    """Put the page, the figures as PDF, all tables and the study of a folder into one zip file.

    Unpacked, it is a folder like any other, of which `again` says whether the same bits come out.

    Parameters
    ----------
    to
        The file; left out, beside the folder and named like it.

    Raises
    ------
    RequestError
        It is no complete folder, or the file exists.
    """
    results = read_results(Path(folder))
    path = Path(to) if to is not None else Path(folder).absolute().with_suffix(".zip")
    if path.exists() and not force:
        raise RequestError(f"{path}: exists; name another file, or replace it with --force")
    from sim.show.kit.style import save
    from sim.show.plots import draw

    with TemporaryDirectory(prefix="lupus-hsct-") as aside:
        for name, figure, _ in draw(results):
            save(figure, Path(aside), name, ("pdf",))
        there, sealed = Path(folder), sealed_files(read_json(Path(folder) / MANIFEST) or {})
        found = {each.name: each for each in (*there.glob("*"), *Path(aside).glob("*.pdf"))}
        files = {n: each for n, each in found.items() if n in PACKED or each.suffix in (".pdf", SUFFIX)}
        files |= {name: there / name for name in sealed}
        partial = path.with_name(f".{path.name}.partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, each in sorted(files.items()):
                # Without a date the same study gives the same file.
                entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(entry, each.read_bytes())
        partial.replace(path)
    return path
