"""The table on the terminal: published, simulated, and the two kinds of uncertainty side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sim.outcomes.occupancy import is_limited
from sim.scenario.endpoints import Endpoint, Key
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value
from sim.show.kit.axis import written
from sim.show.kit.formats import Row, format_range, format_share, rows
from sim.show.kit.posterior_words import MONTE_CARLO, POSTERIOR, SIMULATED
from sim.show.kit.scenario_words import one_range, replication

_HEADLINES = (
    "treatment_related_mortality",
    "pre_transplant_mortality",
    "overall_survival",
    "disease_free_survival",
)
_HOME_HEADLINES = (
    "overall_survival_enrolled",
    "restricted_mean_survival_enrolled",
    "death_by_cause_lupus",
)
_QUEUE_HEADLINES = ("room_wait_days", "room_occupancy")
_USES = (
    "solved: calibration met it; assumed: solved for, but never published; compared: printed only.",
    "Monte Carlo error: 95% interval of the simulated figure. Range of one trial: what 95% of virtual trials "
    "of this size report.",
)
_OVER_VALUES = (
    "Below each figure, its posterior 95%; over the whole range, from the lowest of these to the highest. A "
    "parameter of the range is held at its value in every draw."
)
_MONTE_CARLO = "Monte Carlo error: the 95% interval of the simulated figure; more replications narrow it."


def published_table(
    endpoints: pd.DataFrame,
    scenario: Scenario,
    points: pd.DataFrame | None = None,
    *,
    full: bool = False,
    free: Sequence[str] = (),
) -> Table:
    """Compare published with simulated figures.

    No cell is ever cut short: on a narrow terminal its words wrap.

    Parameters
    ----------
    endpoints : DataFrame
        The columns of ``endpoints.csv``.
    scenario : Scenario
        How many patients stand behind a published count.
    points : DataFrame, optional
        The columns of ``range.csv``, where the scenario has a range: what each figure is between its values
        stands beside the figure.
    full : bool
        Whether to go on with every endpoint after the targets. Without targets and without `full`, the
        main endpoints are shown at the horizon.
    free : sequence of str
        The parameters that are drawn from a posterior.
    """
    read = rows(endpoints)
    aimed = [row for row in read if row.has_target]
    others = [row for row in read if not row.has_target]
    shown = aimed + (others if full else [] if aimed else main_rows(read, scenario))
    bands = {} if points is None else range_bands(points)
    table = _plain([*_notes(shown, scenario), *_range_notes(scenario, bands, free)])
    table.add_column("", overflow="fold")
    over = ("over the\nrange",) if bands else ()
    drawn = any(row.drawn for row in shown)
    posterior = ("posterior\n95%",) if drawn else ()
    one = f"range of\none {replication(scenario).what}"
    for heading in ("published", "simulated", *over, *posterior, "Monte Carlo\nerror", one):
        table.add_column(heading, justify="right", overflow="fold")
    counts = {(target.endpoint, target.time_years): target.n for target in scenario.target}
    for row in shown:
        is_last_target = bool(aimed) and row is aimed[-1]
        target, simulated, *errors = cells(row, counts.get(row.key))
        band = (_bare(row, bands.get(row.key, "")),) if bands else ()
        table.add_row(
            row_label(row),
            target,
            simulated,
            *band,
            *((row.posterior_text,) if drawn else ()),
            *errors,
            end_section=is_last_target and row is not shown[-1],
        )
    return table


def _plain(notes: Sequence[str]) -> Table:
    """Return a table without frame, with notes below it."""
    return Table(
        caption=Text("\n".join(["", *notes])),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def targets_table(found: Sequence[tuple[str, pd.DataFrame, Scenario]]) -> Table:
    """Compare every printed figure of several scenarios in one table, and mark which ones were solved for.

    Parameters
    ----------
    found
        Name, the columns of ``endpoints.csv`` and the scenario, of each.
    """
    drawn = any(row.drawn for _, endpoints, _ in found for row in rows(endpoints))
    table = _plain([*_USES, *([SIMULATED, POSTERIOR] if drawn else [])])
    table.add_column("scenario", overflow="fold")
    table.add_column("", overflow="fold")
    posterior = ("posterior\n95%",) if drawn else ()
    errors = ("Monte Carlo\nerror", "range of\none trial")
    for heading in ("use", "published", "simulated", *posterior, *errors, "source"):
        table.add_column(heading, justify="right", overflow="fold")
    for name, endpoints, scenario in found:
        counts = {(target.endpoint, target.time_years): target.n for target in scenario.target}
        aimed = [row for row in rows(endpoints) if row.has_target]
        for row in aimed:
            target, simulated, *figures = cells(row, counts.get(row.key))
            figures[:0] = [row.posterior_text] if drawn else []
            use = "compared" if not row.fitted else "assumed" if row.assumed else "solved"
            source = "" if row.assumed else row.source
            target = target.removesuffix(" *").removesuffix(" assumed")
            table.add_row(
                name if row is aimed[0] else "", row_label(row), use, target, simulated, *figures, source,
                end_section=row is aimed[-1],
            )  # fmt: skip
    return table


def main_rows(read: list[Row], scenario: Scenario) -> list[Row]:
    """Return the main endpoints of a scenario, each at its latest time."""
    last = {row.endpoint.name: row for row in read}
    main = _HOME_HEADLINES if scenario.cohort.enters_at == "home" else _HEADLINES
    names = (*main, *(_QUEUE_HEADLINES if is_limited(scenario) else ()))
    return [last[name] for name in names if name in last]


def range_table(points: pd.DataFrame, scenario: Scenario) -> Table:
    """Show the main endpoints at each value of the scenario's range, and between which figures they lie.

    Parameters
    ----------
    points : DataFrame
        The columns of ``range.csv``.
    scenario : Scenario
        Its range.
    """
    keys = [shown.key for shown in scenario.range]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    drawn = any(row.drawn for row in rows(points))
    if drawn:
        table.caption, table.caption_justify = Text(f"\n{_OVER_VALUES}\n{POSTERIOR}"), "left"
    for key in keys:
        table.add_column(key, overflow="fold")
    heads = main_rows(rows(points), scenario)
    for row in heads:
        table.add_column(row_label(row), justify="right", overflow="fold")
    for point, of_point in points.groupby(keys, sort=False):
        found = {row.key: row for row in rows(of_point)}
        shown = [_bare(row, found[row.key].simulated_text) for row in heads]
        if drawn:
            shown = [
                _two(text, found[row.key].posterior_text) for text, row in zip(shown, heads, strict=True)
            ]
        table.add_row(*map(written, point), *shown)
    table.rows[-1].end_section = True
    bands = range_bands(points)
    between = [bands.get(row.key, "") for row in heads]
    if drawn:
        outer = posterior_bands(points)
        between = [_two(text, outer.get(row.key, "")) for text, row in zip(between, heads, strict=True)]
    table.add_row("over the whole range", *[""] * (len(keys) - 1), *between)
    return table


def range_bands(points: pd.DataFrame) -> dict[Key, str]:
    """Return between which figures each endpoint lies over a range, where there are any."""
    by_key: dict[Key, list[Row]] = {}
    for row in rows(points):
        if not math.isnan(row.estimate):
            by_key.setdefault(row.key, []).append(row)
    bands = {}
    for key, found in by_key.items():
        low = min(found, key=lambda row: row.estimate).simulated_text
        high = max(found, key=lambda row: row.estimate).simulated_text
        bare = low.removesuffix(found[0].endpoint.unit).rstrip()
        bands[key] = low if low == high else f"between {bare} and {high}"
    return bands


def posterior_bands(points: pd.DataFrame) -> dict[Key, str]:
    """Return from where to where the posterior's limits of each endpoint reach over a range."""
    limits: dict[Key, tuple[Endpoint, float, float]] = {}
    for row in rows(points):
        if row.drawn:
            _, low, high = limits.get(row.key, (row.endpoint, math.inf, -math.inf))
            limits[row.key] = row.endpoint, min(low, row.posterior_lower), max(high, row.posterior_upper)
    return {key: format_range(*found) for key, found in limits.items()}


def _two(text: str, below: str) -> str:
    return f"{text}\n{below}".rstrip()


def _range_notes(scenario: Scenario, bands: dict[Key, str], free: Sequence[str]) -> list[str]:
    if not bands:
        return []
    parts = [
        f"{shown.key} from {written(shown.values[0])} to {written(shown.values[-1])} ({shown.source})"
        for shown in scenario.range
    ]
    own = ", ".join(
        f"{shown.key} drawn from the posterior"
        if shown.key in free
        else f"{shown.key} = {written(get_value(scenario, shown.key))}"
        for shown in scenario.range
    )
    hold = "are with" if any(shown.key in free for shown in scenario.range) else "hold at"
    return [f"Over the range: {'; '.join(parts)}: what to read. The other columns {hold} {own}."]


def cells(row: Row, n: int | None) -> tuple[str, str, str, str]:
    """Write target, estimate, Monte Carlo error and range of one trial."""
    target = _bare(row, row.target_text)
    if row.has_target and row.assumed:
        target += " assumed"
    elif row.has_target and row.endpoint.trial == "count" and n is not None:
        target += f" ({round(row.target * n)} of {n})"
    if row.has_target and row.unverified:
        target += " unverified"
    if not row.fitted:
        target += " *"
    trial = format_range(row.endpoint, row.trial_lower, row.trial_upper)
    if row.undefined > 0:
        trial = f"{trial}\n{format_share(row.undefined, 0.005)} undefined".strip()
    return (
        target,
        _bare(row, row.simulated_text),
        format_range(row.endpoint, row.mc_lower, row.mc_upper),
        trial,
    )


def row_label(row: Row) -> str:
    """Name an endpoint, with its unit unless the name says it or it is per cent."""
    named = row.endpoint.unit.lower() in row.label.lower()
    return row.label if named else f"{row.label} ({row.endpoint.unit})"


def _bare(row: Row, text: str) -> str:
    """Leave the unit to the first column, so that the table fits 80 columns."""
    return text.removesuffix(row.endpoint.unit).rstrip()


def _notes(shown: list[Row], scenario: Scenario) -> list[str]:
    words = replication(scenario)
    drawn = any(row.drawn for row in shown)
    notes = [_MONTE_CARLO, f"Range of one {words.what}: {one_range(words, drawn=drawn)}"]
    if drawn:
        notes[:1] = [SIMULATED, POSTERIOR, MONTE_CARLO]
    if any(row.has_target and not row.fitted for row in shown):
        notes.append("*: printed and only compared: calibration did not solve for it.")
    if any(row.has_target and row.unverified for row in shown):
        notes.append("Unverified: told by another source than the paper, which could not be read in full.")
    if any(row.undefined > 0 for row in shown):
        notes.append("Undefined: nobody is at risk any more in such a trial; its range leaves these out.")
    if any(row.has_target and row.endpoint.trial == "kaplan_meier" and not row.assumed for row in shown):
        notes.append(
            "Published survival is a Kaplan-Meier estimate on censored data; its interval was not published."
        )
    if all(math.isnan(row.estimate) for row in shown):
        notes.append("Nobody is at risk for any of these figures.")
    return notes
