"""Figures that can't all be true of the same patients, whatever their source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

from sim.scenario.endpoints import BY_NAME, CAUSE_LABELS, Key, label

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
    ("overall_survival_enrolled", *(f"death_by_cause_{cause}" for cause in CAUSE_LABELS)),
    ("pre_transplant_mortality", "transplant_related_mortality", "harvest_failure"),
)


class Figure(NamedTuple):
    """A figure as a file states it; ``step`` is that to which it is printed."""

    row: str
    key: Key
    value: float
    step: float = ROUNDED_TO

    @property
    def text(self) -> str:
        """The row and its figure in words."""
        return f"{self.row}, {label(self.key)} {self.value:g}"


def contradictions(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield which figures contradict each other, by more than the steps to which they are printed."""
    for one, other in permutations(figures, 2):
        (name, time), (second, later) = one.key, other.key
        slack = (one.step + other.step) / 2 + _ROUNDING
        before = later is None or (time is not None and time <= later)
        rises = BY_NAME[name].trial == "incidence"
        if name == second and time != later and before:
            change = (one.value - other.value) if rises else (other.value - one.value)
            if change > slack:
                never = "an incidence never falls" if rises else "who is alive later was alive before"
                if rises or BY_NAME[name].trial == "kaplan_meier":
                    yield f"{one.text}, and {other.text}: {never}; correct one"
        elif _PART_OF.get(second) == name and before and other.value - one.value > slack:
            less = "; correct one: the second are among the first"
            yield f"{other.text}, above {one.text}{less}"
    yield from _too_many(figures)


def _too_many(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield parts of the same patients that come to more than all of them."""
    for names in _APART:
        for time in dict.fromkeys(figure.key[1] for figure in figures if figure.key[0] in names):
            parts = [part for name in names for part in _by(time, name, figures)]
            total = sum(part.value for part in parts)
            if len(parts) > 1 and total > 1 + sum(part.step for part in parts) / 2 + _ROUNDING:
                yield f"{', and '.join(part.text for part in parts)}: together {total:g} of all; correct one"


def _by(time: float | None, name: str, figures: Sequence[Figure]) -> list[Figure]:
    """Return the figure of a name at a time; who had something earlier has had it then."""
    earlier = BY_NAME[name].trial == "incidence" and time is not None
    of = [each for each in figures if each.key[0] == name]
    known = [each for each in of if each.key[1] == time or (earlier and (each.key[1] or 0) <= (time or 0))]
    return sorted(known, key=lambda each: each.key[1] or 0)[-1:]
