"""Stays of one's own patients as a scenario file: observed values in the place of distributions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sim.centre.durations import FEWEST, WAY, ObservedStage, observed_durations
from sim.commands.patients import patients_from
from sim.outcomes.twin.quadrature import fixed_value
from sim.scenario.distributions import MOST_VALUES, Floats
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.refusals import sentence, toml_text
from sim.scenario.schema import Scenario
from sim.scenario.write import base_from, file_to_write
from sim.show.kit.prose import sentences

_IMMUNOABLATION = "immunoablation.duration_days"


def patient_durations(
    file: str | Path,
    column: Mapping[str, str] | Sequence[str] = (),
    dates: str | None = None,
    sheet: str | None = None,
    *,
    base: str = "chicago2006",
    way: bool = False,
    out: str | Path | None = None,
    force: bool = False,
) -> str:
    """Return a scenario file with the stays of your own patients, and write it if it is to go somewhere.

    Parameters
    ----------
    file, column, dates, sheet
        As `patients_from` takes them.
    base
        The scenario that it changes.
    way
        Whether the whole way from enrolment to reinfusion is replaced too, mobilisation and harvest included.
    out
        Where it goes; the file ends in .toml.
    force
        Write over an existing file.

    Raises
    ------
    RequestError
        As `patients_from`; or no stage is known of five patients, or the way is not what the base can take.
    """
    path = None if out is None else file_to_write(str(out), force=force)
    table, scenario = patients_from(file, column, dates, sheet, deaths=False), load(base).scenario
    found = [each for each in observed_durations(table.patients) if way or each.key != WAY]
    if way and not any(each.key == WAY for each in found):
        raise RequestError(
            f"{file}: --way: enrolments are not recorded, so the way to reinfusion is not known"
        )
    if all(each.few for each in found):
        told = "; ".join(f"{each.key}: {each.values.size} of {each.of}" for each in found)
        raise RequestError(
            f"{file}: no stage is known of {FEWEST} patients or more, and fewer would tell of single ones "
            f"({told}); columns engrafted and discharged give stays, --way the time to transplant"
        )
    stages = [_usable(each, str(file)) for each in found]
    source = f"own patients, one value each (SHA-256 of their table: {table.sha256})"
    below = base_from(base, Path() if path is None else path.parent)
    text = "\n".join(_lines(stages, below, source, scenario, str(file))) + "\n"
    if path is not None:
        path.write_text(text, encoding="utf-8", newline="\n")
    return text


def _usable(stage: ObservedStage, where: str) -> ObservedStage:
    if stage.values.size > MOST_VALUES:
        known = f"{stage.key} is known of {stage.values.size:,} patients"
        raise RequestError(f"{where}: {known}; a distribution takes {MOST_VALUES:,} values: split the table")
    return stage


def _lines(
    stages: Sequence[ObservedStage], base: str, source: str, scenario: Scenario, where: str
) -> Iterator[str]:
    yield 'kind = "scenario"'
    yield f"base = {toml_text(base)}"
    yield 'title = "Own stays"'
    sources = []
    for stage in stages:
        values, days = stage.values, ""
        if stage.key == WAY and not stage.few:
            spent = _immunoablation(scenario, values, where)
            values, days = values - spent, f"{spent:g} days"
        yield ""
        for paragraph in sentences("durations", "stage", stage, FEWEST, days):
            yield from textwrap.wrap(paragraph, 100, initial_indent="# ", subsequent_indent="# ")
        if stage.few:
            continue
        if stage.key == WAY:
            yield 'cohort.enters_at = "immunoablation"'
            sources.append("cohort.enters_at")
        yield from _distribution(stage.key, values)
        sources.append(stage.key)
    yield ""
    yield "[sources]"
    yield from (f"{key} = {toml_text(source)}" for key in sources)


def _immunoablation(scenario: Scenario, values: Floats, where: str) -> float:
    """Return how long before reinfusion the room is entered, which has to be the same for everybody."""
    days = fixed_value(scenario.immunoablation.duration_days)
    if days is None or values[0] < days:
        sooner = f"takes {days} days, and some got their cells sooner after enrolment"
        why = "varies in the base" if days is None else sooner
        what = f"--way: the way ends where the room begins, but {_IMMUNOABLATION} {why}"
        raise RequestError(sentence(where, f"{what}; name a base (--base) where it is one number, and less"))
    return days


def _distribution(key: str, values: Floats) -> Iterator[str]:
    """Yield a distribution's lines; an inline table may be broken within its list."""
    items = ", ".join(str(int(value)) if float(value).is_integer() else f"{value:.10g}" for value in values)
    yield f'{key} = {{ dist = "empirical", values = ['
    yield from textwrap.wrap(items, 96, initial_indent="  ", subsequent_indent="  ")
    yield "] }"
