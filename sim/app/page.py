"""The page and the fragments that follow it, from templates: the same answer gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import jinja2
import numpy as np

from sim.app import drawn
from sim.app.answer import AnswerShown, SideShown
from sim.app.controls import Controls, Preset
from sim.app.question import DECIMALS, MOST_TRIALS, TRIAL, Question
from sim.scenario.schema import DAYS_PER_YEAR
from sim.show.kit.formats import in_years, with_unit
from sim.show.kit.prose import declared, environment

Side: TypeAlias = tuple[str, str, SideShown]
"""A side: as the style sheet calls it, as people do, and what becomes of it."""
COUNTED = ("rooms_in_use", "room_queue", "slots_in_use", "slot_queue")
"""What is counted in a clinic, as it is shown."""
AS_IT_IS, CHANGED = "As it is", "Changed"
_HEADLINE = 4
"""Rows of the table that everybody sees, and a print has."""


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """A line of the list of what is changed; `without` is the address of the question without it."""

    key: str
    label: str
    before: str
    now: str
    without: str


def page_html(
    question: Question, controls: Controls, answer: AnswerShown, token: str, presets: Sequence[Preset] = ()
) -> str:
    """Return the whole page."""
    return _filled(
        "app.html", **_of_question(question, answer), **_of_answer(question, answer),
        controls=controls, presets=presets, token=token, glossary=declared("glossary"),
        kept=[pair for pair in parse_qsl(question.address) if pair[0] in (TRIAL, DECIMALS)],
        title=question.base.scenario.title,
    )  # fmt: skip


def answer_html(question: Question, answer: AnswerShown) -> str:
    """Return what a moved control changes of the page: the list of changes, and the answer."""
    facts = {**_of_question(question, answer), **_of_answer(question, answer)}
    return _filled("app_changed.html", **facts) + _filled("app_answer.html", **facts)


def posterior_html(question: Question, answer: AnswerShown) -> str:
    """Return the fragment that follows when the hand rests: the same answer with the posterior's 95%."""
    return answer_html(question, answer)


def refused_html(message: str, *, whole: bool = False) -> str:
    """Return a refusal: as the answer's place shows it, or as a page of its own."""
    return _filled("app_refused.html", message=message, whole=whole)


@cache
def static_files() -> dict[str, str]:
    """Return the page's own files by their names; the style sheet is the reports', and the app's after it."""
    folder = resources.files("sim.app") / "static"
    own = {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.is_file()}
    sheet = environment(html=False).get_template("page.css").render(classes="")
    return {**own, "app.css": sheet + own["app.css"]}


@cache
def _filling() -> jinja2.Environment:
    """Return the reports' own templates with two more filters; once, for each compiles its templates anew."""
    made = environment(html=True).overlay()
    made.filters = {**made.filters, "in_years": in_years, "with_unit": with_unit}
    return made


def _filled(template: str, **facts: Any) -> str:
    return _filling().get_template(template).render(facts)


def _of_question(question: Question, answer: AnswerShown) -> dict[str, Any]:
    """Return what the list of changes says."""
    told = zip(question.values, answer.changes, strict=True)
    return {
        "question": question,
        "changes": [ChangeShown(key, *texts, _without(question, key)) for key, texts in told],
        "reset_all": replace(question, values={}).address,
    }


def _without(question: Question, key: str) -> str:
    others = {name: value for name, value in question.values.items() if name != key}
    return replace(question, values=others).address


def _of_answer(question: Question, answer: AnswerShown) -> dict[str, Any]:
    """Return what the five views say."""
    sides = [("base", AS_IT_IS, answer.base)]
    if answer.changed is not answer.base:
        sides.append(("changed", CHANGED, answer.changed))
    span = drawn.lanes_end(answer)
    return {
        "answer": answer,
        "finding": finding(answer, decimals=question.decimals),
        "arrays": [(which, name, drawn.icons(side, answer.base, answer.per)) for which, name, side in sides],
        "columns": drawn.columns(answer.per),
        "survival": _survival(sides, answer, 1 if question.decimals else 0),
        "occupancy": [*_occupancy(sides, answer)],
        "headline": _HEADLINE,
        "lanes": drawn.lanes(answer),
        "lanes_end": span,
        "lane_marks": [(f"{year:g}", 100 * year / span) for year in drawn.ticks(span)],
        "kinds": drawn.kinds(answer),
        "other_decimals": replace(question, decimals=not question.decimals).address,
        "another": replace(question, trial=question.trial % MOST_TRIALS + 1).address,
    }


def _survival(sides: Sequence[Side], answer: AnswerShown, digits: int) -> drawn.Chart:
    lines = []
    for which, name, side in sides:
        years, *limits = answer.more.get("band", {}).get(which, (side.years,))
        alive = np.interp(years, side.years, side.alive)
        last = 100 * float(np.interp(answer.years, years, alive))
        band = (limits[0], limits[1]) if limits else None
        lines.append(drawn.Plotted(which, years, alive, band, name, f"{last:.{digits}f}%"))
    return drawn.chart(lines, answer.years, 1.0, share=True)


def _occupancy(sides: Sequence[Side], answer: AnswerShown) -> Iterator[tuple[str, float, drawn.Chart]]:
    """Yield what is counted in a clinic, over how many years, and its chart; not what is never there."""
    series: dict[str, list[drawn.Plotted]] = {}
    for (which, name, _), told in zip(sides, answer.more.get("clinics", ()), strict=False):
        for each in told:
            line = drawn.Plotted(
                which, each.days / DAYS_PER_YEAR, each.mean, (each.low, each.high), name,
                f"{each.mean[-1]:.1f}" + (f" of {each.places}" if each.places else ""),
            )  # fmt: skip
            series.setdefault(each.what, []).append(line)
    for what in filter(series.get, COUNTED):
        lines = series[what]
        top = max(float(np.max(line.limits[1])) for line in lines if line.limits)
        end = max(float(line.years[-1]) for line in lines)
        if top > 0:
            yield what, end, drawn.chart(lines, end, drawn.round_top(top), share=False)


def finding(answer: AnswerShown, *, decimals: bool = False) -> str:
    """Say what becomes of everybody in one sentence: how many are alive, as it is and as it is changed."""
    template = environment(html=False).get_template("app_words.txt")
    scale = answer.per
    before, now = (
        f"{scale * drawn.alive(side.shares):,.1f}" if decimals else f"{drawn.alive(side.counts):,.0f}"
        for side in (answer.base, answer.changed)
    )
    facts = {"before": before, "now": now, "of": f"{scale:,}", "when": in_years(answer.years)}
    is_changed = answer.changed is not answer.base
    return str(template.render(facts, is_changed=is_changed, apart=answer.apart)).strip()
