"""What a list of studies says of each: what was changed, when it was done, and what it found."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from sim.scenario.problems import RequestError
from sim.show.contents import CONTENTS
from sim.work.files import REQUEST, TIMINGS, read_json
from sim.work.folder import kept_in
from sim.work.results import read_results
from sim.work.shelf import shelf


def shelf_rows(parent: Path, text: str = "") -> list[dict[str, str]]:
    """Return a row for each study in a folder that has a text somewhere in it, the oldest first.

    Raises
    ------
    RequestError
        There is no such folder.
    """
    told = [_row(folder, state) for folder, state in shelf(parent)]
    return [row for row in told if text.casefold() in " ".join(row.values()).casefold()]


def _row(folder: Path, state: str) -> dict[str, str]:
    asked = read_json(folder / REQUEST) or {}
    row = {"folder": folder.as_posix(), "state": state, "study": str(asked.get("command", ""))}
    row |= {"scenario": ", ".join(map(str, asked.get("scenarios", ()))), "changed": "", "finished": ""}
    if state != "finished":
        return {**row, "found": f"{kept_in(folder) or 'nothing is'} kept"}
    try:
        results, when = read_results(folder), read_json(folder / TIMINGS) or {}
        said = [each.changed or [] for each in results.scenarios.values()]
        changed = dict.fromkeys([*results.manifest.get("vary", ()), *chain(*said)])
        row |= {"study": results.kind, "scenario": ", ".join(results.scenarios)}
        row |= {"changed": ", ".join(changed), "finished": str(when.get("finished", ""))}
        contents = CONTENTS[results.kind](results)
        return {**row, "found": contents.finding or contents.without_pictures}
    except (RequestError, LookupError, TypeError, ValueError) as error:
        return {**row, "state": "unreadable", "found": str(error).partition("\n")[0]}
