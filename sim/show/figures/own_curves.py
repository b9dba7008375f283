"""Survival of one's own patients in the band of what virtual cohorts like them show."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sim.centre.own_cohort import FEW
from sim.scenario.endpoints import endpoint_of
from sim.show.kit import style
from sim.show.kit.curves import CURVES, FOOT, RISK_ROW, draw_at_risk, dress, label_times
from sim.show.kit.forest import draw_key
from sim.show.kit.prose import one_sentence, sentences
from sim.show.own_patients import finding
from sim.work.results import Results

_YEARS = "\N{NO-BREAK SPACE}years"
_WIDTH, _LEFT, _GAP, _EDGE, _TALL, _KEY = 7.8, 0.95, 0.75, 0.22, 2.6, 0.62


@style.styled
def own_curves_figure(curves: pd.DataFrame, title: str, base: str, *, drawn: bool) -> Figure:
    """Draw each observed curve over the band of its prediction, with the numbers at risk.

    Parameters
    ----------
    curves
        The columns of ``observed_curves.csv``.
    title
        What stands below the finding.
    base
        The scenario that predicts.
    drawn
        Whether the band holds a posterior.
    """
    names = [name for name in CURVES if (curves["endpoint"] == name).any()]
    small = sentences("own", "small") if curves["small"].any() else []
    notes = [*sentences("own", "curves", drawn), *small]
    found = one_sentence("own", "curves_found", base, [_outside(curves, name) for name in names])
    rows = 2 * RISK_ROW
    height = _KEY + _TALL + FOOT + rows
    page = style.sheet(f"{found[0].upper()}{found[1:]}", [title], notes, _WIDTH, height)
    across = (_WIDTH - _LEFT - _EDGE - (len(names) - 1) * _GAP) / len(names)
    horizon = max(float(curves["time_years"].max()), 1.0)
    for at, name in enumerate(names):
        axis = page.axes(_LEFT + at * (across + _GAP), FOOT + rows, across, _TALL)
        _draw(axis, curves[curves["endpoint"] == name], name, horizon, first=at == 0)
    handles = [
        Line2D([], [], color=style.INK, lw=1.8, label="your patients"),
        Line2D([], [], color=style.BLUE, lw=1.6, ls=(0, (4, 2)), label=f"predicted by {base}"),
        Patch(color=style.BLUE, alpha=0.18, lw=0, label="95% of such cohorts, pointwise"),
    ]
    draw_key(page, handles, _LEFT, height - 0.26, _WIDTH - _LEFT - _EDGE, 0.24)
    return page.figure


def _draw(axis: Axes, curve: pd.DataFrame, name: str, horizon: float, *, first: bool) -> None:
    """Draw one curve, its band, and who is at risk."""
    label = endpoint_of(name).label.partition(",")[0]
    dress(axis, horizon, "Years since reinfusion", "Patients reinfused" if first else "")
    axis.set_title(label, loc="left", fontsize=style.NOTE_SIZE + 1, weight="bold", pad=5)
    axis.fill_between(curve["time_years"], curve["lower"], curve["upper"], color=style.BLUE, alpha=0.18, lw=0)
    axis.plot(curve["time_years"], curve["predicted"], color=style.BLUE, lw=1.6, ls=(0, (4, 2)))
    known = curve[curve["observed"].notna()]
    axis.step(known["time_years"], known["observed"], where="post", color=style.INK, lw=1.8)
    known = curve[curve["at_risk"].notna()].set_index("time_years")["at_risk"]
    times = label_times(horizon)
    numbers = [int(known.get(time, 0)) for time in times]
    texts = [f"{number}{'*' if 0 < number < FEW else ''}" for number in numbers]
    draw_at_risk(axis, times, "At risk" if first else "", [("Yours" if first else "", texts)], [style.INK])


def _outside(curves: pd.DataFrame, name: str) -> str:
    """Say where a curve leaves its band, of the times at which both are known."""
    curve = curves[(curves["endpoint"] == name) & curves["observed"].notna() & curves["lower"].notna()]
    label = endpoint_of(name).label.partition(",")[0].lower()
    sides = {
        "above": curve["observed"] > curve["upper"] + 1e-9,
        "below": curve["observed"] < curve["lower"] - 1e-9,
    }
    parts = [
        f"{side} its 95% band {_when(curve, where.to_numpy())}"
        for side, where in sides.items()
        if where.any()
    ]
    return f"{label} lies {' and '.join(parts)}" if parts else f"{label} stays in its 95% band"


def _when(curve: pd.DataFrame, where: np.ndarray) -> str:
    """Say from when to when a curve is outside; in between it may be inside for a while."""
    times = curve["time_years"].to_numpy()[where]
    first, last = (f"{math.floor(10 * each) / 10:g}" for each in (times[0], times[-1]))
    whole = np.flatnonzero(where)
    some = "" if whole[-1] - whole[0] + 1 == whole.size else "for some time "
    return f"{some}at {first}{_YEARS}" if first == last else f"{some}between {first} and {last}{_YEARS}"


def of_own(results: Results) -> Figure:
    """Draw the curves of one's own patients."""
    base = results.manifest["cohorts"][0]["base"]
    return own_curves_figure(
        results.tables["observed_curves"], f"{finding(results)}.", base, drawn=bool(results.draws)
    )
