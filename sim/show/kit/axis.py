"""A varied parameter as an axis of a plot: numbers, evenly or log-spaced, or words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from sim.scenario.distributions import Floats
from sim.show.kit.formats import written
from sim.show.kit.style import TICK_SIZE, text_width

_SLANT = 30


@dataclass(frozen=True, slots=True)
class Axis:
    """One varied key as an axis: its values in order, and where they lie."""

    key: str
    values: tuple[Any, ...]
    places: Floats
    numeric: bool
    log: bool

    @classmethod
    def of(cls, points: pd.DataFrame, key: str) -> Axis:
        """Read the axis off the points; numbers are sorted, words keep their order after them."""
        given = points[key].drop_duplicates().tolist()
        numbers = sorted(value for value in given if isinstance(value, int | float))
        values = (*numbers, *(value for value in given if value not in numbers))
        if len(numbers) == len(values):
            places = np.array(values, dtype=float)
            return cls(key, values, places, numeric=True, log=_log_spaced(places))
        return cls(key, values, np.arange(len(values), dtype=float), numeric=False, log=False)

    def place(self, value: Any) -> float | None:
        """Return where a value lies, or None where words were varied and it is not among them."""
        if self.numeric:
            is_number = isinstance(value, int | float)
            return float(value) if is_number and (value > 0 or not self.log) else None
        return float(self.values.index(value)) if value in self.values else None

    def span(self, own: float | None, beyond: float) -> tuple[float, float]:
        """Return limits that hold every value and the scenario's own, and a little beyond them."""
        ends = self._straight(np.array([*self.places, *([] if own is None else [own])]))
        room = beyond * (float(np.ptp(ends)) or 1.0) if self.numeric else 0.5
        low, high = float(ends.min()) - room, float(ends.max()) + room
        return (math.exp(low), math.exp(high)) if self.log else (low, high)

    def cell(self, value: Any) -> float | None:
        """Return where a value lies on a map of even cells, the first at 0; beyond them, just beyond."""
        place = self.place(value)
        if place is None or not self.numeric:
            return place
        ends = self._straight(self.places)
        at = float(self._straight(np.array([place]))[0])
        if at < ends[0] or at > ends[-1]:
            return -0.9 if at < ends[0] else len(ends) - 0.1
        return float(np.interp(at, ends, np.arange(len(ends))))

    def _straight(self, places: Floats) -> Floats:
        """Return places on a scale on which the axis is even."""
        return np.asarray(np.log(places)) if self.log else places

    def dress(self, axes: Axes, unit: str, which: str = "x", *, cells: bool = False) -> None:
        """Scale, tick and name an axis of a plot, or of a map's cells: at the values alone, as have room."""
        axis, box = (axes.xaxis if which == "x" else axes.yaxis), axes.get_window_extent()
        long = (box.width if which == "x" else box.height) / axes.figure.dpi
        places = np.arange(len(self.values), dtype=float) if cells else self.places
        if self.log and not cells:
            axes.set_xscale("log")
            axis.set_minor_locator(NullLocator())
        words = [written(value) for value in self.values]
        kept = self._uncrowded(places if cells else self._straight(places), words, long, which)
        axis.set_ticks([places[at] for at in kept], [words[at] for at in kept])
        if which == "x" and self.depth(long) > 0:
            axes.tick_params(axis="x", rotation=_SLANT)
            for tick in axes.get_xticklabels():
                tick.set(ha="right", rotation_mode="anchor")
        axis.set_label_text(f"{self.key} ({unit})" if unit else self.key)

    def _uncrowded(self, at: Floats, words: Sequence[str], long: float, which: str) -> list[int]:
        """Return the numbers of values whose labels have room beside each other; words have it slanted."""
        if not self.numeric:
            return list(range(len(words)))
        inches = 0.94 * long * (at - at[0]) / (float(np.ptp(at)) or 1.0)
        halves = [text_width(word, TICK_SIZE) / 2 + 0.03 if which == "x" else 0.085 for word in words]
        kept = [0]
        for number in range(1, len(words)):
            if inches[number] - inches[kept[-1]] > halves[number] + halves[kept[-1]]:
                kept.append(number)
        return kept

    @property
    def label_width(self) -> float:
        """Inches that the longest label takes."""
        return max(text_width(written(value), TICK_SIZE) for value in self.values)

    def depth(self, width: float) -> float:
        """Return the inches that labels take below an axis of some width when slanted; 0 where they fit."""
        if self.numeric or self.label_width < 0.95 * width / len(self.values):
            return 0.0
        return self.label_width * math.sin(math.radians(_SLANT))


def _log_spaced(values: Floats) -> bool:
    """Tell whether the steps between values are more alike as ratios than as differences."""
    if values.size < 3 or values[0] <= 0:
        return False
    ratios, steps = np.diff(np.log(values)), np.diff(values)
    return bool(np.std(ratios) / np.mean(ratios) < np.std(steps) / np.mean(steps) - 1e-9)
