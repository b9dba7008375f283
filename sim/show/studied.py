"""What is told of a study beside its points: its answers, what is varied and assumed, and how it was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sim.scenario.endpoints import BY_NAME, Key, key_of, label
from sim.scenario.registry import plain, unit_of
from sim.scenario.study_file import ARM, POINT, StudyFile, checked_study, factor_name
from sim.show import (
    capacities,
    chances,
    explained,
    powers,
    sensitivities,
    swings,
    thresholds,
    trial_worth,
    worth,
)
from sim.show.kit.formats import format_difference, rows, written
from sim.show.kit.grid import Column, Grid, numbers
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import in_sentence
from sim.show.swept import meaning, spot
from sim.study.pilot import RELIABLE
from sim.work.results import Results


class ToldAnswer(NamedTuple):
    """One answer: the name of its figure, what it says, its tables, those of a page alone, those above."""

    name: str
    sentences: list[str]
    grids: Sequence[Grid]
    folded: Sequence[Grid] = ()
    before: Sequence[Grid] = ()


def _of_threshold(results: Results) -> ToldAnswer:
    said = [thresholds.finding(results), *thresholds.sentences_of(results)]
    return ToldAnswer("threshold", said, [thresholds.table(results)])


def _of_tornado(results: Results) -> ToldAnswer:
    left = [swings.left_out(results)]
    return ToldAnswer("tornado", [swings.found_sentence(results)], [swings.table(results)], left)


def _of_capacity(results: Results) -> ToldAnswer:
    grids = [capacities.table(results), capacities.every(results)]
    return ToldAnswer("capacity", capacities.found_sentences(results), grids)


def explanation(results: Results) -> ToldAnswer:
    """Return what the gap between arms comes with, of a study or a comparison."""
    above = [explained.differences(results)]
    return ToldAnswer("explained", explained.found_sentences(results), explained.grids(results), before=above)


def _of_sensitivity(results: Results) -> ToldAnswer:
    said = [sensitivities.found_sentence(results), *sensitivities.more_sentences(results)]
    held = [sensitivities.held(results)]
    return ToldAnswer("sensitivity", said, [sensitivities.table(results)], held)


def _of_probability(results: Results) -> ToldAnswer:
    said = [*chances.found_sentences(results), *chances.given_sentences(results)]
    said += chances.scatter_sentences(results)
    return ToldAnswer("probability", said, [chances.table(results)])


def _of_value(results: Results) -> ToldAnswer:
    first, *more = worth.found_sentences(results)
    said = [first, *trial_worth.found_sentences(results), *more]
    return ToldAnswer("value_of_information", said, [worth.table(results)])


def _of_power(results: Results) -> ToldAnswer:
    return ToldAnswer("power", powers.found_sentences(results), [powers.table(results)])


_ANSWERS: Mapping[str, Callable[[Results], ToldAnswer]] = {
    "threshold": _of_threshold, "tornado": _of_tornado, "capacity": _of_capacity,
    "explain": explanation, "sensitivity": _of_sensitivity,
    "probability": _of_probability, "value_of_information": _of_value,
    "power": _of_power,
}  # fmt: skip
"""By the kind of the answer."""


def of(results: Results) -> StudyFile:
    """Return the study that was asked."""
    return checked_study(results.manifest["study"])


def answers(results: Results) -> list[ToldAnswer]:
    """Return what each answer of a study tells, in the order asked."""
    return [_ANSWERS[each.kind](results) for each in of(results).answer]


def how(results: Results) -> list[str]:
    """Say how a study was done, and which values are drawn as assumed."""
    manifest, study = results.manifest, of(results)
    return [
        *sentences("study", "how", manifest, manifest["exact"], manifest["simulated"]),
        *sentences("study", "assumed", study.uncertain),
    ]


def varied(results: Results) -> Grid:
    """Return what is varied: values, unit, the scenario's own, source, what it is."""
    own, study = results.manifest["reference"]["point"], of(results)
    sources = {factor_name(factor): factor.source for factor in study.factor}
    found = [
        (
            key, _few(values), unit_of(key), written(own[key]) if own.get(key) is not None else "",
            sources.get(key, ""), meaning(key).removeprefix(key).removeprefix(": "),
        )
        for key, values in results.manifest["vary"].items()
        if key != ARM
    ]  # fmt: skip
    heads = (
        Column("values"),
        Column("unit"),
        *numbers("the scenario's own"),
        Column("source"),
        Column("what it is"),
    )
    return Grid("What is varied", (Column("parameter", code=True), *heads), found)


def _few(values: Sequence[Any]) -> str:
    if len(values) > 12:
        return f"{len(values):,} values from {written(min(values))} to {written(max(values))}"
    return ", ".join(map(written, values))


def arms(results: Results) -> Grid:
    """Return the arms and what each of them is."""
    study = of(results)
    found = [
        (arm.name, arm.scenario or study.base, ", ".join(f"{k} = {written(v)}" for k, v in arm.set.items()))
        for arm in study.arm
    ]
    return Grid("Arms", (Column("arm"), Column("scenario", code=True), Column("changed")), found)


def all_at_once(results: Results, shown: Sequence[Key]) -> Grid:
    """Return every arm against the first, with intervals that hold for all arms at once; empty of two."""
    points, found = results.tables["points"], list[tuple[str, ...]]()
    if "all_lower" in points and list(results.manifest["vary"]) == [ARM]:
        wide = points.assign(difference_lower=points["all_lower"], difference_upper=points["all_upper"])
        for name in results.manifest["vary"][ARM][1:]:
            at = {row.key: row.difference_text for row in rows(wide[wide[ARM] == name])}
            found.append((name, *(at.get(key, "") for key in shown)))
    heads = (Column("arm"), *numbers(*map(label, shown)))
    return Grid("Every arm against the first, all at once", heads, found, sentences("study", "all_at_once"))


def uncertain(results: Results) -> Grid:
    """Return what is drawn beside a posterior."""
    found = [
        (each.key, written(plain(each.value)), each.arm or "all", each.source, meaning(each.key))
        for each in of(results).uncertain
    ]
    heads = (Column("drawn from"), Column("arm"), Column("source"), Column("what it is"))
    return Grid("Uncertain beside the posterior", (Column("parameter", code=True), *heads), found)


def assumed_values(results: Results) -> list[str]:
    """Return which of the varied parameters are assumptions in the scenario."""
    assumed = {row["key"] for row in results.manifest["parameters"] if row["status"] == "assumption"}
    keys = [key for factor in of(results).factor for key in factor.every_key]
    return [key for key in keys if any(key == each or key.startswith(f"{each}.") for each in assumed)]


def effort(found: Sequence[Mapping[str, Any]], planned: Mapping[str, Any]) -> list[str]:
    """Say what a pilot tells of the trials or draws that each change takes.

    Parameters
    ----------
    found, planned
        What `sim.commands.study_tools.check` says: its ``effort``, and all of it.
    """
    said = []
    for each in found:
        key, half, goal = key_of(each["endpoint"]), each["half_width"], each["goal"]
        unit = BY_NAME[key[0]].unit or "points"
        change, own, wanted = (
            f"{format_difference(BY_NAME[key[0]], value, error)} {unit}"
            for value, error in ((each["change"], half), (half, half / 10), (goal, goal / 10))
        )
        what = "trials" if each["draws"] is None else "draws"
        now = planned["draws" if what == "draws" else "replications"]
        more = (_about(each[name]) if (each[name] or 0) > now else "" for name in (what, "to_tell"))
        part = each["reliability"]
        said += sentences(
            "study", "effort", _capital(in_sentence(key)),
            spot({name: value for name, value in each["values"].items() if name != POINT}), change,
            own.removeprefix("+"), wanted.removeprefix("+"), what, f"{now:,}", *more,
            "" if part is None or part >= RELIABLE else f"{100 * part:.0f}", _about(each["reliable_trials"]),
        )  # fmt: skip
    return said


def _about(number: float | None) -> str:
    """Write a number of which a pilot tells two digits; nothing where it tells none."""
    return "" if number is None else f"{float(f'{number:.2g}'):,.0f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
