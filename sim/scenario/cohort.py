"""Cohort files: what other patients were reported to have come to, and the scenario that predicts it.

A cohort is a scenario of its own (its base, its number of patients, its accrual and data cut) and the
figures observed in it, which are predicted and never fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError

from sim.scenario.contradictions import ROUNDED_TO, contradictions
from sim.scenario.distributions import Table
from sim.scenario.endpoints import BY_NAME, UNREPORTED, Endpoint, Key, endpoint_of, label
from sim.scenario.evidence import ids_in
from sim.scenario.inherit import Overrides, ValueLayer, read_layers
from sim.scenario.load import Loaded, load_layers
from sim.scenario.merging import set_keys
from sim.scenario.problems import RequestError
from sim.scenario.refusals import bad_member, bad_value, cut_short, refuse, sentence, toml_text, unknown
from sim.scenario.registry import lookup, short
from sim.scenario.schema import DAYS_PER_YEAR, LISTED, Scenario, TrialArrivals
from sim.scenario.shipped import shipped_names
from sim.scenario.structure import listed_problems

Reading: TypeAlias = Literal["kaplan_meier", "incidence", "count", "mean"]
Role: TypeAlias = Literal["fitted", "overlaps", "held_out"]

_ROUNDING = 1e-9
# Of a scenario, but not of a cohort: nothing is solved from it.
_NOT_HERE = {
    "target": "write each figure as [[observed]]: a cohort is predicted, never fitted",
    "range": "a cohort is predicted by one scenario; name another base, or validate with --set",
    "prior": "a cohort is predicted, never fitted; state it in its base",
    "alternative": "a cohort is predicted, never fitted; state it in its base",
    "calibration": "a cohort is predicted, never fitted; calibrate its base",
}
_FOLLOW_UP = "arrivals.power"  # solved like others, but from follow-up and not from outcomes


# fmt: off


class Observed(Table):
    """A figure that was observed in the cohort."""

    endpoint: str = Field(description="name of an endpoint")
    time_years: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="time at which it was read, for endpoints that have one")
    value: Annotated[float, Field(ge=0)] = Field(description="the figure; rates as fractions")
    lower: Annotated[float, Field(ge=0)] | None = Field(None, description="lower limit of its interval")
    upper: Annotated[float, Field(ge=0)] | None = Field(None, description="upper limit of its interval")
    n: Annotated[int, Field(ge=1)] | None = Field(
        None, description="patients that it is out of; a count gets its exact interval from them")
    reading: Reading | None = Field(
        None, description="how it was read; left out, as a trial would report this endpoint")
    rounded_to: Annotated[float, Field(ge=0)] | None = Field(
        None, description="step to which it was printed; left out, 0.01 of a share")
    fitted: bool = Field(False, description="whether the base was fitted to it")
    overlaps: str = Field("", description="what it shares with the data that the base was fitted to")
    differs: str = Field("", description="what in the protocol differs from what the base simulates")
    source: str = Field(description="evidence ids, or a reference")

# fmt: on


class _Tables(Table):
    """What a cohort file has besides what a scenario has."""

    source: str = Field(description="evidence ids, or a reference")
    overlaps: str = Field("", description="what all its figures share with the data behind the base")
    differs: str = Field("", description="what in its protocol differs from what the base simulates")
    observed: list[Observed]


OWN_KEYS = tuple(_Tables.model_fields)


@dataclass(frozen=True, slots=True)
class ObservedFigure:
    """An observed figure, with everything about it decided.

    ``slack`` is half of the step to which it was printed: the figure itself may lie so far to either side.
    ``events`` is the count behind it, None where it is no count.
    """

    key: Key
    value: float
    limits: tuple[float, float] | None
    n: int | None
    events: int | None
    reading: Reading
    slack: float
    role: Role
    overlaps: str
    differs: str
    source: str

    @property
    def endpoint(self) -> Endpoint:
        """Its endpoint."""
        return endpoint_of(self.key[0])

    @property
    def label(self) -> str:
        """The endpoint and its time in words."""
        return label(self.key)


@dataclass(frozen=True)
class ObservedCohort:
    """A cohort: the scenario that predicts it, and what was observed.

    Attributes
    ----------
    loaded : Loaded
        The scenario, with the cohort's name and the origin of every value; it aims at nothing.
    base : str
        Name of the scenario that it is based on; empty without one.
    source : str
        Evidence ids, or a reference.
    figures : tuple of ObservedFigure
    """

    loaded: Loaded
    base: str
    source: str
    figures: tuple[ObservedFigure, ...]

    @property
    def name(self) -> str:
        """The shipped name, or the file's name without its ending."""
        return self.loaded.name

    @property
    def scenario(self) -> Scenario:
        """What is simulated."""
        return self.loaded.scenario


def load_cohort(reference: str, overrides: Overrides = ()) -> ObservedCohort:
    """Load a cohort.

    Parameters
    ----------
    reference : str
        A path if it has a slash or ends in .toml, else the name of a shipped cohort.
    overrides
        What goes over the parameters in the file, as `sim.scenario.load.load` takes it.

    Raises
    ------
    RequestError
        If anything is wrong; the message names file, key, value, what is allowed and what to do.
    """
    located, layers = read_layers(reference, "cohort", OWN_KEYS)
    *bases, own = layers
    tables = _tables(own)
    about = {"purpose": "", **{name: [] for name in LISTED}, "calibration": {"solve": []}}
    tree = {**about, **own.tree, "kind": "scenario"}
    stated = [*bases, ValueLayer(own.name, own.where, tree, own.sources)]
    loaded = load_layers(located, stated, overrides, Path())
    problems = []
    if not isinstance(loaded.scenario.arrivals, TrialArrivals):
        problems.append(
            'arrivals.pattern = "poisson": a cohort has a number of patients; write pattern = "trial" and '
            "[cohort] patients"
        )
    for number, item in enumerate(tables.observed, start=1):
        what = f"[[observed]] number {number}: {item.endpoint}"
        found = [*_time_problems(item, loaded.scenario), *_value_problems(item, loaded.scenario)]
        problems += [f"{what}: {text}" for text in found]
    problems += [*_joint_problems(tables.observed), *_unmarked(tables.observed, bases, own)]
    if problems:
        raise refuse(sentence(own.where, text) for text in problems)
    figures = tuple(_figure(item, tables) for item in tables.observed)
    return ObservedCohort(loaded, bases[-1].name if bases else "", tables.source, figures)


def load_cohorts(references: Sequence[str], overrides: Overrides = ()) -> list[ObservedCohort]:
    """Load some cohorts, or all that are shipped if none is named.

    Raises
    ------
    RequestError
        As `load_cohort`; or two have the same name.
    """
    cohorts = [load_cohort(reference, overrides) for reference in references or shipped_names("cohort")]
    names = [cohort.name for cohort in cohorts]
    for cohort in cohorts:
        if names.count(cohort.name) > 1:
            raise RequestError(
                f"{cohort.name}: two cohorts have this name; name each once, and rename a file that another "
                "one is called like"
            )
    return cohorts


def _tables(own: ValueLayer) -> _Tables:
    """Check what only a cohort has, all but its sense."""
    problems = [f"{name}: not in a cohort: {why}" for name, why in _NOT_HERE.items() if name in own.tree]
    if "title" not in own.tree:
        problems.append('title is missing: title = "..." in one line')
    problems += listed_problems("observed", own.own.get("observed", []), Observed.model_fields)
    if not own.own.get("observed", []):
        problems.append("has no [[observed]]: a cohort needs at least one figure, with endpoint and value")
    if problems:
        raise refuse(sentence(own.where, text) for text in problems)
    try:
        tables = _Tables.model_validate(own.own)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise refuse(_bad(item["loc"], own.own, own.where) for item in found) from None
    problems = [
        sentence(own.where, f"[[observed]] number {number}: {text}")
        for number, item in enumerate(tables.observed, start=1)
        for text in _endpoint_problems(item)
    ]
    if problems:
        raise refuse(problems)
    return tables


def _bad(location: tuple[Any, ...], tree: Mapping[str, Any], where: str) -> str:
    """Say what is wrong at a place that pydantic names."""
    name = str(location[0])
    if len(location) > 2:
        return bad_member(location, tree, where, Observed)
    if name not in tree:
        return sentence(where, f"{name} is missing: {_Tables.model_fields[name].description}")
    return bad_value(where, name, tree[name], "text in quotes")


def _endpoint_problems(item: Observed) -> Iterator[str]:
    endpoint = BY_NAME.get(item.endpoint)
    reported = [each.name for each in BY_NAME.values() if each.trial not in UNREPORTED]
    if endpoint is None:
        what = f"endpoint = {cut_short(toml_text(item.endpoint))}: unknown endpoint"
        yield unknown(what, item.endpoint, BY_NAME, f"endpoints are {', '.join(reported)}")
    elif endpoint.trial in UNREPORTED:
        yield (
            f'endpoint = "{item.endpoint}": no trial reports it; a cohort can be held against '
            f"{', '.join(reported)}"
        )
    elif item.reading is not None and item.reading not in _readings(endpoint):
        allowed = " or ".join(f'"{each}"' for each in _readings(endpoint))
        yield f'reading = "{item.reading}": {endpoint.name} is read as {allowed}'


def _readings(endpoint: Endpoint) -> tuple[str, ...]:
    """Return how an endpoint can be read: as a trial estimates it, or counted where nobody is lost."""
    return (endpoint.trial, "count") if endpoint.trial in ("kaplan_meier", "incidence") else (endpoint.trial,)


def _time_problems(item: Observed, scenario: Scenario) -> Iterator[str]:
    endpoint, time = BY_NAME[item.endpoint], item.time_years
    horizon, cut = scenario.follow_up.horizon_years, scenario.follow_up.data_cut_days
    if endpoint.timed and time is None:
        yield "time_years is missing: at how many years was it read?"
    elif not endpoint.timed and time is not None:
        yield f"time_years = {time:g}: {endpoint.name} has no time; leave it out"
    elif time is not None and time > horizon:
        yield (
            f"time_years = {time:g}: beyond follow_up.horizon_years, which is {short(horizon)}; if the "
            f"patients were followed so long, write [follow_up] horizon_years = {time:g}"
        )
    elif time is not None and cut != "none" and time * DAYS_PER_YEAR > cut:
        yield (
            f"time_years = {time:g}: beyond the data cut on day {short(cut)} (follow_up.data_cut_days), by "
            f"which the first patient has been followed for {cut / DAYS_PER_YEAR:.3g} years; correct one"
        )


def _value_problems(item: Observed, scenario: Scenario) -> Iterator[str]:
    is_share = BY_NAME[item.endpoint].kind == "share"
    for name in ("value", "lower", "upper"):
        given = getattr(item, name)
        if is_share and given is not None and given > 1:
            percent = f"; a percentage? {given:g}% is {given / 100:.6g}" if given <= 100 else ""
            yield f"{name} = {given:g}: a share is a number from 0 to 1{percent}"
            return
    if (item.lower is None) != (item.upper is None):
        yield "lower and upper: give both limits of the interval, or neither"
    elif item.lower is not None and item.upper is not None and not item.lower <= item.value <= item.upper:
        yield f"value = {item.value:g}: outside its own interval, {item.lower:g} to {item.upper:g}"
    if item.n is None:
        return
    if item.n > scenario.cohort.patients:
        yield f"n = {item.n}: more than cohort.patients, which is {scenario.cohort.patients}; correct one"
    elif is_share and (item.reading or BY_NAME[item.endpoint].trial) == "count":
        yield from _count_problems(item, item.n)


def _count_problems(item: Observed, n: int) -> Iterator[str]:
    """Refuse a share that is no count of n, whatever it was rounded to."""
    step = ROUNDED_TO if item.rounded_to is None else item.rounded_to
    events = round(item.value * n)
    if abs(events / n - item.value) > step / 2 + _ROUNDING:
        near = events if events / n < item.value else events - 1
        yield (
            f"value = {item.value:g}: no count of n = {n}: {near} are {near / n:.4f} and {near + 1} are "
            f"{(near + 1) / n:.4f}; correct one of them, leave n out, or say how it was rounded (rounded_to)"
        )


def _joint_problems(observed: Sequence[Observed]) -> Iterator[str]:
    values = {(item.endpoint, item.time_years): item.value for item in observed}
    if len(values) < len(observed):
        keys = [(item.endpoint, item.time_years) for item in observed]
        twice = next(key for key in keys if keys.count(key) > 1)
        yield f"[[observed]]: {label(twice)} stands there twice; keep one"
    yield from contradictions("observed", observed)


def _unmarked(observed: Sequence[Observed], bases: Sequence[ValueLayer], own: ValueLayer) -> Iterator[str]:
    """Refuse a figure that the base was fitted to and that does not say so.

    A cohort that replaces a solved value is no longer fitted to the base's targets.
    """
    solved = [key for layer in bases for key in lookup(layer.tree, "calibration.solve") or ()]
    if {*solved} & {*set_keys(own.tree)} - {_FOLLOW_UP}:
        return
    targets = [layer.tree["target"] for layer in bases if "target" in layer.tree][-1:]
    for target in targets[0] if targets else ():
        for number, item in enumerate(observed, start=1):
            same = (item.endpoint, item.time_years) == (target["endpoint"], target.get("time_years"))
            ids = {*ids_in(item.source)} & {*ids_in(str(target.get("source", "")))}
            if same and ids and target.get("fitted", True) and not item.fitted:
                yield (
                    f"[[observed]] number {number}: {item.endpoint} ({', '.join(sorted(ids))}): "
                    f"{bases[-1].name} was fitted to this figure; write fitted = true"
                )


def _figure(item: Observed, tables: _Tables) -> ObservedFigure:
    endpoint = BY_NAME[item.endpoint]
    reading: Reading = item.reading or endpoint.trial  # type: ignore[assignment]
    is_share = endpoint.kind == "share"
    events = round(item.value * item.n) if item.n and is_share and reading == "count" else None
    if events is not None and item.n is not None:
        value, slack = events / item.n, 0.0
    else:
        step = (ROUNDED_TO if is_share else 0.0) if item.rounded_to is None else item.rounded_to
        value, slack = item.value, step / 2
    overlaps = item.overlaps or tables.overlaps
    limits = None if item.lower is None or item.upper is None else (item.lower, item.upper)
    role: Role = "fitted" if item.fitted else "overlaps" if overlaps else "held_out"
    key, differs = (item.endpoint, item.time_years), item.differs or tables.differs
    return ObservedFigure(
        key, value, limits, item.n, events, reading, slack, role, overlaps, differs, item.source
    )


def cohort_rows() -> list[dict[str, Any]]:
    """Return one row a shipped cohort: name, title, base, patients, figures."""
    return [
        {
            "name": cohort.name, "title": cohort.scenario.title, "base": cohort.base,
            "patients": cohort.scenario.cohort.patients, "figures": len(cohort.figures),
        }
        for cohort in load_cohorts(())
    ]  # fmt: skip
