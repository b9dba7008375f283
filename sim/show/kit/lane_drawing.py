"""How patients' courses are drawn as the lanes of a swimmer plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator, MultipleLocator

from sim.scenario.schema import DAYS_PER_YEAR
from sim.show.kit.lanes import INFECTION, REINFUSION, RELAPSE, WITHDRAWN, Lane, detail_days, when
from sim.show.kit.looks import CAUSES, PLACES, STATUSES, Look, look_of
from sim.show.kit.style import GREY, INK, NOTE_SIZE, Sheet, dot

WIDTH, FOOT = 9.4, 0.5
_KEY_ABOVE, _KEY_HEADING, _KEY_ROW = 0.1, 0.22, 0.165
_BETWEEN = 0.3
SMALL = 7.2
_UNSEEN = 0.3
"""Height of a lane after the data cut."""


_MARKS: dict[str, dict[str, Any]] = {
    INFECTION: {"marker": "^", "mfc": "#ffd23f", "mec": INK, "mew": 0.6},
    REINFUSION: {"marker": "o", "mfc": "white", "mec": INK, "mew": 0.8},
    WITHDRAWN: {"marker": "P", "mfc": "white", "mec": INK, "mew": 0.8},
    RELAPSE: {"marker": "v", "mfc": "white", "mec": INK, "mew": 0.8},
}
_SHARED = "\\\\\\\\\\\\\\"
"""White stripes over what two courses have in common."""


@dataclass(frozen=True, slots=True)
class Panels:
    """The axes of a swimmer plot; `detail` is None where nobody is on the pathway."""

    detail: Axes | None
    years: Axes
    days: float
    """Days that the detail shows."""
    size: float
    """Size of the marks, in points."""
    _bars: dict[tuple[Axes, Look], list[Any]] = field(default_factory=dict)

    @property
    def all(self) -> list[tuple[Axes, float]]:
        """The axes, each with the days that are one unit of it."""
        detail = [] if self.detail is None else [(self.detail, 1.0)]
        return [*detail, (self.years, DAYS_PER_YEAR)]

    def add(self, axis: Axes, look: Look, y: float, height: float, ends: tuple[float, float]) -> None:
        """Add a bar between two places, to be drawn with all of its look."""
        (begin, end), low, high = ends, y - height / 2, y + height / 2
        if end > begin:
            bar = [(begin, low), (end, low), (end, high), (begin, high)]
            self._bars.setdefault((axis, look), []).append(bar)

    def draw_bars(self) -> None:
        """Draw the bars, those of one look as one path: hundreds apart take longer than all else."""
        for (axis, look), bars in self._bars.items():
            path = Path.make_compound_path_from_polys(np.array(bars))
            axis.add_artist(PathPatch(path, zorder=2, snap=True, **_filled(look)))


def lay_out(
    page: Sheet, lanes: Sequence[Lane], rows: float, horizon_days: float, left: float, right: float
) -> Panels:
    """Lay out days in detail at the left and years at the right, between two margins in inches."""
    days = detail_days(lanes)
    pitch = pitch_of(rows)
    height, room = rows * pitch, WIDTH - left - right
    detail = None
    if days > 0:
        wide = 0.55 * room
        detail = page.axes(left, FOOT, wide, height)
        detail.set_xlim(0, days)
        detail.xaxis.set_major_locator(MultipleLocator(30 if days > 90 else 10))
        detail.set_xlabel("Days since enrolment")
        left, room = left + wide + _BETWEEN, room - wide - _BETWEEN
    years = page.axes(left, FOOT, room, height)
    years.set_xlim(0, horizon_days / DAYS_PER_YEAR)
    years.xaxis.set_major_locator(MaxNLocator(6, integer=horizon_days >= 2 * DAYS_PER_YEAR))
    years.set_xlabel("Years since enrolment")
    panels = Panels(detail, years, days, size=min(72 * pitch * 0.5, 5.2))
    for axis, _ in panels.all:
        axis.set_ylim(rows, 0)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.grid(axis="x")
    return panels


def pitch_of(rows: float) -> float:
    """Return the inches that one of so many rows takes: all on one page, as long as they can be read."""
    return float(np.clip(7.4 / rows, 0.13, 0.21))


def draw_lane(panels: Panels, lane: Lane, y: float, *, shared_until: float = 0.0) -> None:
    """Draw a lane in both panels, but for its bars: striped up to a day, thin from the data cut."""
    for axis, unit in panels.all:
        limit = panels.days if unit == 1.0 else math.inf
        looks, spans = (PLACES, lane.places) if unit == 1.0 else (STATUSES, lane.statuses)
        for span in spans:
            look, end = look_of(looks, span.kind), min(span.end, limit)
            seen = max(min(end, lane.cut), span.begin)
            panels.add(axis, look, y, look.height, (span.begin / unit, seen / unit))
            panels.add(axis, look, y, min(look.height, _UNSEEN), (seen / unit, end / unit))
        shared = min(shared_until, lane.end, limit)
        if shared > 0:
            # Not faded: pale aplasia would be the colour of recovery in hospital.
            axis.barh(y, shared / unit, 0.86, color="none", edgecolor="white", hatch=_SHARED, lw=0, zorder=3)
        for mark in lane.marks:
            if mark.day > limit or (unit > 1 and mark.kind != RELAPSE):
                continue
            alpha = 0.45 if mark.day < shared_until else 1.0
            axis.plot(mark.day / unit, y, ms=panels.size, alpha=alpha, clip_on=False, zorder=5,
                      **_MARKS[mark.kind])  # fmt: skip
        if lane.dead and lane.end <= limit:
            marker, size = look_of(CAUSES, lane.cause).marker, 1.12 * panels.size
            dot(axis, lane.end / unit, y, marker, size, INK, "white", mew=0.5, clip_on=False, zorder=6)


def write_beside(panels: Panels, text: str, y: float, points: float, **style: Any) -> None:
    """Write at the left of the lanes, some points from where they begin."""
    axis = panels.all[0][0]
    across = axis.get_yaxis_transform()
    axis.annotate(text, (0, y), (points, 0), xycoords=across, **_FREE, **style)


def write_at(axis: Axes, text: str, x: float, y: float, **style: Any) -> None:
    """Write just after some place on a lane."""
    axis.annotate(text, (x, y), (6, 0), size=SMALL, zorder=7, **_FREE, **style)


_FREE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "annotation_clip": False}


def death_words(lane: Lane) -> str:
    """Write cause and time of a death; nothing for who lives."""
    return "" if not lane.dead else f"{look_of(CAUSES, lane.cause).words}, {when(lane.end)}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What explains colours and marks above the two panels: those that occur."""

    treatment: list[Artist]
    disease: list[Artist]

    @classmethod
    def of(cls, lanes: Sequence[Lane], *, with_cut: bool) -> Keys:
        """Collect what the lanes hold."""
        places = {span.kind for lane in lanes for span in lane.places}
        statuses = {span.kind for lane in lanes for span in lane.statuses}
        marks = {mark.kind for lane in lanes for mark in lane.marks}
        treatment: list[Artist] = [
            Patch(label=look.label, **_filled(look)) for kind, look in PLACES.items() if kind in places
        ]
        disease: list[Artist] = [
            Patch(label=look.label, **_filled(look)) for kind, look in STATUSES.items() if kind in statuses
        ]
        for kind, look in _MARKS.items():
            if kind in marks:
                (disease if kind == RELAPSE else treatment).append(_point(kind, **look))
        disease += [
            _point(f"died: {look.words}", marker=look.marker, mfc=INK, mec="white", mew=0.5)
            for cause, look in CAUSES.items()
            if any(lane.cause == cause for lane in lanes)
        ]
        disease += [Line2D([], [], color=GREY, lw=2.2, label="after the data cut")] if with_cut else []
        pathway = any(lane.hospital_days > 0 for lane in lanes)
        return cls(treatment if pathway else [], disease)

    @property
    def height(self) -> float:
        """Inches that they take."""
        rows = math.ceil(max(len(self.treatment), len(self.disease)) / 3)
        return _KEY_ABOVE + _KEY_HEADING + _KEY_ROW * rows

    def draw(self, panels: Panels) -> None:
        """Write them above the panels."""
        if panels.detail is not None:
            self._above(panels.detail, "Treatment, day by day", self.treatment)
        self._above(panels.years, "Disease, year by year", self.disease)

    def _above(self, axis: Axes, heading: str, handles: list[Artist]) -> None:
        height = axis.get_window_extent().height / axis.figure.dpi
        over: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
        axis.annotate(heading, (0, 1), (0, 72 * (self.height - _KEY_ABOVE)), weight="bold", **over)
        axis.legend(
            handles=handles, loc="upper left",
            bbox_to_anchor=(0, 1 + (self.height - _KEY_ABOVE - _KEY_HEADING) / height), ncols=3,
            fontsize=NOTE_SIZE, handlelength=1.1, handleheight=0.7, handletextpad=0.4, columnspacing=0.9,
            labelspacing=0.25, borderaxespad=0, borderpad=0,
        )  # fmt: skip


def _filled(look: Look) -> dict[str, Any]:
    edge = INK if look.hatch else "none"
    return {"fc": look.colour, "ec": edge, "lw": 0.4, "hatch": look.hatch or None}


def _point(label: str, **marker: Any) -> Line2D:
    return Line2D([], [], ls="", ms=5.5, label=label, **marker)
