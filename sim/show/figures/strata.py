"""Survival of all enrolled by stratum, and its paired difference from the reference, as forest plots."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sim.scenario.endpoints import label
from sim.show.figures.differences import ForestRow, sheet_of
from sim.show.kit import style
from sim.show.kit.pairs import endings, pair_notes
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions, replication
from sim.show.strata import StratumRows, finding, remarks, told_strata
from sim.work.results import Results


def of_run(results: Results) -> Figure:
    """Draw the main endpoint of everybody and of each stratum."""
    (strata,) = told_strata(results)
    lines = []
    for each in strata:
        row = each.main
        limits = (row.posterior_lower, row.posterior_upper) if row.drawn else (row.mc_lower, row.mc_upper)
        one, text = (row.trial_lower, row.trial_upper), row.estimate_text.partition(";")[0]
        lines.append(ForestRow(each.name, (f"{each.per_trial:.1f}",), row.estimate, *limits, text, one))
    return _drawn(results, strata, lines, cautions(results.scenario), signed=False)


def of_comparison(results: Results) -> dict[str, Figure]:
    """Draw the paired difference of everybody and of each stratum, of each scenario from the reference."""
    _, *others = told_strata(results)
    found = {}
    for (name, ending), strata in zip(endings(results).items(), others, strict=True):
        lines = [
            ForestRow(each.name, (f"{each.per_trial:.1f}",), row.difference, row.difference_lower,
                      row.difference_upper, row.difference_text)
            for each in strata
            for row in [each.main]
        ]  # fmt: skip
        found[ending] = _drawn(results, strata, lines, pair_notes(results, name), signed=True)
    return found


@style.styled
def _drawn(
    results: Results, strata: Sequence[StratumRows], lines: Sequence[ForestRow], notes: Sequence[str],
    *, signed: bool,
) -> Figure:  # fmt: skip
    what, of = replication(results.scenario).what, label(strata[0].main.key)
    title = finding(results, strata).removesuffix(".") or "By stratum"
    across = f"{of}: difference, percentage points" if signed else of
    above, below = sentences("strata", "above", what, bool(results.draws), signed), remarks(results)
    return sheet_of(lines, [f"patients of a {what}"], across, title, above, [*below, *notes], signed=signed)
