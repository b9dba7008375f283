"""What a scenario's replications are called, and when they report: one home for words that figures share."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sim.scenario.endpoints import BY_NAME, Key
from sim.scenario.schema import Scenario, TrialArrivals
from sim.show.kit.formats import in_years
from sim.show.kit.posterior_words import FIRST_DRAW
from sim.work.results import Results


class Replication(NamedTuple):
    """What a replication is, and when it reports what it has seen."""

    what: Literal["trial", "clinic"]
    when: str
    """To be put after "reports"."""
    by_then: str
    """To be put after "deaths"."""
    size: str = "of this size"
    """To be put after `what` or `virtual`: a clinic is open for longer than it counts."""

    @property
    def cut(self) -> bool:
        """Whether it reports before everybody is followed to the end."""
        return self.when == TRIAL.when

    @property
    def virtual(self) -> str:
        """Several of them."""
        return f"virtual {self.what}s"


TRIAL = Replication("trial", "at its data cut", "by its data cut")


def replication(scenario: Scenario) -> Replication:
    """Return the words for a scenario's replications: a clinic is no trial, and may have no data cut."""
    ends = ("with everybody followed to the end", "by the end of follow-up")
    when, by_then = ends if scenario.follow_up.data_cut_days == "none" else (TRIAL.when, TRIAL.by_then)
    if isinstance(scenario.arrivals, TrialArrivals):
        return Replication("trial", when, by_then)
    return Replication("clinic", when, by_then, f"with {in_years(scenario.arrivals.years)} of arrivals")


def cautions(scenario: Scenario) -> list[str]:
    """Return the scenario's own caution as a note, if it has one."""
    return [scenario.caution] if scenario.caution else []


def head(results: Results) -> str:
    """Return the title that was asked for, or of several scenarios what was changed in each; else nothing."""
    if "title" in results.manifest:
        return str(results.manifest["title"])
    several = results.scenarios if results.kind in ("compare", "validate") else {}
    told = {name: ", ".join(own.changed) for name, own in several.items() if own.changed}
    if len(told) == len(several) and len(set(told.values())) == 1:
        return f"changed in all: {next(iter(told.values()))}"
    return "; ".join(f"changed in {name}: {text}" for name, text in told.items())


def single_notes(scenario: Scenario, *, drawn: bool) -> list[str]:
    """Return what is noted under single patients and trials, which are of one set of parameters."""
    return [FIRST_DRAW, *cautions(scenario)] if drawn else cautions(scenario)


def headlines(scenario: Scenario) -> list[Key]:
    """Return the endpoints shown where none were asked for: of all enrolled, and waits if rooms are few."""
    at_home = scenario.cohort.enters_at == "home"
    last = scenario.follow_up.horizon_years
    second: Key = (
        ("restricted_mean_survival_enrolled", last) if at_home else ("treatment_related_mortality", None)
    )
    waits: list[Key] = [] if scenario.clinic.isolation_rooms == "unlimited" else [("room_wait_days", None)]
    return [("overall_survival_enrolled", last), second, *waits]


def in_sentence(key: Key) -> str:
    """Name an endpoint within a sentence, with no-break spaces at its time."""
    name, time = key
    text = BY_NAME[name].label
    text = text[0].lower() + text[1:].replace(", reinfused", " of the reinfused")
    return text if time is None else f"{text} at {time:g}\N{NO-BREAK SPACE}year{'s' if time != 1 else ''}"
