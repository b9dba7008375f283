"""Patients out of a published curve, written as a table that is marked as what it is."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from sim.centre.curve_files import read_curve
from sim.centre.reconstruct import Reconstruction, reconstruct
from sim.scenario.distributions import Floats
from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short

CurveOf: TypeAlias = Literal["overall_survival", "disease_free_survival"]
PointsAt: TypeAlias = Literal["falls", "times"]

_EVENTS: dict[str, str] = {"overall_survival": "died", "disease_free_survival": "relapsed_or_died"}
"""The column of events: those of disease-free survival are relapses or deaths, and nobody knows which."""
_DECIMALS = 2
_MANY, _ALIKE = 10, 1.2


def reconstruct_patients(
    curve: str | Path, at_risk: str | Path, *, out: str | Path, events: int | None = None,
    endpoint: CurveOf = "overall_survival", points: PointsAt = "falls", unit: str | None = None,
    force: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Write patients that reproduce a published Kaplan-Meier curve and its numbers at risk.

    Parameters
    ----------
    curve, at_risk
        CSV files: points of the curve as they were read off, and numbers at risk.
    out
        The file to write, a table of patients whose times count from reinfusion.
    events
        How many there were in all, where that is published.
    endpoint
        Whose curve it is.
    points
        ``"falls"``: they are where the curve falls, as Guyot takes them. ``"times"``: they are at times of
        the reader's choice, as evenly apart; events between two are then spread evenly.
    unit
        days, months or years, where the columns of times do not say.
    force
        Whether to write over a file.

    Returns
    -------
    dict
        How many patients and events there are, how far their curve is from the points at most, what was
        repaired of these, and whether they look as if ``points="times"`` were meant.

    Raises
    ------
    RequestError
        Something asked for, or in the files, is wrong; the message says what is allowed.
    """
    if endpoint not in _EVENTS:
        raise RequestError(f"--endpoint: {cut_short(str(endpoint))} given; allowed: {', '.join(_EVENTS)}")
    if points not in get_args(PointsAt):
        raise RequestError(
            f"--points: {cut_short(str(points))} given; allowed: {', '.join(get_args(PointsAt))}"
        )
    path = _to_write(Path(out), force=force)
    published = read_curve(curve, at_risk, unit, spread=points == "times")
    size = int(published.at_risk[0])
    if events is not None and not 0 <= events <= size:
        raise RequestError(f"--events: {events} given; allowed: 0 to {size}, who were at risk at time 0")
    made = reconstruct(published, events)
    path.write_text(_table(made, _EVENTS[endpoint]), encoding="utf-8", newline="\n")
    return {
        "out": path.as_posix(),
        "patients": len(made.days),
        "events": int(made.event.sum()),
        "events_published": events,
        "largest_difference": made.largest_difference,
        "repairs": list(published.repairs),
        "evenly_apart": points == "falls" and _evenly_apart(published.days),
    }


def _to_write(path: Path, *, force: bool) -> Path:
    """Return where the table goes, if it may."""
    if not path.parent.is_dir():
        raise RequestError(f"--out: there is no folder {path.parent}; make it first")
    if path.is_dir() or (path.exists() and not force):
        raise RequestError(f"--out: {path} exists; name another file, or --force to write over it")
    return path


def _table(made: Reconstruction, event: str) -> str:
    """Write one row a patient; they have no order but that of their times."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["transplanted", event, "last_seen", "reconstructed"])
    for day, happened in zip(made.days, made.event, strict=True):
        told = f"{day:.{_DECIMALS}f}".rstrip("0").rstrip(".")
        rows.writerow([0, told if happened else "", told, "yes"])
    return text.getvalue()


def _evenly_apart(days: Floats) -> bool:
    """Tell whether points look as if they were read at times, and not where the curve falls."""
    gaps = np.diff(days)
    return len(gaps) >= _MANY and bool(gaps.max() < _ALIKE * gaps.min())
