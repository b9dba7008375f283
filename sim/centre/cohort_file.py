"""A cohort file made of patients of one's own: counts, estimates, fitted distributions, and no row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sim.centre.own_cohort import FEW, accrual, begins_later, own_cohort, own_values, read_curve
from sim.centre.patients import OwnPatients
from sim.centre.seen import unknown_treatment_deaths
from sim.scenario.cohort import ObservedCohort, ObservedFigure
from sim.scenario.endpoints import Key
from sim.scenario.refusals import toml_text
from sim.scenario.schema import DAYS_PER_YEAR
from sim.scenario.shipped import is_path

# As trials call what is told of one's own patients by their last contact; who was reinfused no trial reports.
_NAMES = {
    "death_on_the_way": "pre_transplant_mortality", "deaths_seen": "deaths_by_data_cut",
    "relapses_seen": "relapses_by_data_cut",
}  # fmt: skip
_STEP = 0.001
_HEAD = """\
# Patients of one's own as a cohort, by lupus-hsct patients cohort. Hold the model against it:
#   lupus-hsct validate {file}
#
# It holds counts, estimates and fitted distributions, and no row of the table. A small cell is a count of
# 1 to {most} patients: before the file is passed on, ask whether one of them could be recognised.
"""
_SMALL = "  # a small cell"


def cohort_text(own: OwnPatients, base: str, sha256: str, path: Path) -> str:
    """Return the cohort file of a table, to stand at a path.

    Parameters
    ----------
    base
        The scenario that predicts such patients; a path counts from the current folder.
    sha256
        Of the table.

    Raises
    ------
    RequestError
        The base predicts no such patients.
    """
    cohort = own_cohort(own, base)
    reference = base
    if is_path(base):
        relative = Path(os.path.relpath(base, path.parent)).as_posix()
        reference = relative if is_path(relative) else f"./{relative}"
    came = accrual(own)
    figures = list(_figures(cohort.figures, came.data_cut_days / DAYS_PER_YEAR))
    later = [
        key[1]
        for key, _ in figures
        if key[1] is not None and key[1] > cohort.scenario.follow_up.horizon_years
    ]
    lines = [
        _HEAD.format(file=path.name, most=FEW - 1),
        'kind = "cohort"',
        f"base = {toml_text(reference)}",
        f"title = {toml_text(f'Patients of our own: {len(own)}')}",
        f"source = {toml_text(f'own table, SHA-256 {sha256}')}",
        *(
            ['differs = "reconstructed from a published curve: no single patient is real"']
            if own.reconstructed
            else []
        ),
        "",
        *_values(own),
        "",
        f"# {_fitted(own)}",
        "[arrivals]",
        f"window_days = {came.window_days:g}",
        f"power = {came.power:g}",
        "",
        "[follow_up]",
        f"data_cut_days = {came.data_cut_days:g}",
        *([f"horizon_years = {max(later):g}"] if later else []),
        "",
        *_missing(own, cohort),
        *(line for key, figure in figures for line in _observed(own, key, figure)),
        "[sources]",
        *(f'"{key}" = {toml_text(source)}' for key, source in _sources(own)),
    ]
    return "\n".join(lines) + "\n"


def _values(own: OwnPatients) -> Iterator[str]:
    """Yield the table of the cohort."""
    cohort = own_values(own)["cohort"]
    yield "[cohort]"
    yield f"patients = {len(own)}{_small(len(own))}"
    if own.from_transplant:
        yield 'enters_at = "immunoablation"'
    if "female" in cohort:
        sexes = [int(np.sum(own.female == sex)) for sex in (0.0, 1.0)]
        yield f"female = {cohort['female']:g}{max(map(_small, sexes))}"
    if "age_years" in cohort:
        yield f"age_years = {toml_text(cohort['age_years'])}"


def _small(count: int) -> str:
    return _SMALL if 0 < count < FEW else ""


def _fitted(own: OwnPatients) -> str:
    if np.isnan(own.arrived).any():
        return "Fitted to how long each was followed, as if to one data cut: enrolments are not dated."
    return "Fitted to the days of enrolment; the data cut gives the mean follow-up (reverse Kaplan-Meier)."


def _figures(told: Sequence[ObservedFigure], cut_years: float) -> Iterator[tuple[Key, ObservedFigure]]:
    """Yield the figures that a cohort file can hold, under the names that they have there."""
    alive: dict[float | None, float] = {}
    for figure in told:
        name, time = figure.key
        if name == "reinfused" or (time is not None and time > cut_years):
            continue
        if name == "overall_survival":
            alive[time] = figure.value
        if name == "disease_free_survival" and figure.value > alive.get(time, 1.0):
            continue  # estimates of few patients can cross, and a cohort file refuses that
        yield (_NAMES.get(name, name), time), figure


def _observed(own: OwnPatients, key: Key, figure: ObservedFigure) -> Iterator[str]:
    """Yield the lines of one figure."""
    name, time = key
    yield "[[observed]]"
    yield f'endpoint = "{name}"'
    if figure.events is not None and figure.n is not None:
        yield f"value = {figure.events / figure.n:.4g}{_small(figure.events)}"
        yield f"n = {figure.n}"
        yield f'source = "own table ({figure.events} of {figure.n})"'
    else:
        at_risk = int(read_curve(own, name, np.array([time or 0.0])).at_risk[0])
        yield f"time_years = {time:g}"
        yield f"value = {figure.value:.3f}{_small(at_risk)}"
        if figure.limits is not None:
            lower, upper = figure.limits
            yield f"lower = {min(lower, round(figure.value, 3)):.3f}"
            yield f"upper = {max(upper, round(figure.value, 3)):.3f}"
        yield f"rounded_to = {_STEP}"
        yield f'source = "own table ({at_risk} at risk)"'
    yield ""


def _missing(own: OwnPatients, cohort: ObservedCohort) -> Iterator[str]:
    """Say which figures the table does not tell, or the base does not predict."""
    if begins_later(own, cohort.scenario):
        yield "# Left out: what counts from enrolment, because the base begins when the room is entered.\n"
    elif unknown_treatment_deaths(own):
        yield "# Left out: treatment-related mortality, because causes of death are not known.\n"
    if not own.relapse_recorded:
        yield "# Left out: relapse and disease-free survival, because the table tells of no relapses.\n"


def _sources(own: OwnPatients) -> Iterator[tuple[str, str]]:
    values = own_values(own)["cohort"]
    yield "cohort.patients", "own table"
    if "female" in values:
        yield "cohort.female", "own table"
    if "age_years" in values:
        yield (
            "cohort.age_years",
            "own table: lognormal by the mean and SD of the logarithms, bounds rounded to 5 years",
        )
    for key in ("arrivals.window_days", "arrivals.power"):
        yield key, "own table: fitted by moments"
    yield "follow_up.data_cut_days", "own table: gives the mean potential follow-up"
