"""Sweeps: one scenario over a grid of values, every point under the same luck."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from sim.scenario.describe import value_text
from sim.scenario.distributions import Fixed, Floats
from sim.scenario.endpoints import BY_NAME, Key
from sim.scenario.inherit import set_value
from sim.scenario.problems import RequestError
from sim.scenario.refusals import toml_text
from sim.scenario.registry import plain
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, parameters, with_values
from sim.study.budget import Budget
from sim.study.compare import DIFFERENCE_COLUMNS, Setting, Side, against
from sim.study.experiment import Experiment, Pair
from sim.study.montecarlo import choose_simulator, simulate
from sim.study.records import addressed
from sim.study.strata import strata_table
from sim.study.tally import ArmTally, PairTally, Tally
from sim.work.store import ChunkStore
from sim.work.task import Tell

MAX_POINTS = 10_000
_ALLOWED = "key=low:high:points, key=log:low:high:points or key=a,b,c"
# Endpoints that tell who lives or dies.
_FATE = re.compile("mortality|died|survival")  # and no deaths by cause, which are parts of all deaths
# What is a part of, or all but the same as, what is shown where nothing was asked for.
_TOLD = ("transplant_related_mortality", "deaths_by_data_cut", "died_waiting", "slot_died_waiting")
# Points that are simulated beside one reference.
_TOGETHER = 8
# Of a share: no paired change is told that is smaller.
_NEGLIGIBLE = 0.0005


Vary: TypeAlias = Mapping[str, Sequence[Any]]
"""What is varied: the values of each key, in the order given."""
Point: TypeAlias = tuple[dict[str, Any], Scenario]
"""The values of what is varied, and the scenario under them."""


def vary_from(asked: Mapping[str, Any] | Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Read what is varied: values by key, or texts as after ``--vary``.

    Raises
    ------
    RequestError
        A text has none of the three forms, a range is empty or reversed, or a key or a value is named twice.
    """
    if not isinstance(asked, Mapping):
        read = [_parse(text) for text in ([asked] if isinstance(asked, str) else asked)]
        names = [key for key, _ in read]
        for name in names:
            if names.count(name) > 1:
                raise RequestError(f"--vary {name}: named twice; give its values in one --vary")
        return dict(read)
    return dict(_given(key, values) for key, values in asked.items())


def _given(key: str, values: Any) -> tuple[str, tuple[Any, ...]]:
    """Read the values of one key: several, or one text that describes them."""
    if isinstance(values, str):
        return _parse(f"{key}={values}")
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise RequestError(
            f"--vary {key}: {values!r} given; allowed: a list of values, or text as {_ALLOWED}"
        )
    return key, _distinct(tuple(plain(value) for value in values), key)


def _distinct(values: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    if not values:
        raise RequestError(f"--vary {text}: no value given; give one at least")
    if len({repr(value) for value in values}) < len(values):
        raise RequestError(f"--vary {text}: a value is given twice; name each once")
    return values


def _parse(text: str) -> tuple[str, tuple[Any, ...]]:
    """Read one ``--vary``."""
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not key or not values:
        raise RequestError(f"--vary {text}: allowed: {_ALLOWED}")
    if ":" not in values or "{" in values:
        read = (set_value(value.strip()) for value in _split(values))
        return key, _distinct(tuple(read), text)
    parts = values.split(":")
    logarithmic = parts[0].strip() == "log"
    low, high, points = _range(text, parts[1:] if logarithmic else parts)
    if logarithmic and low <= 0:
        raise RequestError(f"--vary {text}: a logarithmic range starts above 0, not at {low:g}")
    spaced: Floats = np.geomspace(low, high, points) if logarithmic else np.linspace(low, high, points)
    # Decimal steps as people write them: 0.3 and not 0.30000000000000004.
    return key, tuple(float(f"{value:.12g}") for value in spaced)


def _split(values: str) -> list[str]:
    """Split at commas that lie in no table and no list."""
    parts, depth = [""], 0
    for letter in values:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _range(text: str, parts: Sequence[str]) -> tuple[float, float, int]:
    try:
        low, high, points = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) != 3 or not math.isfinite(low) or not math.isfinite(high):
            raise ValueError
    except (ValueError, IndexError):
        raise RequestError(f"--vary {text}: allowed: {_ALLOWED}; points is a whole number") from None
    if low >= high:
        reason = "is empty" if low == high else "runs backwards"
        raise RequestError(
            f"--vary {text}: the range from {low:g} to {high:g} {reason}; give the lower end first, "
            f"or a single value as {text.partition('=')[0]}={low:g}"
        )
    if not 2 <= points <= MAX_POINTS:
        raise RequestError(f"--vary {text}: {points} points; allowed: 2 to {MAX_POINTS}")
    return low, high, points


def grid(scenario: Scenario, vary: Vary) -> list[Point]:
    """Return every point of the grid with its scenario, all checked before anything runs.

    A mean varied without its SD takes the SD with it: the coefficient of variation is held.

    Raises
    ------
    RequestError
        A key is unknown, a value is not allowed, or the grid is empty or too large.
    """
    if not vary:
        raise RequestError(f"--vary: nothing to vary; give at least one, as {_ALLOWED}")
    if math.prod(map(len, vary.values())) > MAX_POINTS:
        raise RequestError(f"--vary: the grid has more than {MAX_POINTS} points; take fewer on each key")
    points = combinations({key: as_counted(key, values) for key, values in vary.items()})
    try:
        for name, values in vary.items():  # an unknown key is refused before its values are looked at
            refuse_constants(name, get_value(scenario, name), values)
        return [(point, under(scenario, point)) for point in points]
    except RequestError as error:
        family = next((key for key in vary if key.endswith(".dist")), None)
        if family and " is missing" in str(error) and " must be " not in str(error):
            table = family.removesuffix(".dist")
            raise RequestError(
                f"--vary {family}: another family has other values, and none of this one is taken over; "
                f'vary the whole of {table}, as in --vary \'{table}={{dist="...", ...}},{{dist="...", ...}}\''
            ) from None
        raise RequestError(f"--vary {error}") from None


def combinations(over: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of some keys' values, the last key's moving fastest; of no keys one."""
    return [dict(zip(over, values, strict=True)) for values in itertools.product(*over.values())]


def under(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """Return a scenario with other values; a mean that is changed without its SD takes the SD with it."""
    return with_values(scenario, {**values, **_spread(scenario, values)})


def refuse_constants(key: str, own: Any, values: Sequence[Any]) -> None:
    """Refuse bare numbers where the scenario has a distribution: as in a file, each would be a constant."""
    parameter, number = parameters().get(key), next((v for v in values if isinstance(v, int | float)), None)
    if parameter is None or not parameter.distribution or isinstance(own, Fixed) or number is None:
        return
    member = next((name for name in ("mean", "median", "scale") if getattr(own, name, None)), "mean")
    raise RequestError(
        f"{key}={value_text(number)}: it is {value_text(plain(own))}, and a number alone makes a constant of "
        f"it; vary {key}.{member}, or say that constants are meant: '{key}={{dist=\"fixed\",value={number}}}'"
    )


def _spread(scenario: Scenario, point: Mapping[str, Any]) -> dict[str, float]:
    """Return the SDs that go with means that are varied without them."""
    return {
        sd: get_value(scenario, sd) * point[mean] / get_value(scenario, mean)
        for sd, mean in spread_keys(scenario, point).items()
        if isinstance(point[mean], int | float)
    }


def spread_keys(scenario: Scenario, keys: Iterable[str]) -> dict[str, str]:
    """Return the SDs of distributions of which only the means are varied, with the keys of the means."""
    stems = {key.removesuffix(".mean") for key in keys if key.endswith(".mean")}
    moving = [stem for stem in stems if getattr(get_value(scenario, stem), "sd", None)]
    return {f"{stem}.sd": f"{stem}.mean" for stem in sorted(moving) if f"{stem}.sd" not in keys}


def as_counted(key: str, values: Sequence[Any]) -> Sequence[Any]:
    """Read 3.0 as 3 where the key counts things, because a range gives numbers with a point."""
    parameter = parameters().get(key)
    if parameter is None or parameter.numbers is None or not parameter.numbers.whole:
        return values
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]


def range_points(scenario: Scenario) -> list[Point]:
    """Return each value of the scenario's range with the scenario under it; of several, all combinations.

    Empty without a range.
    """
    vary = {shown.key: shown.values for shown in scenario.range}
    try:
        return beside(scenario, grid(scenario, vary), add=False) if vary else []
    except RequestError as error:
        raise RequestError(f"[[range]] {str(error).removeprefix('--vary ')}") from None


def beside(scenario: Scenario, points: Sequence[Point], *, add: bool = True) -> list[Point]:
    """Put the scenario itself for the point that has its values; where none has, in front, if `add`."""
    own = {key: plain(get_value(scenario, key)) for key in points[0][0]}
    same = [all(plain(get_value(each, key)) == value for key, value in own.items()) for _, each in points]
    if not any(same):
        return [(own, scenario), *points] if add else list(points)
    return [(point, scenario if is_it else each) for (point, each), is_it in zip(points, same, strict=True)]


class Spot(NamedTuple):
    """One thing to be measured, and from what its differences are taken.

    Attributes
    ----------
    values
        The first columns of its rows.
    side, reference
        The scenario under these values, and the other; where both are one object, it is the reference.
    """

    values: Mapping[str, Any]
    side: Side
    reference: Side

    @property
    def is_reference(self) -> bool:
        """Whether differences are taken from it."""
        return self.side.scenario is self.reference.scenario


def measure_points(
    points: Sequence[Point],
    reference: Scenario,
    budget: Budget,
    progress: Tell | None = None,
    store: ChunkStore | None = None,
    held: Sequence[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate endpoints and survival curves at some points, all under the same luck; see `measure`.

    Parameters
    ----------
    reference
        From which differences are taken. It is a point if it is the scenario of one.
    held
        Parameters that draws of a posterior must not replace; those of the points are held anyway.
    """
    asked = (*held, *points[0][0])
    other = Side(reference, asked)
    return measure(
        [Spot(point, other if changed is reference else Side(changed, asked), other)
         for point, changed in points], budget, progress, store,
    )[:2]  # fmt: skip


def measure(
    spots: Sequence[Spot], budget: Budget, progress: Tell | None = None, store: ChunkStore | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, list[Floats], pd.DataFrame]:
    """Estimate endpoints and survival curves at some spots, all under the same luck.

    Returns
    -------
    points, curves : pandas.DataFrame
        The spots' values, ``reference`` (whether it is one), then the columns of ``endpoints.csv`` with
        those of the paired difference; and the values with the columns of ``curves.csv``.
    sums : list of array, shape (draws, keys, 6)
        For each spot the sums of every endpoint; see `sim.study.estimates.MOMENTS`.
    strata : pandas.DataFrame
        As `points`, of everybody and of each stratum; empty where none is asked for.
    """
    simulator, _ = choose_simulator([each.side.scenario for each in spots], budget)
    batches = _batches(spots, 1 if budget.precision is not None else _TOGETHER)
    experiments = [
        Experiment(
            (batch[0].reference.scenario, *(each.side.scenario for each in others)),
            budget.seed,
            simulator,
            tuple(Pair(0, 1 + at, paired=True, fates=False) for at in range(len(others))),
            held=(batch[0].reference.held, *(each.side.held for each in others)),
            strata=budget.by,
        )
        for batch, others in batches
    ]
    measured: dict[int, tuple[pd.DataFrame, pd.DataFrame, Floats, pd.DataFrame]] = {}
    longest: dict[int, Tally] = {}
    tallies = simulate(experiments, budget, progress=progress, store=store)
    for (batch, others), tally in zip(batches, tallies, strict=True):
        of = id(batch[0].reference.scenario)
        if of not in longest or tally.replications > longest[of].replications:
            longest[of] = tally
        for each, arm, two in zip(others, tally.arms[1:], tally.pairs, strict=True):
            measured[id(each)] = _tables(each, arm, two, tally, budget)
    for each in spots:
        if each.is_reference:
            tally = longest[id(each.reference.scenario)]
            measured[id(each)] = _tables(each, tally.arms[0], None, tally, budget)
    points, curves, sums, strata = zip(*(measured[id(each)] for each in spots), strict=True)
    whole = [pd.concat(each, ignore_index=True) for each in (points, curves, strata)]
    return whole[0], whole[1], list(sums), whole[2]


def _batches(spots: Sequence[Spot], most: int) -> list[tuple[list[Spot], list[Spot]]]:
    """Cut spots into batches of one reference each, with those of a batch that are not the reference.

    A precision is reached spot by spot; else the reference is simulated once for several.
    """
    found: list[tuple[list[Spot], list[Spot]]] = []
    for _, same in itertools.groupby(spots, lambda each: id(each.reference.scenario)):
        group = list(same)
        others = [each for each in group if not each.is_reference]
        found += [(group, others[at : at + most]) for at in range(0, len(others), most)] or [(group, [])]
    return found


def _undiffering(reference: ArmTally) -> pd.DataFrame:
    """Return the table of the reference, from which it differs by nothing."""
    table = reference.endpoints()
    nothing = dict.fromkeys(DIFFERENCE_COLUMNS, 0.0 * table["estimate"])
    return table.assign(**{**nothing, DIFFERENCE_COLUMNS[-1]: math.nan})


def _tables(
    spot: Spot, arm: ArmTally, two: PairTally | None, tally: Tally, budget: Budget
) -> tuple[pd.DataFrame, pd.DataFrame, Floats, pd.DataFrame]:
    """Return a spot's tables of endpoints and curves, its sums, and its strata; its values stand in front."""
    setting = Setting("", spot.reference, spot.side)

    def table(of: ArmTally, pair: PairTally | None) -> pd.DataFrame:
        found = _undiffering(of) if pair is None else against(of, pair, setting)
        return found if budget.precision is None else found.assign(replications=tally.replications)

    values = columns_of(spot.values)
    address = {**values, "reference": spot.is_reference}
    return (
        addressed(table(arm, two), **address), addressed(arm.curves(), **values), arm.sums,
        addressed(strata_table(arm, table, two), **address),
    )  # fmt: skip


def columns_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they stand in a table: of what is no number or word, the TOML text."""
    return {
        key: toml_text(value) if isinstance(value, (Mapping, list, tuple)) else value
        for key, value in values.items()
    }


def moves_most(points: pd.DataFrame, shown: Sequence[Key]) -> Key | None:
    """Return which endpoint, of those that are not shown, changes most; None where none does.

    Of what is read at several times the last one counts. Changes are measured in half widths of their paired
    intervals. Who of the enrolled lives or dies comes before averages, and before figures of those who have
    lived to have them.
    """
    half = (points["difference_upper"] - points["difference_lower"]) / 2
    # The exact twin has no error; beside a twentieth of a point any other figure's is as good as none.
    moved = points.assign(size=points["difference"].abs() / half.clip(lower=_NEGLIGIBLE))
    names = [*_TOLD, *(name for name, _ in shown)]
    at_end = moved["time_years"].isna() | (moved["time_years"] == moved["time_years"].max())
    moved = moved[at_end & (moved["size"] > 1) & ~moved["endpoint"].isin(names)]
    kinds = [BY_NAME[name] for name in moved["endpoint"]]
    fates = [
        each.kind == "share" and each.denominator == "enrolled" and _FATE.search(each.name) is not None
        for each in kinds
    ]
    moved = moved.assign(fates=fates).sort_values(["fates", "size"], ascending=False, kind="stable")
    for found in moved.itertuples():
        return found.endpoint, None if math.isnan(found.time_years) else found.time_years
    return None
