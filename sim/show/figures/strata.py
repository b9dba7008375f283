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
from sim.show.strata import StratumRows, finding, told_strata
from sim.show.strata import remarks as remarks_of
from sim.work.results import Results


def of_run(results: Results) -> Figure:
    """Draw the main endpoint of everybody and of each stratum."""
    return _drawn(results, list(told_strata(results)), cautions(results.scenario))


def of_comparison(results: Results) -> dict[str, Figure]:
    """Draw the paired difference of everybody and of each stratum, of each scenario from the reference."""
    return {
        ending: _drawn(results, own, pair_notes(results, name))
        for name, ending in endings(results).items()
        if (own := [each for each in told_strata(results) if each.address == (name,)])
    }


@style.styled
def _drawn(results: Results, strata: Sequence[StratumRows], remarks: Sequence[str]) -> Figure:
    compared, what = bool(strata[0].address), replication(results.scenario).what
    lines = []
    for each in strata:
        row, size = each.main, (f"{each.per_trial:.1f}",)
        if compared:
            limits = row.difference_lower, row.difference_upper
            lines.append(ForestRow(each.name, size, row.difference, *limits, row.difference_text))
            continue
        limits = (row.posterior_lower, row.posterior_upper) if row.drawn else (row.mc_lower, row.mc_upper)
        trial = row.trial_lower, row.trial_upper
        lines.append(
            ForestRow(each.name, size, row.estimate, *limits, row.estimate_text.partition(";")[0], trial)
        )
    of = label(strata[0].main.key)
    across = f"{of}: difference, percentage points" if compared else of
    above = sentences("strata", "above", what, bool(results.draws), compared)
    below = [*remarks_of(results), *remarks]
    title = finding(results, strata).removesuffix(".")
    return sheet_of(lines, [f"patients of a {what}"], across, title, above, below, signed=compared)
