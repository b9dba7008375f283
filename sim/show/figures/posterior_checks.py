"""Whether a posterior can be trusted: how its search settled, simulation alone, and coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator
from scipy import stats

from sim.calibrate.coverage import WANTED
from sim.calibrate.tables import ACTIVE
from sim.patient.luck import BLOCK
from sim.scenario.distributions import Floats
from sim.show.calibration_shown import FEW_KEPT, Shown, short_name, signed
from sim.show.kit import style
from sim.show.kit.forest import EDGE, count_rows, draw_key, dress_marks, panels, ruled, words_axes
from sim.show.kit.prose import one_sentence, sentences
from sim.study.estimates import Z95
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT = 10.0, 0.65, 0.3
_ACROSS, _TALL, _HEAD, _FOOT = 3, 1.45, 0.4, 0.35
_NAMES, _ROW, _KEY = 2.9, 0.46, 0.66
_BINS = 10
_MOST_STAGES = 4
_FAR = 3.0  # standard errors, from which two ways to the same figure differ


@style.styled
def search_figure(search: pd.DataFrame, shown: Shown, wanted: float) -> Figure:
    """Draw how the search settled: effective sample size, and running means with their errors.

    Parameters
    ----------
    search
        The columns of ``search.csv``.
    wanted
        The effective sample size asked for.
    """
    keys = list(dict.fromkeys(search["key"]))
    down = math.ceil(len(keys) / _ACROSS)
    first = 1.7
    height = 0.3 + first + 0.6 + down * (_HEAD + _TALL + _FOOT)
    page = style.sheet(
        _search_finding(search, wanted),
        [shown.scenario.title, *sentences("figures", "search")],
        [f"Every point got {BLOCK} virtual trials. The last mean is drawn through as a thin line."],
        _WIDTH, height,
    )  # fmt: skip
    size = page.axes(_LEFT, height - 0.15 - first, _WIDTH - _LEFT - _RIGHT, first)
    sizes = search.drop_duplicates("points")
    size.plot(sizes["points"], sizes["effective_size"], color=style.BLUE, lw=2, marker="o", ms=5)
    size.axhline(wanted, color=style.INK, lw=1.2, ls=style.DASHES)
    place = ("axes fraction", "data")
    style.aside(
        size, f"asked for: {wanted:,.0f}", (0.01, wanted), (0, 4), place, size=style.NOTE_SIZE, va="bottom"
    )
    size.set_ylim(0, 1.25 * max(wanted, float(sizes["effective_size"].max())))
    size.set_ylabel("Effective size")
    size.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _points_axis(size, search)
    axes = panels(page, len(keys), height - 0.15 - first - 0.45, _TALL, _HEAD, _FOOT, _LEFT, _RIGHT, _ACROSS)
    for number, (axis, key) in enumerate(zip(axes, keys, strict=True)):
        _draw_mean(axis, search[search["key"] == key])
        _points_axis(axis, search)
        axis.set_xlabel("Points" if number + _ACROSS >= len(keys) else "", size=style.NOTE_SIZE)
        over: Any = {"transform": axis.transAxes, "weight": "bold", "size": style.TEXT_SIZE}
        axis.text(0, 1 + 0.15 / _TALL, short_name(key), **over)
    return page.figure


def _points_axis(axis: Axes, search: pd.DataFrame) -> None:
    most = float(search["points"].max())
    axis.set_xlim(0, 1.04 * most)
    stages = sorted(set(search["points"].tolist()))
    few = len(stages) <= _MOST_STAGES
    axis.xaxis.set_major_locator(FixedLocator(stages) if few else MaxNLocator(4, integer=True))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.tick_params(labelsize=style.TICK_SIZE - 0.5)
    axis.grid(axis="y")


def _draw_mean(axis: Axes, own: pd.DataFrame) -> None:
    points, mean, error = (own[name].to_numpy() for name in ("points", "mean_score", "mc_se"))
    axis.axhline(mean[-1], color=style.GREY, lw=0.8)
    axis.errorbar(
        points, mean, Z95 * error, color=style.BLUE, lw=1.6, marker="o", ms=4.5, elinewidth=1.4, capsize=2.5
    )
    axis.yaxis.set_major_locator(MaxNLocator(4))


def _search_finding(search: pd.DataFrame, wanted: float) -> str:
    last = search[search["points"] == search["points"].max()]
    size, points = float(last["effective_size"].iloc[0]), int(last["points"].iloc[0])
    return one_sentence("figures", "search_found", points, size, wanted, Z95 * float(last["mc_se"].max()))


@style.styled
def alone_figure(alone: pd.DataFrame, shown: Shown) -> Figure:
    """Draw the posterior by simulation alone beside the other: means and SDs with both errors.

    Parameters
    ----------
    alone
        The columns of ``simulation_alone.csv``.
    """
    alone = alone[alone["figure"] != "active_hazard"] if ACTIVE in set(alone["figure"]) else alone
    key, axis_room = 0.36, 0.55
    height = key + _ROW * len(alone) + axis_room
    page = style.sheet(
        _alone_finding(alone, shown.kept),
        [shown.scenario.title, *sentences("figures", "alone", shown.kept)],
        sentences("figures", "alone_notes", f"{_FAR:g}"),
        _WIDTH, height,
    )  # fmt: skip
    words = words_axes(page, EDGE, axis_room, _WIDTH - 2 * EDGE, _ROW * len(alone))
    count_rows(len(alone), words)
    room = 2.35
    left = page.axes(0.22 + _NAMES, axis_room, room, _ROW * len(alone))
    right = page.axes(0.22 + _NAMES + room + 0.95, axis_room, room, _ROW * len(alone))
    for place, row in ruled(alone.to_dict("records"), words):
        words.text(0, place, _alone_name(row), va="center", size=style.TEXT_SIZE)
        sd = row["sd"]
        shift, ratio = (row["alone_mean"] - row["mean"]) / sd, row["alone_sd"] / sd
        _draw_two(left, place, (0.0, row["mc_se"] / sd), (shift, row["alone_mc_se"] / sd))
        _draw_two(right, place, (1.0, row["sd_mc_se"] / sd), (ratio, row["alone_sd_mc_se"] / sd))
        for x, z in ((_NAMES + room + 0.12, row["z_mean"]), (_NAMES + 2 * room + 1.07, row["z_sd"])):
            look: Any = {"weight": "bold", "color": style.INK} if abs(z) > _FAR else {"color": style.GREY}
            words.text(x, place, f"z {signed(z, 1)}", va="center", size=style.NOTE_SIZE, **look)
    _dress_alone(left, len(alone), "Mean, difference in posterior SDs", 0.0)
    _dress_alone(right, len(alone), "SD, ratio", 1.0)
    _key(page, [
        Line2D([], [], color=style.BLUE, marker="o", ms=6, lw=1.6, label="importance sampling"),
        Line2D([], [], color=style.ORANGE, marker="s", ms=6, lw=1.6, label="simulation alone"),
    ])  # fmt: skip
    return page.figure


def _alone_name(row: dict[str, object]) -> str:
    """Name a parameter or an answer in few words."""
    name = str(row["figure"])
    short = short_name(name)
    return ANSWERS.get(name, str(row["label"])) if short == name else short


ANSWERS = {
    "active_hazard": "Hazard when active",
    "relapsed_hazard": "Hazard after relapse",
    "no_transplant": "No transplant, hazard when active",
    "no_transplant_relapsed": "No transplant, hazard after relapse",
}
"""Answers in a few words; the others are named by their labels."""


def _draw_two(axis: Axes, place: int, one: tuple[float, float], other: tuple[float, float]) -> None:
    for (value, error), colour, shape, y in (
        (one, style.BLUE, "o", place - 0.14),
        (other, style.ORANGE, "s", place + 0.14),
    ):
        axis.errorbar(
            value, y, xerr=Z95 * error, color=colour, marker=shape, ms=5.5, elinewidth=1.6, capsize=2.5
        )


def _dress_alone(axis: Axes, count: int, text: str, centre: float) -> None:
    axis.axvline(centre, color=style.GREY, lw=0.8)
    count_rows(count, axis)
    dress_marks(axis)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.set_xlabel(text, size=style.TEXT_SIZE)


def _key(page: style.Sheet, handles: Sequence[Artist]) -> None:
    draw_key(page, handles, EDGE, page.height - 0.3, page.width - 0.5, 0.26, handletextpad=0.5)


def _alone_finding(alone: pd.DataFrame, kept: int) -> str:
    z = np.abs(np.concatenate([alone["z_mean"], alone["z_sd"]]))
    z = z[~np.isnan(z)]
    far = int((z > _FAR).sum())
    return one_sentence("figures", "alone_found", kept, kept < FEW_KEPT, far, z.size, f"{_FAR:g}")


@style.styled
def coverage_figure(table: pd.DataFrame, ranks: pd.DataFrame, shown: Shown) -> Figure:
    """Draw where the truth ranks in the posteriors of virtual trials, and how often 90% of them hold it.

    Parameters
    ----------
    table, ranks
        The columns of ``coverage.csv`` and ``ranks.csv``.
    """
    quantities = list(dict.fromkeys(table["quantity"]))
    tall, axis_room = 0.62, 0.5
    height = _KEY + tall * len(quantities) + axis_room
    trials = int(ranks["trial"].nunique())
    page = style.sheet(
        _coverage_finding(table, trials),
        [shown.scenario.title, *sentences("figures", "coverage")],
        sentences("figures", "coverage_notes", trials),
        _WIDTH, height,
    )  # fmt: skip
    room, gap = 1.9, 0.25
    lefts = (0.22 + _NAMES, 0.22 + _NAMES + room + gap)
    words = words_axes(page, EDGE, axis_room, _WIDTH - 2 * EDGE, height - axis_room)
    words.set_ylim(0, height - axis_room)
    at = height - axis_room - _KEY + 0.1
    for left, text in ((lefts[0], "ranks, this method"), (lefts[1], "ranks, control")):
        words.text(left - 0.22, at, text, color=style.GREY, va="bottom")
    last = 0.22 + _NAMES + 2 * (room + gap) + 0.1
    words.text(last - 0.22, at, "90% intervals that hold the truth", color=style.GREY, va="bottom")
    for place, quantity in enumerate(quantities):
        bottom = height - _KEY - (place + 1) * tall
        words.text(0, bottom - axis_room + tall / 2, short_name(quantity), va="center", size=style.TEXT_SIZE)
        for left, method, colour in (
            (lefts[0], "simulated", style.BLUE),
            (lefts[1], "binomial", style.ORANGE),
        ):
            own = ranks[(ranks["quantity"] == quantity) & (ranks["method"] == method)]
            axis = page.axes(left, bottom + 0.07, room, tall - 0.14)
            found = table[(table["quantity"] == quantity) & (table["method"] == method)]
            if not own.empty:
                _draw_ranks(axis, own["rank"].to_numpy(), colour, float(found["uniform_p"].iloc[0]))
            axis.set_xticks([0, 0.5, 1], ["0", "", "1"] if place == len(quantities) - 1 else [])
    dots = page.axes(last, axis_room, _WIDTH - last - 0.3, tall * len(quantities))
    _draw_covered(dots, table, quantities)
    _key(page, [
        Line2D([], [], color=style.BLUE, marker="o", ms=6, lw=1.6, label="simulated likelihood"),
        Line2D([], [], color=style.ORANGE, marker="s", mfc="white", ms=6, label="negative control, binomial"),
        Patch(color=style.RULE, label="uniform, 95%"),
    ])  # fmt: skip
    return page.figure


def _draw_ranks(axis: Axes, ranks: Floats, colour: str, p: float) -> None:
    counts, edges = np.histogram(ranks, bins=_BINS, range=(0.0, 1.0))
    low, high = stats.binom.ppf((0.025, 0.975), ranks.size, 1 / _BINS)
    axis.axhspan(low, high, color=style.RULE, lw=0)
    axis.axhline(ranks.size / _BINS, color=style.GREY, lw=0.8)
    axis.stairs(counts, edges, fill=True, color=colour, alpha=0.55, lw=0)
    axis.stairs(counts, edges, color=colour, lw=1.2)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, max(1.45 * float(counts.max()), 1.2 * high))
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    text = f"p {p:.2f}" if p >= 0.005 else "p < 0.005" if p >= 1e-4 else "p < 0.0001"
    axis.text(0.99, 0.97, text, transform=axis.transAxes, ha="right", va="top", size=style.NOTE_SIZE,
              weight="bold" if p < 0.005 else "normal")  # fmt: skip


def _draw_covered(axis: Axes, table: pd.DataFrame, quantities: Sequence[str]) -> None:
    axis.axvline(WANTED, color=style.INK, lw=1.2, ls=style.DASHES)
    for method, colour, shape, fill, up in (
        ("simulated", style.BLUE, "o", style.BLUE, -0.13), ("binomial", style.ORANGE, "s", "white", 0.13)
    ):  # fmt: skip
        own = table[table["method"] == method].set_index("quantity")
        for place, quantity in enumerate(quantities):
            if quantity in own.index:
                row, y = own.loc[quantity], place + up
                if not row["as_said"]:  # a ring that grey prints too
                    style.dot(axis, row["covered"], y, "o", 12, "none", style.INK, mew=1.3)
                axis.plot((row["lower"], row["upper"]), (y, y), color=colour, lw=1.6)
                style.dot(axis, row["covered"], y, shape, 6, fill, colour, mew=1.4, zorder=3)
    count_rows(len(quantities), axis)
    dress_marks(axis)
    axis.set_xlim(max(0.0, float(table["lower"].min()) - 0.05), 1.0)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    style.percent_axis(axis, "x")


def _coverage_finding(table: pd.DataFrame, trials: int) -> str:
    """Say for how many quantities the word is kept, and whether the control is seen to fail."""
    own, control = (table[table["method"] == method] for method in ("simulated", "binomial"))
    failed = control[~control["as_said"]]
    numbers = trials, int(own["as_said"].sum()), len(own), len(control), len(failed)
    return one_sentence("figures", "coverage_found", *numbers, failed["covered"].min())


def search(results: Results) -> Figure:
    """Draw how the search of a calibration settled."""
    wanted = float(results.manifest["plan"]["size"])
    return search_figure(results.tables["search"], Shown.of(results), wanted)


def alone(results: Results) -> Figure:
    """Draw a calibration by simulation alone."""
    return alone_figure(results.tables["simulation_alone"], Shown.of(results))


def coverage(results: Results) -> Figure:
    """Draw the coverage of a calibration."""
    return coverage_figure(results.tables["coverage"], results.tables["ranks"], Shown.of(results))
