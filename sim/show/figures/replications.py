"""What is read of the replications: how deaths are spread over single trials, and how estimates settle."""

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
from sim.scenario.evidence import origin
from sim.scenario.schema import Scenario, Target, TrialArrivals
from sim.show.kit import style
from sim.show.kit.formats import counted, format_share
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import cautions, headlines, replication
from sim.study.estimates import Z95, wilson
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT, _BETWEEN = 7.8, 0.72, 0.2, 0.75
_TALL, _FOOT = 2.3, 0.55
_SHOWN = 0.002
_MOST_BARS = 120
COUNTED = {"treatment_related_mortality": style.BLUE, "pre_transplant_mortality": style.ORANGE}
_RUNNING_RIGHT = 0.25
_RUNNING_TALL, _RUNNING_FOOT, _GAP = 1.75, 0.5, 0.65
_POINTS = 160
_FIRST = 10
"""Below so many replications an error is a guess."""
MOST_PANELS = 4


def mortality_data(replications: pd.DataFrame) -> pd.DataFrame:
    """Return what the figure draws: ``endpoint, deaths, trials, share, mc_lower, mc_upper``.

    Counts are what trials report at their data cut; the limits are Wilson's of the share of trials, or
    normal ones over the draws of a posterior.
    """
    tables = []
    for name in COUNTED:
        reported = (replications[f"trial_{name}"] * replications["n_enrolled"]).dropna()
        counts = np.rint(reported.to_numpy()).astype(np.int64)
        if counts.size:
            trials = np.bincount(counts)
            share = trials / counts.size
            limits = np.array([wilson(each, counts.size) for each in share])
            if "draw" in replications:
                limits = _over_draws(share, counts, replications.loc[reported.index, "draw"].to_numpy())
            columns = {"deaths": np.arange(trials.size), "trials": trials, "share": share}
            columns |= {"mc_lower": limits[:, 0], "mc_upper": limits[:, 1]}
            tables.append(pd.DataFrame({"endpoint": name, **columns}))
    if not tables:
        return pd.DataFrame(columns=["endpoint", "deaths", "trials", "share", "mc_lower", "mc_upper"])
    return pd.concat(tables, ignore_index=True)


def _over_draws(share: Floats, counts: NDArray[np.int64], draw: NDArray[np.int64]) -> Floats:
    """Return normal limits of the share of trials with each count, over draws; shape (counts, 2)."""
    trials = np.zeros((int(draw.max()) + 1, share.size))
    np.add.at(trials, (draw, counts), 1)
    drawn = trials[trials.sum(axis=1) > 0]
    drawn /= drawn.sum(axis=1, keepdims=True)
    error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn)) if len(drawn) > 1 else np.full(share.size, np.nan)
    return np.asarray(np.clip(np.stack([share - Z95 * error, share + Z95 * error], axis=1), 0.0, 1.0))


@style.styled
def mortality_figure(data: pd.DataFrame, scenario: Scenario, notes: Sequence[str] = ()) -> Figure:
    """Draw how deaths are spread over single trials.

    Parameters
    ----------
    data : DataFrame
        From `mortality_data`.
    scenario : Scenario
        Its targets with a number of patients are marked, where its trials are of that size.
    notes : sequence of str
        Further paragraphs at the bottom.
    """
    shown = [name for name in COUNTED if name in set(data["endpoint"])]
    if scenario.cohort.enters_at != "mobilisation":
        shown = [name for name in shown if name == "treatment_related_mortality"]
    if not shown:
        return style.empty_figure("No deaths to count: no trial reports any", scenario.title)
    trials = int(data.loc[data["endpoint"] == shown[0], "trials"].sum())
    observed = {name: _observed(scenario, name) for name in shown}
    elsewhere = any(target.n for target in scenario.shown_targets) and not any(observed.values())
    said = [*sentences("figures", "mortality", replication(scenario), trials, elsewhere), *notes]
    page = style.sheet(
        _finding(data, observed, scenario), [scenario.title], said, _WIDTH, _TALL + _FOOT + 0.3
    )
    room = (_WIDTH - _LEFT - _RIGHT - _BETWEEN * (len(shown) - 1)) / len(shown)
    room = min(room, 4.6)
    top = 1.3 * float(data.loc[data["endpoint"].isin(shown), "share"].max())
    for number, name in enumerate(shown):
        axis = page.axes(_LEFT + number * (room + _BETWEEN), _FOOT, room, _TALL)
        counted = data[data["endpoint"] == name]
        _draw(axis, name, counted, observed[name], top, replication(scenario).what)
    return page.figure


def _observed(scenario: Scenario, name: str) -> tuple[int, Target] | None:
    """Return the published count of an endpoint, where the scenario's trials have as many patients."""
    if not isinstance(scenario.arrivals, TrialArrivals):
        return None
    for target in scenario.shown_targets:
        if target.endpoint == name and target.n == scenario.cohort.patients:
            count = counted(target.value, target.n)
            if count is not None and origin(target.source) == "published":
                return count, target
    return None


def _draw(
    axis: Axes, name: str, data: pd.DataFrame, observed: tuple[int, Target] | None, top: float, what: str
) -> None:
    shares, lower, upper = (
        data[column].to_numpy(dtype=np.float64) for column in ("share", "mc_lower", "mc_upper")
    )
    seen = np.flatnonzero(shares >= _SHOWN)
    last = max(int(seen.max(initial=0)), 0 if observed is None else observed[0], 3) + 1
    first = (
        0
        if last < _MOST_BARS
        else max(int(seen.min(initial=last if observed is None else observed[0])) - 1, 0)
    )
    step = -(-(last - first) // _MOST_BARS)  # counts to a bar: large trials have thousands
    bars = shares[first : last + 1]
    bars = np.add.reduceat(bars, np.arange(0, len(bars), step))
    places = first + step * np.arange(len(bars)) + (step - 1) / 2
    axis.bar(places, bars, 0.82 * step, color=COUNTED[name])
    if step == 1:
        axis.vlines(places, lower[first : last + 1], upper[first : last + 1], color=style.INK, lw=1.0)
    axis.set_xlim(first - 0.6 * step, last + 0.6 * step)
    axis.set_ylim(0, top if step == 1 else 1.3 * float(bars.max()))
    axis.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.grid(axis="y")
    style.percent_axis(axis, "y")
    axis.set_title(BY_NAME[name].label, loc="left", fontsize=style.NOTE_SIZE + 1, weight="bold", pad=5)
    axis.set_xlabel(f"Deaths in a virtual {what}" + ("" if step == 1 else f", {step} counts to a bar"))
    axis.set_ylabel(f"Virtual {what}s")
    if observed is not None:
        count, target = observed
        at = float(upper[count]) if count < min(len(shares), last + 1) else 0.0
        axis.plot(count, at + 0.04 * top, marker="v", ms=8, mfc="white", mec=style.INK, mew=1.3, zorder=5)
        text = f"published:\n{count} of {target.n} ({target.source.split()[0]})"
        axis.annotate(text, (count, at + 0.06 * top), (9, 2), textcoords="offset points", va="bottom",
                      size=style.NOTE_SIZE, zorder=6,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85})  # fmt: skip


def _finding(data: pd.DataFrame, observed: dict[str, tuple[int, Target] | None], scenario: Scenario) -> str:
    name, found = next(iter(observed.items()))
    shares = data.loc[data["endpoint"] == name, "share"].to_numpy(dtype=np.float64)
    size = scenario.cohort.patients
    if found is None:
        ends = (int(np.searchsorted(np.cumsum(shares), p)) for p in (0.5, 0.025, 0.975))
        return one_sentence("figures", "mortality_found", size, replication(scenario).what, *ends)
    count = found[0]
    parts = shares[count : count + 1], shares[:count], shares[count + 1 :]
    texts = (format_share(float(part.sum()), 0.005) for part in parts)
    return one_sentence("figures", "mortality_as_published", size, count, *texts)


def deaths_table(results: Results) -> pd.DataFrame | None:
    """Return the counts of a run; None of a cohort that is never transplanted."""
    home = results.scenario.cohort.enters_at == "home"
    return None if home else mortality_data(results.tables["replications"])


def deaths(results: Results, data: pd.DataFrame | None) -> Figure | None:
    """Draw how deaths are spread over the trials of a run."""
    scenario = results.scenario
    return None if data is None else mortality_figure(data, scenario, cautions(scenario))


def shown_keys(scenario: Scenario, otherwise: Sequence[Key]) -> list[Key]:
    """Return the shares that the figure shows: those solved for, else some others."""
    fitted = [each for each in scenario.fitted_targets if each.n and origin(each.source) == "published"]
    aimed, horizon = [(each.endpoint, each.time_years) for each in fitted], scenario.follow_up.horizon_years

    def readable(keys: Sequence[Key]) -> list[Key]:
        shares = [key for key in keys if BY_NAME[key[0]].kind == "share"]
        return [key for key in shares if key[1] in read_times(BY_NAME[key[0]], horizon)]

    return (readable(aimed) or readable(otherwise))[:MOST_PANELS]


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
        lower, upper = (np.clip(estimate + side * Z95 * error, 0, 1) for side in (-1, 1))
        columns = {"replications": numbers * each, "estimate": estimate, "mc_lower": lower, "mc_upper": upper}
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


@style.styled
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
    height = rows * (_RUNNING_TALL + _GAP) + _RUNNING_FOOT - 0.3
    targets = {(target.endpoint, target.time_years): target.value for target in scenario.shown_targets}
    said = [*sentences("figures", "convergence", drawn, targets, replication(scenario)), *notes]
    page = style.sheet(_settled(data), [scenario.title], said, _WIDTH, height)
    room = (_WIDTH - _LEFT - _RUNNING_RIGHT - _BETWEEN) / 2
    for number, ((name, time), curve) in enumerate(groups):
        key: Key = (str(name), None if math.isnan(time) else float(time))
        bottom = _RUNNING_FOOT + (rows - 1 - number // 2) * (_RUNNING_TALL + _GAP)
        axis = page.axes(_LEFT + (number % 2) * (room + _BETWEEN), bottom, room, _RUNNING_TALL)
        _draw_running(axis, key, curve, targets.get(key))
        axis.set_xlabel("Replications" if number >= len(groups) - 2 else "")
    return page.figure


def _draw_running(axis: Axes, key: Key, curve: pd.DataFrame, target: float | None) -> None:
    n = curve["replications"].to_numpy(dtype=np.float64)
    axis.fill_between(n, curve["mc_lower"], curve["mc_upper"], color=style.BLUE, alpha=0.25, lw=0)
    axis.plot(n, curve["estimate"], color=style.BLUE, lw=1.8)
    if target is not None:
        axis.axhline(target, color=style.ORANGE, lw=1.5, ls=(0, (4, 2.5)), zorder=1)
    axis.set_title(label(key), loc="left", fontsize=style.NOTE_SIZE + 1, weight="bold", pad=5)
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
    axis.tick_params(labelsize=style.TICK_SIZE - 0.5)
    axis.grid(axis="y")
    style.percent_axis(axis, "y")


def _settled(data: pd.DataFrame) -> str:
    """Say how well the figures are known at the end."""
    last = data.groupby(["endpoint", "time_years"], sort=False, dropna=False).last()
    widths = (50 * (last["mc_upper"] - last["mc_lower"])).dropna()
    return one_sentence("figures", "settled", int(data["replications"].max()), widths.tolist())


def running_table(results: Results) -> pd.DataFrame | None:
    """Return the running estimates of a run; None of a cohort that is never transplanted."""
    scenario = results.scenario
    if scenario.cohort.enters_at == "home":
        return None
    return convergence_data(results.tables["replications"], shown_keys(scenario, headlines(scenario)))


def running(results: Results, data: pd.DataFrame | None) -> Figure | None:
    """Draw how the estimates of a run settled."""
    scenario = results.scenario
    if data is None:
        return None
    return convergence_figure(data, scenario, cautions(scenario), drawn=bool(results.draws))
