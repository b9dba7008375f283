"""Patients of one's own for people: whether they are like the model's, what lies outside, what may differ."""

from __future__ import annotations

import math
from typing import Any

from sim.scenario.endpoints import endpoint_of
from sim.show import validation
from sim.show.kit.grid import Column, Grid, number, numbers
from sim.show.kit.prose import one_sentence, sentences
from sim.work.results import Results

# Of figures that tell of the same thing in the model, the one under which it stands.
_ABOUT = {
    "disease_free_survival": "relapse_incidence",
    "relapses_seen": "relapse_incidence",
    "deaths_seen": "overall_survival_enrolled",
}


def finding(results: Results) -> str:
    """Answer in one sentence how many figures lie inside, and which do not."""
    return one_sentence("own", "finding", *_facts(results))


def answer(results: Results) -> list[str]:
    """Answer whether the patients are like the model's, and what may differ."""
    own, base, tally, missed = _facts(results)
    shown = results.table("calibration")
    events = [] if shown is None else [_event(row) for row in shown.itertuples()]
    told = {"age": own["ages"] > 2, "sex": own["sexes"] > 0}
    names = {_ABOUT.get(line.key[0], line.key[0]) for line in missed}
    why = sentences("own", "differs", own, base, told, names) if missed else []
    return [
        *sentences("own", "answer", own, base, tally, missed, bool(results.draws)),
        *sentences("own", "calibration", events, own),
        *sentences("own", "wait", own, base),
        *why,
        *sentences("own", "lost", own),
        *sentences("own", "made", own, base),
    ]


def _facts(results: Results) -> tuple[Any, str, Any, list[validation.Line]]:
    manifest = results.manifest
    (cohort,) = manifest["cohorts"]
    tally, _ = validation.tallies(manifest)
    read = validation.lines(results.tables["validation"])
    return manifest["own"], cohort["base"], tally, [line for line in read if line.missed]


def predictions(results: Results) -> Grid:
    """Return every figure beside its prediction."""
    read = validation.lines(results.tables["validation"])
    columns = (
        (Column("figure", plain=True), lambda line: line.label),
        (number("observed"), lambda line: line.observed_text),
        (number("predicted"), lambda line: line.predicted_text),
        (number("95% predictive\ninterval"), validation.interval_cell),
        (
            Column("inside", number=True, marks={"yes": "yes", "above": "no", "below": "no"}),
            lambda line: line.verdict,
        ),
        (number("z"), lambda line: line.z_text),
    )
    scope = validation.scope(validation.draws_of(results.manifest))
    small = sentences("own", "small") if any(line.small for line in read) else []
    notes = [*sentences("own", "columns"), *scope, *sentences("own", "definitions"), *small]
    return Grid.of("Your patients beside the prediction", read, columns, notes)


def _event(row: Any) -> dict[str, str]:
    """Return observed and expected events as they are written."""
    limits = f"95%: {row.ratio_lower:.2g} to {row.ratio_upper:.2g}"
    ratio = "undefined" if math.isnan(row.ratio) else f"{row.ratio:.2g} ({limits})"
    what, places = endpoint_of(row.endpoint).label, 1 if row.expected >= 10 else 2
    return {
        "what": "Treatment deaths" if row.endpoint == "treatment_related_mortality" else what,
        "observed": f"{row.observed}{'*' if row.small else ''}", "expected": f"{row.expected:.{places}f}",
        "interval": f"{row.lower:.0f} to {row.upper:.0f}", "ratio": ratio,
    }  # fmt: skip


def calibration(results: Results) -> Grid | None:
    """Return the table of events observed and expected; None where nothing is told of any."""
    shown = results.table("calibration")
    if shown is None:
        return None
    columns = (
        (Column("events", plain=True), "what"), (number("observed"), "observed"),
        *zip(numbers("expected", "95% of\ncohorts", "observed / expected"), ("expected", "interval", "ratio"),
             strict=True),
    )  # fmt: skip
    rows = [_event(row) for row in shown.itertuples()]
    return Grid.of("Events observed and expected", rows, columns, sentences("own", "ratios"))
