"""One writer for every kind of study: tables, manifest, figures and page, and then the folder's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias, TypedDict

import pandas as pd

from sim.patient.memory import refuse_too_little_memory
from sim.scenario.load import Loaded
from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short
from sim.study.budget import DEFAULT_FIGURES, Budget
from sim.work.files import MANIFEST, sealed, write_json
from sim.work.folder import NewFolder
from sim.work.results import FORMAT, Results, Tables, read_results
from sim.work.software import software, what_moves_figures
from sim.work.spool import write_csv, write_parquet
from sim.work.store import Stores
from sim.work.task import Progress, part
from sim.work.workers import leave_if_unguarded

FORMATS = ("svg", "png", "pdf")
"""What figures can be written as."""
_LONGEST_TITLE = 200

Request: TypeAlias = dict[str, Any]
"""What was asked for: studies of the same request have the same results, and one can go on with another's."""

MADE_OF_IT = ("tables", "figures", "page")
"""The parts of the work that follow simulating."""


class Numbered(Enum):
    """The one value of `out` that is no folder: the next free number under ``results/``."""

    NUMBERED = "numbered"


NUMBERED: Final = Numbered.NUMBERED
Out: TypeAlias = str | Path | Numbered | None


class Work(TypedDict, total=False):
    """How any study is done: its luck, who works, and what becomes of it.

    ``out`` is a folder, `NUMBERED` for ``results/<name>-<number>``, or None to keep everything in memory and
    draw nothing. ``force`` replaces a complete folder, ``resume`` goes on with an unfinished study of the
    same request or reads a finished one back. ``figures`` are some of `FORMATS`, or ``"none"``. ``title``
    stands over the page, and under what every figure finds, in the place of the scenario's own.
    """

    seed: int
    workers: int | None
    cluster: str | None
    out: Out
    force: bool
    resume: bool
    figures: str | Sequence[str]
    title: str | None
    progress: Progress | None


# Who does the work changes nothing.
_WITHOUT = ("workers", "cluster")


def request_for(command: str, loaded: Sequence[Loaded], budget: Budget, **more: Any) -> Request:
    """Return a request in the form in which it is stored.

    Parameters
    ----------
    more
        Whatever else decides about the results.
    """
    plain = asdict(replace(budget, draws=None))
    counted = {name: value for name, value in plain.items() if name not in _WITHOUT and value != ()}
    counted["draws"] = None if budget.draws is None else budget.draws.hash
    return request_of(command, loaded, **counted, **more)


def request_of(command: str, loaded: Sequence[Loaded], **more: Any) -> Request:
    """Return a request in the form in which it is stored, with whatever else decides about the results."""
    asked = {
        "command": command, "scenarios": [each.name for each in loaded],
        "scenario_hashes": [each.scenario_hash for each in loaded], **more, "software": what_moves_figures(),
    }  # fmt: skip
    stored: Request = json.loads(json.dumps(asked))
    return stored


@dataclass(frozen=True)
class Made:
    """What a study has found.

    Attributes
    ----------
    facts
        What its manifest says besides what all say.
    tables
        By the names of their CSV files; None for one that there is nothing to say in.
    rows
        Long tables, which are written as Parquet.
    lines
        What only figures draw, in ``figures/``.
    texts
        Other files by name.
    """

    facts: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame | None]
    rows: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    lines: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """One study that was asked for.

    Attributes
    ----------
    kind
        Its command.
    name
        Of its numbered folder.
    request
        What decides about the results.
    make
        Finds them: gets the folder, in which it may leave tables that are too long for memory, where chunks
        are kept, and whom to tell.
    warn
        Warns of figures that can't bear their weight.
    """

    kind: str
    name: str
    request: Request
    make: Callable[[Path, Stores, Progress | None], Made]
    warn: Callable[[Results], None]


def write(study: Study, how: Work) -> Results:
    """Do a study and write its folder, or keep it in memory; what is finished already is read back.

    Raises
    ------
    RequestError
        The folder may not be written, or the study finds that it was asked for the impossible.
    """
    leave_if_unguarded()
    refuse_too_little_memory()
    out, progress = how.get("out"), how.get("progress")
    formats = formats_of(how.get("figures", DEFAULT_FIGURES))
    force, resume, title = how.get("force", False), how.get("resume", False), title_of(how)
    if out is None:
        if force or resume:
            option = "--force" if force else "--resume"
            raise RequestError(f"{option}: it is about a folder, and none is written; name one with --out")
        return _in_memory(study, progress, title)
    target = None if out is NUMBERED else Path(out)
    new = NewFolder(target, study.name, study.request, force=force, resume=resume)
    if new.complete:
        return read_results(new.path)
    from sim.show.page import write_page

    tell = _whole(progress)
    with new as folder:
        if not folder.simulated:
            made = study.make(folder.path, folder.store, progress and tell)
            _write_tables(made, folder.path)
            write_json(folder.path / MANIFEST, sealed(_manifest(study, made, title), folder.path))
        results = read_results(folder.path, just_written=True)
        tell("tables", 1, 1)
        if formats:
            from sim.show.figure_files import write_figures  # which Matplotlib comes with

            write_figures(results, formats, part("figures", tell))
        tell("page", 0, 1)
        write_page(results, folder.path)
        tell("page", 1, 1)
        study.warn(results)
    return read_results(new.path, just_written=True)


def _whole(progress: Progress | None) -> Progress:
    """Return whom to tell of the work: what is simulated is not all, and becomes tables, figures and page."""

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(what, done, total)
            if done == total and what not in MADE_OF_IT:
                progress("tables", 0, 1)

    return tell


def _in_memory(study: Study, progress: Progress | None, title: Mapping[str, str]) -> Results:
    with TemporaryDirectory(prefix="lupus-hsct-") as aside:
        made = study.make(Path(aside), lambda _part: None, progress)
        left = dict(Tables(Path(aside)))
    told = {name: table for name, table in made.tables.items() if table is not None}
    results = Results(_manifest(study, made, title), {**told, **made.rows, **made.lines, **left})
    study.warn(results)
    return results


def _manifest(study: Study, made: Made, title: Mapping[str, str]) -> dict[str, Any]:
    always = {"format": FORMAT, "command": study.kind, "request": study.request, "software": software()}
    return {**always, **made.facts, **title}


def _write_tables(made: Made, folder: Path) -> None:
    if made.lines:
        (folder / "figures").mkdir(exist_ok=True)
    for place, tables in ((folder, made.tables), (folder / "figures", made.lines)):
        for name, table in tables.items():
            if table is not None:
                write_csv(table, place / f"{name}.csv")
    for name, table in made.rows.items():
        write_parquet(table, folder / f"{name}.parquet")
    for name, text in made.texts.items():
        (folder / name).write_text(text, "utf-8")


def title_of(how: Work) -> dict[str, str]:
    """Return what a manifest says of the title that was asked for.

    Raises
    ------
    RequestError
        It is empty, of several lines or very long.
    """
    title = how.get("title")
    if title is not None and not (title.strip() and title.isprintable() and len(title) <= _LONGEST_TITLE):
        shown = cut_short(repr(title))
        raise RequestError(f"--title: {shown} given; allowed: one line of up to {_LONGEST_TITLE} letters")
    return {} if title is None else {"title": title.strip()}


def formats_of(figures: str | Sequence[str]) -> tuple[str, ...]:
    """Read what figures are written as: some of `FORMATS`, one text with commas or several; or none.

    Raises
    ------
    RequestError
        There is no such format.
    """
    given = figures.split(",") if isinstance(figures, str) else figures
    asked = tuple(dict.fromkeys(each.strip() for each in given))
    for each in asked:
        if each not in FORMATS and asked != ("none",):
            raise RequestError(
                f"--figures: {each!r} given; allowed: {', '.join(FORMATS)}, several with commas between, or "
                "none alone"
            )
    return () if asked == ("none",) else asked
