"""How the running estimates settle over the replications."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column, label, read_times
from sim.scenario.evidence import is_assumed
from sim.scenario.schema import Scenario
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions, headlines, replication
from sim.show.kit.style import BLUE, NOTE_SIZE, ORANGE, TICK_SIZE, percent_axis, sheet, styled
from sim.study.estimates import Z95
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT, _BETWEEN = 7.8, 0.72, 0.25, 0.75
_TALL, _FOOT, _GAP = 1.75, 0.5, 0.65
_POINTS = 160
_FIRST = 10
"""Below so many replications an error is a guess."""
MOST_PANELS = 4


def shown_keys(scenario: Scenario, otherwise: Sequence[Key]) -> list[Key]:
    """Return the shares that the figure shows: those solved for, else some others."""
    aimed = [
        (target.endpoint, target.time_years)
        for target in scenario.fitted_targets
        if target.n and not is_assumed(target.source)
    ]
    horizon = scenario.follow_up.horizon_years
    readable = [
        [
            key
            for key in keys
            if BY_NAME[key[0]].kind == "share" and key[1] in read_times(BY_NAME[key[0]], horizon)
        ]
        for keys in (aimed, otherwise)
    ]
    return (readable[0] or readable[1])[:MOST_PANELS]


def convergence_data(replications: pd.DataFrame, keys: Sequence[Key]) -> pd.DataFrame:
    """Return running estimates: ``endpoint, time_years, replications, estimate, mc_lower, mc_upper``.

    The band is the normal interval of the ratio estimator over the replications so far, or over draws of a
    posterior (Cochran WG. Sampling Techniques, 3rd ed, 1977, section 6.3); it is left out where it has not
    settled.
    """
    tables = []
    for key in keys:
        figures = replications[[column(key), f"n_{BY_NAME[key[0]].denominator}"]]
        each = 1
        if "draw" in replications:  # whose replications have more in common than luck alone
            figures = figures.groupby(replications["draw"], sort=False).sum()
            each = len(replications) // len(figures)
        total, size = figures.to_numpy(dtype=np.float64).T
        numbers, estimate, error = _running(total, size)
        columns = {
            "replications": numbers * each,
            "estimate": estimate,
            "mc_lower": np.clip(estimate - Z95 * error, 0, 1),
            "mc_upper": np.clip(estimate + Z95 * error, 0, 1),
        }
        time = math.nan if key[1] is None else key[1]
        tables.append(pd.DataFrame({"endpoint": key[0], "time_years": time, **columns}))
    return pd.concat(tables, ignore_index=True)


def _running(total: Floats, size: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return some numbers of replications, and the estimate and its standard error after so many."""
    steps = np.unique(np.rint(np.geomspace(min(_FIRST, len(total)), len(total), _POINTS)).astype(np.int64))
    y, x, yy, xy, xx = (
        np.cumsum(each)[steps - 1] for each in (total, size, total * total, total * size, size * size)
    )
    n = steps.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = y / x
        squares = np.maximum(yy - 2 * ratio * xy + ratio * ratio * xx, 0.0)
        error = np.sqrt(squares / (n * (n - 1))) / (x / n)
    return steps, ratio, error


@styled
def convergence_figure(
    data: pd.DataFrame, scenario: Scenario, notes: Sequence[str] = (), *, drawn: bool = False
) -> Figure:
    """Draw running estimates with their bands, one panel a figure.

    Parameters
    ----------
    data : DataFrame
        From `convergence_data`.
    scenario : Scenario
        Its targets are drawn as lines.
    notes : sequence of str
        Further paragraphs at the bottom.
    drawn : bool
        Whether the replications are those of draws of a posterior, one draw after the other.
    """
    groups = list(data.groupby(["endpoint", "time_years"], sort=False, dropna=False))
    rows = math.ceil(len(groups) / 2)
    height = rows * (_TALL + _GAP) + _FOOT - 0.3
    targets = {(target.endpoint, target.time_years): target.value for target in scenario.target}
    said = [*sentences("figures", "convergence", drawn, targets, replication(scenario)), *notes]
    page = sheet(_finding(data), [scenario.title], said, _WIDTH, height)
    room = (_WIDTH - _LEFT - _RIGHT - _BETWEEN) / 2
    for number, ((name, time), curve) in enumerate(groups):
        key: Key = (str(name), None if math.isnan(time) else float(time))
        bottom = _FOOT + (rows - 1 - number // 2) * (_TALL + _GAP)
        axis = page.axes(_LEFT + (number % 2) * (room + _BETWEEN), bottom, room, _TALL)
        _draw(axis, key, curve, targets.get(key))
        axis.set_xlabel("Replications" if number >= len(groups) - 2 else "")
    return page.figure


def _draw(axis: Axes, key: Key, curve: pd.DataFrame, target: float | None) -> None:
    n = curve["replications"].to_numpy(dtype=np.float64)
    axis.fill_between(n, curve["mc_lower"], curve["mc_upper"], color=BLUE, alpha=0.25, lw=0)
    axis.plot(n, curve["estimate"], color=BLUE, lw=1.8)
    if target is not None:
        axis.axhline(target, color=ORANGE, lw=1.5, ls=(0, (4, 2.5)), zorder=1)
    axis.set_title(label(key), loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=5)
    if n[0] < n[-1]:
        axis.set_xscale("log")
        axis.set_xlim(n[0], n[-1])
        axis.xaxis.set_major_locator(LogLocator(subs=(1,) if n[-1] / n[0] > 40 else (1, 2, 5)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    settled = n >= min(30.0, n[-1])
    seen = curve[settled]
    values = [*seen["mc_lower"].dropna(), *seen["mc_upper"].dropna(), *seen["estimate"].dropna()]
    values += [] if target is None else [target]
    if values:
        low, high = min(values), max(values)
        room = 0.12 * (high - low) or 0.01
        axis.set_ylim(max(low - room, 0.0) if low > 0 else -0.02 * (high + room), min(high + room, 1.0))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.tick_params(labelsize=TICK_SIZE - 0.5)
    axis.grid(axis="y")
    percent_axis(axis, "y")


def _finding(data: pd.DataFrame) -> str:
    """Say how well the figures are known at the end."""
    last = data.groupby(["endpoint", "time_years"], sort=False, dropna=False).last()
    widths = (50 * (last["mc_upper"] - last["mc_lower"])).dropna()
    replications = int(data["replications"].max())
    after = f"After {replications:,} virtual trial{'s' if replications > 1 else ''}"
    if widths.empty or replications < 2:
        return f"{after} the error of a figure can't be told"
    low, high = (f"{width:.2g}" for width in (widths.min(), widths.max()))
    span = f"{high}" if low == high or len(widths) == 1 else f"{low} to {high}"
    return f"{after} the Monte Carlo error of the figures is down to {span} percentage points"


def run_table(results: Results) -> pd.DataFrame | None:
    """Return the running estimates of a run; None of a cohort that is never transplanted."""
    scenario = results.scenario
    if scenario.cohort.enters_at == "home":
        return None
    return convergence_data(results.tables["replications"], shown_keys(scenario, headlines(scenario)))


def of_run(results: Results, data: pd.DataFrame | None) -> Figure | None:
    """Draw how the estimates of a run settled."""
    scenario = results.scenario
    if data is None:
        return None
    return convergence_figure(data, scenario, cautions(scenario), drawn=bool(results.draws))
