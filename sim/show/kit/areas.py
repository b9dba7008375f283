"""Stacked areas of shares over time, each named at its right end: no legend to look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from sim.outcomes.courses import Of
from sim.scenario.distributions import Floats
from sim.scenario.schema import Scenario
from sim.show.kit.formats import format_share
from sim.show.kit.looks import Look
from sim.show.kit.scenario_words import replication
from sim.show.kit.style import INK, NOTE_SIZE, spread

_SHOWN = 5e-4
"""Shares that stay below are not drawn."""
_SWATCH = 0.1
"""Inches."""


@dataclass(frozen=True, slots=True)
class ShareLayer:
    """One area: how it looks, what it is called at its end, and its share at each time."""

    look: Look
    label: str
    share: Floats

    @property
    def visible(self) -> bool:
        """Whether it is ever large enough to be drawn."""
        return bool(np.max(self.share, initial=0.0) > _SHOWN)


def draw_areas(axis: Axes, times: Floats, layers: Sequence[ShareLayer], *, named: bool = True) -> None:
    """Stack the layers from the bottom, parted by white lines, and name them at the right.

    The axis has its limits already. A layer that is there no more at the right end is named there too, for
    it was there before.
    """
    shown = [layer for layer in layers if layer.visible]
    below = np.zeros(len(times))
    for layer in shown:
        above = below + np.maximum(layer.share, 0.0)
        hatched: dict[str, Any] = (
            {"hatch": layer.look.hatch, "edgecolor": INK} if layer.look.hatch else {"edgecolor": "none"}
        )
        axis.fill_between(times, below, above, facecolor=layer.look.colour, lw=0.0, **hatched)
        axis.plot(times, above, color="white", lw=0.6)
        below = above
    if named:
        _name(axis, shown)


def _name(axis: Axes, shown: Sequence[ShareLayer]) -> None:
    """Write the names beside the axis, each with a swatch, near the areas' right ends."""
    low, high = axis.get_ylim()
    ends = np.cumsum([0.0, *(max(float(layer.share[-1]), 0.0) for layer in shown)])
    middles = [((a + b) / 2 - low) / (high - low) for a, b in pairwise(ends)]
    box = axis.get_window_extent()
    width, height = (length / axis.figure.dpi for length in (box.width, box.height))
    lines = [label.count("\n") + 1 for label in (layer.label for layer in shown)]
    line = 1.3 * NOTE_SIZE / 72 / height
    gap = line * max(lines, default=1) + 0.25 * line
    for layer, y in zip(shown, _inside(spread(middles, gap), gap), strict=True):
        side = _SWATCH / width, _SWATCH / height
        edge: dict[str, Any] = (
            {"edgecolor": INK, "hatch": layer.look.hatch} if layer.look.hatch else {"edgecolor": "#8a8d92"}
        )
        swatch = Rectangle((1 + 0.08 / width, y - side[1] / 2), *side, facecolor=layer.look.colour, lw=0.5,
                           transform=axis.transAxes, clip_on=False, **edge)  # fmt: skip
        axis.add_patch(swatch)
        beside: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center"}
        axis.annotate(layer.label, (1, y), (17, 0), size=NOTE_SIZE, linespacing=1.25, annotation_clip=False,
                      **beside)  # fmt: skip


def _inside(heights: Sequence[float], gap: float) -> list[float]:
    """Move names that lie beyond the axis back beside it, without letting them overlap."""
    moved = list(heights)
    order = sorted(range(len(moved)), key=lambda index: moved[index])
    for place, index in enumerate(order):
        moved[index] = max(moved[index], gap * (place + 0.4))
    for place, index in enumerate(reversed(order)):
        moved[index] = min(moved[index], 1 - gap * (place + 0.4))
    return moved


@dataclass(frozen=True, slots=True)
class OverTime:
    """Shares of patients over time, as the tables of a folder have them.

    Attributes
    ----------
    table : DataFrame
        ``of, what``, a time, ``share, mc_lower, mc_upper``.
    counted : Mapping
        From `sim.study.records.counted`: how many stand behind them.
    """

    table: pd.DataFrame
    counted: Mapping[str, Any]

    def of(self, of: Of) -> pd.DataFrame:
        """Return the rows of one denominator."""
        return self.table[self.table["of"] == of]

    def by_name(self, of: Of) -> dict[str, Floats]:
        """Return the shares of one denominator over time; none where there is nobody."""
        found = self.of(of).groupby("what", sort=False)["share"]
        return {str(what): share.to_numpy() for what, share in found if share.notna().all()}

    def times(self, of: Of) -> Floats:
        """Return the times of one denominator's shares, in the table's unit."""
        name = "time_years" if "time_years" in self.table else "time_days"
        return np.unique(self.of(of)[name].to_numpy())

    def last(self, of: Of, what: str) -> str:
        """Write the last share with the digits that its Monte Carlo error allows."""
        rows = self.of(of)
        row = rows[rows["what"] == what].iloc[-1]
        return format_share(float(row["share"]), float(row["mc_upper"] - row["mc_lower"]) / 2)

    def note(self, scenario: Scenario, drawn: Sequence[Of]) -> str:
        """Say how many stand behind areas, and how large their Monte Carlo error is."""
        words, many, draws = replication(scenario), self.counted["replications"], self.counted["draws"]
        of = f"the first {many:,} {words.virtual}" if many > 1 else f"one virtual {words.what}"
        if draws:
            of = f"{many:,} {words.virtual} under {draws:,} draws of the posterior"
        patients = f"{self.counted['patients']:,} patients"
        text = f"Areas: the whole courses of {patients} of {of}, nobody censored"
        widths = [(rows["mc_upper"] - rows["mc_lower"]).max() / 2 for rows in map(self.of, drawn)]
        error = f"{100 * max(widths):.2g} points."
        return f"{text}; their 95% Monte Carlo error is at most \N{PLUS-MINUS SIGN}{error}"
