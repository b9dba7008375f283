"""What a list of studies says of each: what was changed, when it was done, and what it found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.scenario.problems import RequestError
from sim.show.contents import shown_in
from sim.show.kit.formats import rows
from sim.show.kit.scenario_words import headlines
from sim.work.files import REQUEST, TIMINGS, read_json
from sim.work.folder import kept_in
from sim.work.results import Results, read_results
from sim.work.shelf import State


def shelf_row(folder: Path, state: State) -> dict[str, Any]:
    """Return what is known of a study: folder, state, study, scenario, changed, finished, found."""
    told = {"folder": folder.as_posix(), "state": str(state)}
    blank = dict.fromkeys(("study", "scenario", "changed", "finished", "found"), "")
    if state != "finished":
        asked = read_json(folder / REQUEST) or {}
        names = ", ".join(map(str, asked.get("scenarios", ())))
        about = {"study": str(asked.get("command", "")), "scenario": names}
        return {**told, **blank, **about, "found": f"{kept_in(folder) or 'nothing is'} kept"}
    try:
        results = read_results(folder)
        scenarios = results.scenarios
        changed = [*results.manifest.get("vary", ())]
        changed += [words for each in scenarios.values() for words in getattr(each, "changed", None) or ()]
        about = {"study": results.kind, "scenario": ", ".join(scenarios), "found": found(results)}
    except (RequestError, LookupError, TypeError, ValueError) as error:
        return {**told, **blank, "state": "unreadable", "found": str(error).splitlines()[0]}
    finished = str((read_json(folder / TIMINGS) or {}).get("finished", ""))
    return {**told, **blank, **about, "changed": ", ".join(dict.fromkeys(changed)), "finished": finished}


def found(results: Results) -> str:
    """Return in a few words what a study has found."""
    tables, kind = results.tables, results.kind
    if kind == "run":
        told = rows(tables["endpoints"])
        shown = headlines(results.scenario)
        return ", ".join(f"{row.label} {row.estimate_text}" for row in told if row.key in shown)
    if kind == "sweep":
        (key, *_), told = shown_in(results.manifest), rows(tables["points"])
        values = sorted((row for row in told if row.key == key), key=lambda row: row.estimate)
        low, high = values[0], values[-1]
        return f"{low.label} {low.simulated_text} to {high.simulated_text} at {len(values)} points"
    if kind == "compare":
        averted = tables["deaths_averted"].dropna(subset="averted_per_100")
        arms = averted[averted["key"] == ""].to_dict("records")
        return ", ".join(f"{arm['scenario']} averts {arm['averted_per_100']:.2g} per 100" for arm in arms)
    if kind == "validate":
        covered = tables["validation"]["covered"].dropna()
        return f"{int(covered.sum())} of {len(covered)} figures covered"
    return f"{len(results.manifest.get('solved') or ())} parameters solved"
