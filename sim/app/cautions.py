"""What an answer rests on: assumptions that are touched, where it extrapolates, what can't be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sim.app.controls import label_of
from sim.app.question import Question
from sim.scenario.cautions import doubts
from sim.scenario.changes import in_words
from sim.scenario.describe import source_and_status
from sim.scenario.load import Loaded, load
from sim.scenario.problems import RequestError
from sim.scenario.registry import parameters, plain, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value
from sim.show.kit.formats import with_unit, written
from sim.show.kit.prose import sentences
from sim.study.tornado import stated_range

_NONE = "none"


def changes_of(question: Question) -> list[tuple[str, str, str]]:
    """Return what is changed, each with the base's value and the new one, with units."""
    return [
        (label_of(key), _text(question.base.scenario, key), _text(question.changed.scenario, key))
        for key in question.values
    ]


def _text(scenario: Scenario, key: str) -> str:
    try:
        value = plain(get_value(scenario, key))
    except RequestError:
        return _NONE
    if isinstance(value, Mapping) and value.get("dist") == "fixed":
        value = value["value"]
    return with_unit(written(value), "" if isinstance(value, str) else unit_of(key))


def cautions_of(
    question: Question, apart: Sequence[str], unpaired: Sequence[str], too_many: int
) -> list[str]:
    """Return what is to be known before the answer is acted on.

    Parameters
    ----------
    apart
        Why the two sides are no treatment and alternative.
    unpaired
        Why their patients are not the same.
    too_many
        Patients of a trial that is too large to name them; else 0.
    """
    scenario = question.changed.scenario
    said = [scenario.caution, *(f"{text}." for _, text in doubts(scenario))]
    if {"home"} == {scenario.cohort.enters_at} - {question.base.scenario.cohort.enters_at}:
        said.append(_at_home())
    touched = list(_touched(question.base, question.values))
    outside = list(_outside(scenario, question.values))
    facts: tuple[Any, ...] = (touched, outside, apart, unpaired, too_many, [each for each in said if each])
    return sentences("app", "cautions", *facts)


@cache
def _at_home() -> str:
    """Return what is to be known of patients who are never transplanted."""
    return load("no_transplant").scenario.caution


def _touched(base: Loaded, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in dict.fromkeys(key if key in parameters() else key.rpartition(".")[0] for key in values):
        if key in base.origins:
            source, status = source_and_status(base, key)
            yield in_words(key), status, source.removeprefix("assumption").strip(" :()")


def _outside(scenario: Scenario, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    priors = {prior.key: prior for prior in scenario.prior}
    for key in parameters().keys() & values.keys():
        stated, value = stated_range(key, None, priors), get_value(scenario, key)
        if stated is not None and isinstance(value, int | float) and not stated.low <= value <= stated.high:
            ends = written(stated.low), with_unit(written(stated.high), unit_of(key))
            yield in_words(key), written(value), *ends, stated.source
