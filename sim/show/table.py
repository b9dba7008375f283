"""The table on the terminal: published, simulated, and the two kinds of uncertainty side by side."""

from __future__ import annotations

import math

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sim.scenario.schema import Scenario
from sim.show.formats import Row, format_range, format_share, rows

_HEADLINES = (
    "treatment_related_mortality",
    "pre_transplant_mortality",
    "overall_survival",
    "disease_free_survival",
)
_NOTES = (
    "Monte Carlo error: the 95% interval of the simulated figure; more replications narrow it.",
    "Range of one trial: what 95% of virtual trials of this size report at their data cut, with what has "
    "happened by then; only a larger or longer trial narrows it.",
)


def published_table(endpoints: pd.DataFrame, scenario: Scenario, *, full: bool = False) -> Table:
    """Compare published with simulated figures.

    No cell is ever cut short: on a narrow terminal its words wrap.

    Parameters
    ----------
    endpoints : DataFrame
        The columns of ``endpoints.csv``.
    scenario : Scenario
        How many patients stand behind a published count.
    full : bool
        Whether to go on with every endpoint after the targets. Without targets and without `full`, the
        main endpoints are shown at the horizon.
    """
    read = rows(endpoints)
    aimed = [row for row in read if row.has_target]
    others = [row for row in read if not row.has_target]
    shown = aimed + (others if full else [] if aimed else _headlines(read))
    table = Table(
        caption=Text("\n".join(["", *_notes(shown)])),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", overflow="fold")
    for heading in ("published", "simulated", "Monte Carlo\nerror", "range of\none trial"):
        table.add_column(heading, justify="right", overflow="fold")
    counts = {(target.endpoint, target.time_years): target.n for target in scenario.target}
    for row in shown:
        is_last_target = bool(aimed) and row is aimed[-1]
        table.add_row(*_cells(row, counts.get(row.key)), end_section=is_last_target and row is not shown[-1])
    return table


def _headlines(read: list[Row]) -> list[Row]:
    """Return the main endpoints, each at its latest time."""
    last = {row.endpoint.name: row for row in read}
    return [last[name] for name in _HEADLINES if name in last]


def _cells(row: Row, n: int | None) -> tuple[str, str, str, str, str]:
    target = _bare(row, row.target_text)
    if row.has_target and row.assumed:
        target += " assumed"
    elif row.has_target and row.endpoint.trial == "count" and n is not None:
        target += f" ({round(row.target * n)} of {n})"
    trial = format_range(row.endpoint, row.trial_lower, row.trial_upper)
    if row.undefined > 0:
        trial = f"{trial}\n{format_share(row.undefined, 0.005)} undefined".strip()
    return (
        _label(row),
        target,
        _bare(row, row.simulated_text),
        format_range(row.endpoint, row.mc_lower, row.mc_upper),
        trial,
    )


def _label(row: Row) -> str:
    """Name an endpoint, with its unit unless the name says it or it is per cent."""
    named = row.endpoint.unit.lower() in row.label.lower()
    return row.label if named else f"{row.label} ({row.endpoint.unit})"


def _bare(row: Row, text: str) -> str:
    """Leave the unit to the first column, so that the table fits 80 columns."""
    return text.removesuffix(row.endpoint.unit).rstrip()


def _notes(shown: list[Row]) -> list[str]:
    notes = list(_NOTES)
    if any(row.undefined > 0 for row in shown):
        notes.append("Undefined: nobody is at risk any more in such a trial; its range leaves these out.")
    if any(row.has_target and row.endpoint.trial == "kaplan_meier" and not row.assumed for row in shown):
        notes.append(
            "Published survival is a Kaplan-Meier estimate on censored data; its interval was not published."
        )
    if all(math.isnan(row.estimate) for row in shown):
        notes.append("Nobody is at risk for any of these figures.")
    return notes
