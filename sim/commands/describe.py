"""A study of patients of one's own: what was seen in them, without the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from sim.centre.described import SMALL, WAITS, Described, SeenCurve, risk_days
from sim.centre.reading import ReadTable
from sim.commands.patients import patients_from
from sim.commands.study import Made, Study, Work, request_of, write
from sim.outcomes.survival import FEW_AT_RISK
from sim.scenario.problems import FewAtRiskWarning, RequestError
from sim.show.described import told
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress

_DRAWN = (
    "overall_survival", "disease_free_survival", "relapse_incidence", "death_without_relapse",
    "overall_survival_enrolled", *WAITS,
)  # fmt: skip
"""Curves that are written: follow-up is not, of which every step would be somebody's last contact."""

_MOST_DAYS = 366


def describe_patients(
    file: str | Path, *, column: Mapping[str, str] | Sequence[str] = (), dates: str | None = None,
    sheet: str | None = None, every: int | None = None, **how: Unpack[Work],
) -> Results:  # fmt: skip
    """Describe the patients of a table: numbers at risk, survival, competing incidences, waits, follow-up.

    Parameters
    ----------
    file, column, dates, sheet
        The table, and how it is read: see `sim.commands.patients.patients_from`.
    every
        Days between those at which curves are written, instead of the days of events: for tables that go to
        others.
    how
        See `Work`.

    Returns
    -------
    Results
        With ``figures``, ``curves`` and ``at_risk``.

    Raises
    ------
    RequestError
        Something asked for, or in the table, is wrong; the message says what is allowed.
    """
    if every is not None and not 1 <= every <= _MOST_DAYS:
        raise RequestError(f"--every: {every} given; allowed: whole days from 1 to {_MOST_DAYS}, as in 30")
    read = patients_from(file, column, dates, sheet, deaths=False)
    found = Described(read.patients, every)

    def make(_folder: Path, _stores: Stores, _progress: Progress | None) -> Made:
        return Made(_facts(read, every), _tables(found))

    request = request_of("patients", [], patients=read.record, every=every)
    return write(Study("patients", "patients", request, make, _warn), how)


def _facts(read: ReadTable, every: int | None) -> dict[str, Any]:
    own = read.patients
    flags = ("relapse_recorded", "deaths_recorded", "from_transplant", "reconstructed")
    return {
        "patients": {**read.record, "patients": len(own), "reinfused": int(own.reinfused.sum())},
        "every_days": every,
        **{name: getattr(own, name) for name in flags},
    }


def _tables(found: Described) -> dict[str, pd.DataFrame]:
    """Return the tables: nothing in them is of one patient but the days of events, which `every` hides."""
    figures = pd.DataFrame([{**_fields(each), "small_cell": each.small_cell} for each in found.figures])
    drawn = [found.curves[name] for name in _DRAWN if name in found.curves]
    curves = [_curve(each, each.days(found.every)) for each in drawn]
    at_risk = [_at_risk(each) for each in drawn if each.cause in (None, 0)]
    return {"figures": figures, "curves": _stacked(curves), "at_risk": _stacked(at_risk)}


def _fields(figure: Any) -> dict[str, Any]:
    return {name: getattr(figure, name) for name in type(figure).__slots__}


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    columns = ["curve", "time_days", "at_risk", "estimate", "lower", "upper", "small_cell"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _curve(curve: SeenCurve, days: Any) -> pd.DataFrame:
    read = curve.read(days)
    known = {"estimate": read.estimate, "lower": read.lower, "upper": read.upper}
    return _of(curve, days, read.at_risk, known)


def _at_risk(curve: SeenCurve) -> pd.DataFrame:
    days = risk_days(float(curve.counts.times[-1]))
    return _of(curve, days, curve.counts.at_risk_at(days), {})


def _of(curve: SeenCurve, days: Any, at_risk: Any, known: Mapping[str, Any]) -> pd.DataFrame:
    whole = at_risk.astype(np.int64)
    small = (whole > 0) & (whole < SMALL)
    return pd.DataFrame(
        {"curve": curve.name, "time_days": days, "at_risk": whole, **known, "small_cell": small}
    )


def _warn(results: Results) -> None:
    """Warn of what is read with few at risk."""
    few = list(_few(results.tables["figures"]))
    if few:
        FewAtRiskWarning.say(
            f"{'; '.join(few)}: with fewer than {FEW_AT_RISK} patients at risk the next event moves a figure "
            "by more than a tenth. Read it earlier, or give the number at risk and the interval with it."
        )


def _few(figures: pd.DataFrame) -> Iterator[str]:
    """Yield from when on each figure is read with few at risk; waits end because patients are reinfused."""
    low = figures[(figures["at_risk"] < FEW_AT_RISK) & figures["estimate"].notna()]
    for _, rows in low[~low["figure"].isin(WAITS)].groupby("figure", sort=False):
        first = told(rows)[0]
        since = "" if np.isnan(first.time) else f" from {first.when}"
        yield f"{first.name.replace('_', ' ')}{since} ({first.at_risk_text} at risk)"
