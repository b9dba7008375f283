"""Figures that can't all be true of the same patients, whatever their source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from sim.scenario.endpoints import BY_NAME, label

ROUNDED_TO = 0.01
"""Step to which a share is taken to be printed: whole per cents."""

_ROUNDING = 1e-9

# What is one is the other too.
_PART_OF = {
    "disease_free_survival": "overall_survival",
    "disease_free_survival_enrolled": "overall_survival_enrolled",
    "transplant_related_mortality": "treatment_related_mortality",
}
# Of the same patients at the same time nobody is two of these.
_APART = (
    ("disease_free_survival", "relapse_incidence", "no_response", "death_without_relapse"),
    ("overall_survival", "death_without_relapse"),
    ("overall_survival_enrolled", *(name for name in BY_NAME if name.startswith("death_by_cause_"))),
    ("pre_transplant_mortality", "transplant_related_mortality", "harvest_failure"),
)


class _Row(NamedTuple):
    text: str
    name: str
    time: float
    value: float
    slack: float

    @property
    def rises(self) -> bool:
        return BY_NAME[self.name].trial == "incidence"


def contradictions(kind: str, items: Sequence[Any]) -> Iterator[str]:
    """Yield which targets, or observed figures, contradict each other by more than rounding.

    Parameters
    ----------
    kind
        What a file calls them.
    items
        With ``endpoint``, ``time_years``, ``value`` and perhaps ``rounded_to``; those of an unknown endpoint,
        or without the time that theirs needs, are passed over.
    """
    rows = []
    for number, item in enumerate(items, start=1):
        name, time, step = item.endpoint, item.time_years, getattr(item, "rounded_to", None)
        if name in BY_NAME and BY_NAME[name].timed == (time is not None):
            text = f"[[{kind}]] number {number}, {label((name, time))} {item.value:g}"
            rows.append(_Row(text, name, time or 0.0, item.value, (ROUNDED_TO if step is None else step) / 2))
    for one, other in permutations(rows, 2):
        same = one.name == other.name and (one.rises or BY_NAME[one.name].trial == "kaplan_meier")
        if one.time <= other.time and (same or _PART_OF.get(other.name) == one.name):
            less, more = (one, other) if one.rises else (other, one)
            if less.value - more.value > one.slack + other.slack + _ROUNDING:
                why = "an incidence never falls" if one.rises else "the first are among the second"
                yield f"{less.text}, above {more.text}: {why}; correct one"
    for names in _APART:
        of = sorted((row for row in rows if row.name in names), key=lambda row: row.time)
        for time in dict.fromkeys(row.time for row in of):  # who had something earlier has had it then
            parts = {row.name: row for row in of if row.time == time or (row.rises and row.time < time)}
            total, slack = (sum(getattr(row, each) for row in parts.values()) for each in ("value", "slack"))
            if len(parts) > 1 and total > 1 + slack + _ROUNDING:
                told = ", and ".join(row.text for row in parts.values())
                yield f"{told}: together {total:g} of all; correct one"
