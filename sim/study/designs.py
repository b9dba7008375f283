"""Designs: which values of a study's factors are looked at together, and the scenario under each of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.scenario.distributions import Floats
from sim.scenario.inherit import set_value
from sim.scenario.problems import RequestError
from sim.scenario.reading import read_text
from sim.scenario.refusals import cut_short, toml_text
from sim.scenario.registry import plain
from sim.scenario.schema import Scenario
from sim.scenario.study_answers import MOST_POINTS
from sim.scenario.study_file import Factor, StudyFile, factor_name
from sim.scenario.values import get_value, parameters
from sim.study.draws import Draws
from sim.study.posterior import derived_seed, sobol
from sim.study.sweep import as_counted, combinations, refuse_constants, under

Row = dict[str, Any]
"""The value of each factor, by name."""


@dataclass(frozen=True)
class Varied:
    """A factor of one scenario: what it is called, what it changes, and its value as things are."""

    factor: Factor
    name: str
    own: Any

    @classmethod
    def of(cls, factor: Factor, scenario: Scenario, number: int) -> Varied:
        """Look a factor up in a scenario.

        Raises
        ------
        RequestError
            A key is unknown, keys that move together differ, or the scenario's value is outside the range.
        """
        where, keys = f"[[factor]] number {number}", factor.every_key
        values = [plain(get_value(scenario, key)) for key in keys]
        own: Any = values[0]
        if factor.multiply:
            odd = next((key for key, each in zip(keys, values, strict=True) if not _is_number(each)), None)
            if odd is not None:
                raise RequestError(f"{where}: multiply = true: {odd} is no number in the base")
            wrong = next((value for value in factor.values or () if not _is_number(value)), None)
            if wrong is not None:
                raise RequestError(f"{where}: values: {toml_text(wrong)} is no number, as multiples are")
            own = 1.0
        elif any(each != own for each in values):
            told = ", ".join(f"{key} {toml_text(each)}" for key, each in zip(keys, values, strict=True))
            raise RequestError(
                f"{where}: the base has {told}: keys that move together share a value; "
                "write multiply = true for multiples of each one's own"
            )
        if factor.values is not None and any(isinstance(value, Mapping) for value in factor.values):
            read = [plain(get_value(under(scenario, {keys[0]: value}), keys[0])) for value in factor.values]
            factor = factor.model_copy(update={"values": read})
        found = cls(factor, factor_name(factor), own)
        if factor.low is not None and factor.high is not None:
            if not _is_number(own):
                mean = f"name {keys[0]}.mean, or " if isinstance(own, Mapping) and "mean" in own else ""
                raise RequestError(f"{where}: {keys[0]} is no number in the base; {mean}give values")
            if not factor.low <= own <= factor.high:
                raise RequestError(
                    f"{where}: {found.name} is {own:.6g} in the base, outside of {factor.low:g} to "
                    f"{factor.high:g}; widen the range, or list values"
                )
        elif factor.values is not None and not factor.multiply and len(keys) == 1:
            refuse_constants(keys[0], get_value(scenario, keys[0]), factor.values)
        return found

    @property
    def keys(self) -> list[str]:
        """What it changes."""
        return self.factor.every_key

    @property
    def levels(self) -> list[Any]:
        """Its values in a grid."""
        factor = self.factor
        if factor.values is not None:
            return list(as_counted(self.keys[0], factor.values))
        if factor.low is None or factor.high is None:
            raise RequestError(f"[[factor]] {self.name}: a grid needs values, or low and high")
        space = np.geomspace if factor.scale == "log" else np.linspace
        spaced = (float(f"{value:.12g}") for value in space(factor.low, factor.high, factor.points).tolist())
        return list(as_counted(self.keys[0], list(spaced)))

    def drawn(self, u: Floats) -> list[Any]:
        """Return its values where uniform ones would be `u`."""
        factor = self.factor
        if factor.values is not None:
            return [factor.values[int(each * len(factor.values))] for each in u.tolist()]
        parameter = parameters().get(self.keys[0])
        if not factor.multiply and parameter and parameter.numbers and parameter.numbers.whole:
            raise RequestError(
                f"[[factor]] {self.name}: counts {parameter.unit or 'things'}, and a hypercube draws "
                "fractions; list its values (values = [2, 3, 4]), of which one is drawn"
            )
        if factor.value is not None:
            return list(map(float, factor.value.quantile(u)))
        low, high = float(factor.low or 0.0), float(factor.high or 0.0)
        found = low * (high / low) ** u if factor.scale == "log" else low + (high - low) * u
        return list(map(float, found))

    def changes(self, scenario: Scenario, value: Any) -> Row:
        """Return what a value of it changes in a scenario, by key."""
        if not self.factor.multiply:
            return dict.fromkeys(self.keys, value)
        return {key: value * get_value(scenario, key) for key in self.keys}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def rows_of(
    study: StudyFile, factors: Sequence[Varied], seed: int, draws: Draws | None, file: Path | None
) -> tuple[list[Varied], list[Row]]:
    """Return the factors of a study and its rows, in order.

    Parameters
    ----------
    draws
        Of the posterior, of which a design of that kind has its rows.
    file
        Where a list is.

    Raises
    ------
    RequestError
        There are too many rows, or the design does not fit the factors.
    """
    design, names = study.design, [each.name for each in factors]
    if design.kind == "list" and file is not None:
        return _listed(file)
    if design.kind == "posterior" and draws is not None:
        return (
            [Varied(Factor(key=key, values=[0.0]), key, own) for key, own in _points(draws)],
            [dict(zip(draws.keys, row, strict=True)) for row in draws.values],
        )
    if not factors:
        return [], [{}]
    if design.kind == "one_at_a_time":
        own = {each.name: each.own for each in factors}
        each_alone = [own | {each.name: level} for each in factors for level in each.levels]
        return list(factors), _distinct([own, *each_alone])
    if design.points is not None:
        drawn = _uniforms(design.kind, len(factors), design.points, seed)
        columns = [each.drawn(u) for each, u in zip(factors, drawn.T, strict=True)]
        return list(factors), [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    found: list[Row] = []
    for part in design.union or [{}]:
        for name in part:
            if name not in names:
                raise RequestError(f'design.union: "{name}" is no factor; they are {", ".join(names)}')
        axes = {each.name: part.get(each.name, each.levels) for each in factors}
        if math.prod(map(len, axes.values())) > MOST_POINTS:
            raise RequestError(f"design: the grid has more than {MOST_POINTS:,} points; take fewer of each")
        found += combinations(axes)
    return list(factors), _distinct(found)


def _points(draws: Draws) -> Sequence[tuple[str, float]]:
    return list(zip(draws.keys, draws.point, strict=True))


def _uniforms(kind: str, dimensions: int, points: int, seed: int) -> Floats:
    """Return a hypercube or a scrambled Sobol sequence, strictly between 0 and 1."""
    own = derived_seed(seed, kind)
    if kind == "sobol":
        return sobol(dimensions, points, own)
    from scipy.stats import qmc  # most of a second, and most studies need none

    found: Floats = qmc.LatinHypercube(dimensions, rng=own).random(points)
    return np.clip(found, 1e-12, 1 - 1e-12)


def _distinct(rows: Sequence[Row]) -> list[Row]:
    return list({repr(row): row for row in rows}.values())


def _listed(file: Path) -> tuple[list[Varied], list[Row]]:
    """Read a list of points: a column a key, a row a point; a column of their numbers is passed over."""
    where = f"design.file: {file}"
    text = read_text(file, where, "a list is a CSV file in UTF-8 with a column for each key", 2**24)
    head, *lines = list(csv.reader(text.splitlines())) or [[]]
    keys = [name.strip() for name in head]
    if len({*keys}) < len(keys):
        raise RequestError(f"{where}: two columns have one name; each is a key of its own")
    if not keys or not lines or len(lines) > MOST_POINTS:
        raise RequestError(f"{where}: {len(lines)} rows under its head; allowed: 1 to {MOST_POINTS}")
    found = []
    for number, line in enumerate(lines, start=1):
        if len(line) != len(keys):
            raise RequestError(f"{where}: row {number} has {len(line)} cells, and the head {len(keys)}")
        found.append({key: set_value(cell.strip()) for key, cell in zip(keys, line, strict=True)})
        found[-1].pop("point", None)
    return [Varied(Factor(key=key, values=[0.0]), key, None) for key in keys if key != "point"], found


def scenario_at(scenario: Scenario, factors: Sequence[Varied], row: Row, number: int, arm: str) -> Scenario:
    """Return a scenario under the values of a row.

    Raises
    ------
    RequestError
        They can't go together; the message names the row.
    """
    changes: Row = {}
    for each in factors:
        changes |= each.changes(scenario, row[each.name])
    try:
        return under(scenario, changes)
    except RequestError as error:
        told = ", ".join(f"{name} = {cut_short(toml_text(value))}" for name, value in row.items())
        of = f" of arm {arm}" if arm else ""
        raise RequestError(f"row {number}{of} ({told}): {error}") from None


def levels_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each factor that rows have, each once, in order."""
    return {name: list({repr(row[name]): row[name] for row in rows}.values()) for name in names}
