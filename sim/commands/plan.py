"""What a study file, or a sweep, comes to: spots to be measured, what is shown of them, and how much work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sim.commands.asked import Effort, about, effort_of, facts_of, loaded_from, parse_endpoint, refuse_percent
from sim.patient.fates import mean_patients
from sim.scenario.endpoints import Key, column
from sim.scenario.load import Loaded, cautioned
from sim.scenario.problems import RequestError
from sim.scenario.refusals import sentence
from sim.scenario.registry import plain
from sim.scenario.schema import Scenario
from sim.scenario.study_file import ARM, POINT, LoadedStudy, StudyArm, StudyFile
from sim.scenario.values import get_value, with_values
from sim.show.kit.scenario_words import headlines
from sim.study.budget import DEFAULT_DRAW_REPLICATIONS, DEFAULT_DRAWS, Budget
from sim.study.compare import Side, incomparable, solved_otherwise
from sim.study.designs import Row, Varied, levels_of, rows_of, scenario_at
from sim.study.draws import Draws, with_uncertain
from sim.study.exact import twin_holds
from sim.study.sweep import Spot


@dataclass(frozen=True)
class StudyPlan:
    """A study as it will be done.

    Attributes
    ----------
    study
        What was asked.
    arms
        The scenarios: by name, the reference first; of a study without arms one, without a name.
    spots
        What is measured.
    own
        The values of the point from which differences are taken; of arms, of the first arm.
    shown
        The endpoints that figures and tables show first.
    contours
        Levels of lines on maps, by endpoint.
    keys
        The parameters that are varied.
    posterior
        The file that draws are of, from here; empty without.
    recompute
        Whether one point is done again, alone.
    where
        How messages call its file.
    """

    study: StudyFile
    name: str
    arms: Mapping[str, Loaded]
    spots: Sequence[Spot] = field(repr=False)
    own: Row
    shown: Sequence[Key]
    contours: Mapping[str, Sequence[float]]
    budget: Budget
    keys: Sequence[str]
    posterior: str = ""
    recompute: bool = False
    where: str = ""

    @property
    def loaded(self) -> Loaded:
        """The scenario that it is about; of arms the first."""
        return next(iter(self.arms.values()))

    @cached_property
    def rows(self) -> Sequence[Row]:
        """What is varied: the first columns of tables, one a spot."""
        return [{name: value for name, value in each.values.items() if name != POINT} for each in self.spots]

    @property
    def varied(self) -> dict[str, list[Any]]:
        """The values of what is varied, each once; what the reference alone has beside a grid is none."""
        names = list(self.rows[0])
        both = zip(self.rows, self.spots, strict=True)
        grid = [row for row, spot in both if not spot.is_reference or len(names) < 2 or ARM in row]
        return levels_of(grid or self.rows, names)

    @property
    def no_queue(self) -> bool:
        """Whether the exact twin holds at every spot."""
        sides = (side for each in self.spots for side in (each.side, each.reference))
        return all(twin_holds(side.scenario) for side in sides)

    @property
    def by_twin(self) -> bool:
        """Whether the exact twin tells what it knows."""
        return self.study.effort.engine in ("auto", "exact") and self.no_queue

    @property
    def draws(self) -> int:
        """How many draws there are; 0 without."""
        return 0 if self.budget.draws is None else len(self.budget.draws.values)

    @property
    def patients(self) -> int:
        """How many patients a trial has on average."""
        return round(mean_patients(self.loaded.scenario))

    @property
    def histories(self) -> int:
        """How many histories its points simulate: none where the twin tells."""
        return 0 if self.by_twin else len(self.spots) * self.budget.total * self.patients

    @cached_property
    def apart(self) -> list[str]:
        """Why not every spot is an alternative to its reference, each reason once."""
        found = (
            reason
            for each in self.spots
            for reason in incomparable(each.reference.scenario, each.side.scenario, each.side.solved)
        )
        return list(dict.fromkeys(found))

    @property
    def asked(self) -> dict[str, Any]:
        """What decides about the results beside the scenarios and the budget, as a manifest tells it."""
        return {
            "vary": self.varied,
            "keys": list(self.keys),
            "shown": [*map(column, self.shown)],
            "reference": {"which": self.study.measure.reference, "point": self.own},
            "contours": {name: list(levels) for name, levels in self.contours.items()},
            "study_engine": self.study.effort.engine,
        }

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of the scenarios and of the budget."""
        several = [{"arm": name, **about(each)} for name, each in self.arms.items()]
        return {
            **facts_of(self.budget, self.budget.total, self.loaded, self.keys),
            **self.asked,
            **about(self.loaded),
            "arms": several if len(several) > 1 else [],
        }


def plan_of(asked: LoadedStudy, how: Effort) -> StudyPlan:
    """Return what a study file comes to, everything checked before anything runs.

    Parameters
    ----------
    how
        Who works.

    Raises
    ------
    RequestError
        Something in the file is wrong; the message names it.
    """
    try:
        return _plan_of(asked, how)
    except RequestError as error:
        raise RequestError(sentence(asked.where, _in_file(str(error)))) from None


def _in_file(text: str) -> str:
    """Put names of a study file in the place of options."""
    for option, key in (
        ("--endpoint ", "measure.endpoints: "), ("--by", "measure.by"), ("--posterior", "effort.posterior"),
        ("--replications", "effort.replications"), ("--precision", "effort.precision"),
        ("--draws", "effort.draws"), ("--at-most", "effort.at_most"), ("--seed", "effort.seed"),
        ("--engine", "effort.engine"), ("--set", "set"),
    ):  # fmt: skip
        text = text.replace(option, key)
    return text


def _plan_of(asked: LoadedStudy, how: Effort) -> StudyPlan:
    study, effort = asked.study, asked.study.effort
    if study.arm:
        arms = {arm.name: _arm_of(asked, arm) for arm in study.arm}
    else:
        arms = {"": loaded_from(asked.path(study.base), study.set)}
    first = next(iter(arms.values()))
    budget = budget_for(study, asked, first.scenario, how)
    factors = [
        Varied.of(factor, first.scenario, number) for number, factor in enumerate(study.factor, start=1)
    ]
    file = asked.folder / study.design.file if study.design.file else None
    factors, rows = rows_of(study, factors, effort.seed, budget.draws, file)
    if study.design.kind == "grid" and factors:
        rows = _with_own(rows, {each.name: each.own for each in factors})
    if len(rows) * len(arms) == 1 and not study.answer:
        raise RequestError(
            "there is one point, and nothing to compare it with: state an [[arm]], a [[factor]] of two "
            "values or more, or an [[answer]]"
        )
    keys = [key for each in factors for key in each.keys]
    touched = [*keys, *(key for arm in study.arm for key in arm.set)]
    first = cautioned(first, touched)
    arms = {name: cautioned(each, touched) for name, each in arms.items()}
    shown = [parse_endpoint(text, first.scenario) for text in study.measure.endpoints]
    return StudyPlan(
        study, asked.name, arms,
        spots_of(arms, factors, rows, study, budget),
        {**({ARM: next(iter(arms))} if len(arms) > 1 else {}), **{each.name: each.own for each in factors}},
        shown or headlines(first.scenario), _contours(study, first.scenario), budget, keys,
        asked.posterior, recompute=True,
        where=asked.where,
    )  # fmt: skip


def _arm_of(asked: LoadedStudy, arm: StudyArm) -> Loaded:
    """Return the scenario of an arm."""
    try:
        return loaded_from(asked.path(arm.scenario or asked.study.base), {**asked.study.set, **arm.set})
    except RequestError as error:
        raise RequestError(f"[[arm]] {arm.name}: {error}") from None


def _with_own(rows: list[Row], own: Row) -> list[Row]:
    """Put the scenario's own values in front, if no row has them."""
    return rows if any(row == own for row in rows) else [own, *rows]


def _contours(study: StudyFile, scenario: Scenario) -> dict[str, Sequence[float]]:
    """Return the levels of contours by endpoint, each at the time at which it is read."""
    levels = study.measure.contours.items()
    try:
        found = {parse_endpoint(name, scenario): each for name, each in levels}
    except RequestError as error:
        raise RequestError(str(error).replace("--endpoint ", "measure.contours: ")) from None
    for key, each in found.items():
        refuse_percent(key, each, f"measure.contours.{column(key)}")
    return {column(key): each for key, each in found.items()}


def budget_for(study: StudyFile, asked: LoadedStudy, scenario: Scenario, how: Effort) -> Budget:
    """Return how much of a study is computed."""
    effort = study.effort
    engine = (
        "auto" if effort.engine == "exact" else "arrays" if effort.engine == "simulated" else effort.engine
    )
    more: dict[str, Any] = {
        "replications": effort.replications, "precision": effort.precision, "at_most": effort.at_most,
        "seed": effort.seed, "engine": engine,
        "posterior": asked.posterior or None,
        "draws": effort.draws if effort.posterior else None,
        "endpoint": study.measure.endpoints if effort.precision is not None else (),
        "by": study.measure.by,
    }  # fmt: skip
    budget = effort_of({**how, **more}, scenario)  # type: ignore[typeddict-item]
    if not study.uncertain:
        return budget
    for each in study.uncertain:
        if not isinstance(get_value(scenario, each.key), int | float):
            raise RequestError(
                f"[[uncertain]] {each.key}: is no number in this scenario, and a draw of it would be one; "
                f"name one, such as {each.key}.mean"
            )
    unknown_values = {each.key: each.value for each in study.uncertain}
    draws = with_uncertain(budget.draws, unknown_values, effort.draws or DEFAULT_DRAWS, effort.seed)
    _refuse_undrawable(draws, scenario)
    return replace(budget, draws=draws, replications=effort.replications or DEFAULT_DRAW_REPLICATIONS)


def _refuse_undrawable(draws: Draws, scenario: Scenario) -> None:
    """Refuse what is uncertain beyond what its parameter may be, before anything runs."""
    for key in draws.uncertain:
        drawn = [row[draws.keys.index(key)] for row in draws.values]
        for end in (min(drawn), max(drawn)):
            try:
                with_values(scenario, {key: end})
            except RequestError as error:
                text = f"{str(error).rstrip('.')}. Cut its distribution off with low and high"
                raise RequestError(f"[[uncertain]] draws {text}") from None


def spots_of(
    arms: Mapping[str, Loaded], factors: Sequence[Varied], rows: Sequence[Row], study: StudyFile,
    budget: Budget,
) -> list[Spot]:  # fmt: skip
    """Return every row in every arm: beside the first arm, or beside the scenario as it is."""
    keys = [key for each in factors for key in each.keys]
    several = len(arms) > 1
    first = next(iter(arms.values()))
    spots: list[Spot] = []

    def side(name: str, loaded: Loaded, scenario: Scenario) -> Side:
        elsewhere = [each.key for each in study.uncertain if each.arm and each.arm != name]
        held = (*budget.held_in(loaded), *keys, *elsewhere)
        return Side(scenario, held, () if loaded is first else solved_otherwise(first, loaded))

    alone = side("", first, first.scenario)
    for number, row in enumerate(rows, start=1):
        reference = alone
        for name, loaded in arms.items():
            is_own = all(each.own == row[each.name] for each in factors)
            scenario = loaded.scenario if is_own else scenario_at(loaded.scenario, factors, row, number, name)
            own = side(name, loaded, scenario)
            from_first = study.measure.reference == "first" and not spots
            if (several and loaded is first) or from_first:
                reference = own
            values = {POINT: len(spots) + 1, **({ARM: name} if several else {}), **row}
            spots.append(Spot(values, reference if own.scenario is reference.scenario else own, reference))
    _refuse_unlike(arms)
    return spots


def _refuse_unlike(arms: Mapping[str, Loaded]) -> None:
    """Refuse arms that have no patient in common: a fixed cohort and an open clinic, or other times."""
    (first, one), *others = arms.items()
    for name, other in others:
        for key in ("arrivals.pattern", "follow_up.horizon_years"):
            values = [plain(get_value(each.scenario, key)) for each in (one, other)]
            if values[0] != values[1]:
                raise RequestError(
                    f"[[arm]] {name} can't be compared with {first}: {key} is {values[1]} there and "
                    f"{values[0]} here; write the same into both (set)"
                )
