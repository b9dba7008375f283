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
    return _drawn(results, strata, cautions(results.scenario), signed=False)


def of_comparison(results: Results) -> dict[str, Figure]:
    """Draw the paired difference of everybody and of each stratum, of each scenario from the reference."""
    both = zip(endings(results).items(), told_strata(results)[1:], strict=True)
    return {ending: _drawn(results, strata, pair_notes(results, name), signed=True)
            for (name, ending), strata in both}  # fmt: skip


@style.styled
def _drawn(results: Results, strata: Sequence[StratumRows], notes: Sequence[str], *, signed: bool) -> Figure:
    what, of = replication(results.scenario).what, label(strata[0].main.key)
    title = finding(results, strata).removesuffix(".") or "By stratum"
    across = f"{of}: difference, percentage points" if signed else of
    above = sentences("strata", "above", what, bool(results.draws), signed)
    lines, below = [_line(each, signed=signed) for each in strata], [*remarks(results), *notes]
    return sheet_of(lines, [f"patients of a {what}"], across, title, above, below, signed=signed)


def _line(each: StratumRows, *, signed: bool) -> ForestRow:
    row, size = each.main, (f"{each.per_trial:.1f}",)
    if signed:
        limits = row.difference_lower, row.difference_upper
        return ForestRow(each.name, size, row.difference, *limits, row.difference_text)
    limits = (row.posterior_lower, row.posterior_upper) if row.drawn else (row.mc_lower, row.mc_upper)
    text, one = row.estimate_text.partition(";")[0], (row.trial_lower, row.trial_upper)
    return ForestRow(each.name, size, row.estimate, *limits, text, one)
