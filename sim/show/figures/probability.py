"""How probable it is that an arm is better than the first, against by how much: a curve an arm."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from sim.scenario.endpoints import BY_NAME, label
from sim.show import chances
from sim.show.kit import style
from sim.show.kit.forest import signed_points
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions
from sim.work.results import Results

_WIDE, _TALL, _LEFT, _RIGHT, _NAMES = 5.8, 3.0, 0.8, 0.45, 1.5
_SMALL, _HIGH = style.NOTE_SIZE + 1, 0.93
_COLOURS = (style.BLUE, style.ORANGE, "#4a1259", "#6b7076", "#86b6dd")


@style.styled
def of_study(results: Results) -> Figure | None:
    """Draw the curves of a study; None without one."""
    if "probability" not in results.tables:
        return None
    asked, key = chances.told(results), chances.key_asked(results)
    endpoint = BY_NAME[key[0]]
    finding, *more = chances.found_sentences(results)
    curves, marks = chances.by_arm(results, "probability_curve"), dict(chances.by_arm(results))
    right = _NAMES if len(curves) > 1 else _RIGHT
    page = style.sheet(
        finding, [*more, *sentences("probability", "lines", asked["draws"])],
        [*chances.given_sentences(results), results.scenario.title, *cautions(results.scenario)],
        _LEFT + _WIDE + right, _TALL + 0.8,
    )  # fmt: skip
    grid = results.tables["probability_curve"]["margin"]
    wide, named = grid.max() - grid.min(), list[tuple[float, float]]()
    axis = page.axes(_LEFT, 0.6, _WIDE, _TALL)
    for (name, curve), colour in zip(curves, _COLOURS * len(curves), strict=False):
        x = curve["margin"]
        limits = curve["probability_lower"], curve["probability_upper"]
        axis.fill_between(x, *limits, color=colour, alpha=0.2, lw=0)
        axis.plot(x, curve["probability"], color=colour, lw=1.8)
        for row in marks[name].to_dict("records"):
            at = row["margin"], row["probability"]
            style.dot(axis, *at, "o", 5, colour, "white", mew=0.8, zorder=5, clip_on=False)
            if all(abs(at[0] - x) > 0.1 * wide or abs(at[1] - y) > 0.08 for x, y in named):
                named.append(at)
                text = chances.probability_text(row, interval=False)
                away = (5, 5) if row["probability"] < _HIGH else (5, -13)
                style.aside(axis, text, at, away, "data", color=style.written_in(colour), size=_SMALL)
    several = curves if len(curves) > 1 else []
    for down, ((name, _), colour) in enumerate(zip(several, _COLOURS * 9, strict=False)):
        look: dict[str, Any] = {"color": style.written_in(colour), "weight": "bold", "va": "top"}
        style.aside(axis, name, (1, 1), (12, -16.0 * down), **look)
    axis.axvline(0, color=style.INK, lw=0.9)
    axis.set_xlim(grid.min(), grid.max())
    axis.set_ylim(0, 1)
    axis.grid(axis="y")
    style.percent_axis(axis, "y")
    if endpoint.kind == "share":
        axis.xaxis.set_major_formatter(signed_points)
    unit = "points" if endpoint.kind == "share" else endpoint.unit
    axis.set_xlabel(f"{label(key)}: better than {asked['arms'][0]} by at least ({unit})")
    axis.set_ylabel("probability")
    return page.figure
