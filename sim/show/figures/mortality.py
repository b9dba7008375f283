"""In how many single trials so many patients die, beside the published counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME
from sim.scenario.schema import Scenario, Target, TrialArrivals
from sim.show.kit.formats import format_share
from sim.show.kit.prose import sentences
from sim.show.kit.scenario_words import cautions, replication
from sim.show.kit.style import BLUE, INK, NOTE_SIZE, ORANGE, empty_figure, percent_axis, sheet, styled
from sim.study.estimates import Z95, wilson
from sim.work.results import Results

_WIDTH, _LEFT, _RIGHT, _BETWEEN = 7.8, 0.72, 0.2, 0.75
_TALL, _FOOT = 2.3, 0.55
_SHOWN = 0.002
COUNTED = {"treatment_related_mortality": BLUE, "pre_transplant_mortality": ORANGE}


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


@styled
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
        return empty_figure("No deaths to count: no trial reports any", scenario.title)
    trials = int(data.loc[data["endpoint"] == shown[0], "trials"].sum())
    observed = {name: _observed(scenario, name) for name in shown}
    elsewhere = any(target.n for target in scenario.target) and not any(observed.values())
    said = [*sentences("figures", "mortality", replication(scenario), trials, elsewhere), *notes]
    page = sheet(_finding(data, observed, scenario), [scenario.title], said, _WIDTH, _TALL + _FOOT + 0.3)
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
    for target in scenario.target:
        if target.endpoint == name and target.n == scenario.cohort.patients:
            return round(target.value * target.n), target
    return None


def _draw(
    axis: Axes, name: str, data: pd.DataFrame, observed: tuple[int, Target] | None, top: float, what: str
) -> None:
    shares, lower, upper = (
        data[column].to_numpy(dtype=np.float64) for column in ("share", "mc_lower", "mc_upper")
    )
    seen = np.flatnonzero(shares >= _SHOWN)
    last = max(int(seen.max(initial=0)), 0 if observed is None else observed[0], 3) + 1
    bars = shares[: last + 1]
    places = np.arange(len(bars))
    axis.bar(places, bars, 0.82, color=COUNTED[name])
    axis.vlines(places, lower[: last + 1], upper[: last + 1], color=INK, lw=1.0)
    axis.set_xlim(-0.6, last + 0.6)
    axis.set_ylim(0, top)
    axis.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.grid(axis="y")
    percent_axis(axis, "y")
    axis.set_title(BY_NAME[name].label, loc="left", fontsize=NOTE_SIZE + 1, weight="bold", pad=5)
    axis.set_xlabel(f"Deaths in a virtual {what}")
    axis.set_ylabel(f"Virtual {what}s")
    if observed is not None:
        count, target = observed
        at = float(upper[count]) if count < len(bars) else 0.0
        axis.plot(count, at + 0.04 * top, marker="v", ms=8, mfc="white", mec=INK, mew=1.3, zorder=5)
        text = f"published:\n{count} of {target.n} ({target.source.split()[0]})"
        axis.annotate(text, (count, at + 0.06 * top), (9, 2), textcoords="offset points", va="bottom",
                      size=NOTE_SIZE, zorder=6,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85})  # fmt: skip


def _finding(data: pd.DataFrame, observed: dict[str, tuple[int, Target] | None], scenario: Scenario) -> str:
    name, found = next(iter(observed.items()))
    shares = data.loc[data["endpoint"] == name, "share"].to_numpy(dtype=np.float64)
    size = scenario.cohort.patients
    what = "treatment-related deaths"
    if found is None:
        low, middle, high = (int(np.searchsorted(np.cumsum(shares), p)) for p in (0.025, 0.5, 0.975))
        of = f"trial of {size}" if replication(scenario).what == "trial" else "clinic"
        what = what.removesuffix("s") if middle == 1 else what
        return f"The median virtual {of} sees {middle} {what}, and 95% see {low} to {high}"
    count = found[0]
    as_published = format_share(float(shares[count]) if count < shares.size else 0.0, 0.005)
    more = format_share(float(shares[count + 1 :].sum()), 0.005)
    fewer = format_share(float(shares[:count].sum()), 0.005)
    what = what.removesuffix("s") if count == 1 else what
    return (
        f"{as_published} of virtual trials of {size} see {count} {what}, as published; {fewer} see fewer "
        f"and {more} see more"
    )


def run_table(results: Results) -> pd.DataFrame | None:
    """Return the counts of a run; None of a cohort that is never transplanted."""
    home = results.scenario.cohort.enters_at == "home"
    return None if home else mortality_data(results.tables["replications"])


def of_run(results: Results, data: pd.DataFrame | None) -> Figure | None:
    """Draw how deaths are spread over the trials of a run."""
    scenario = results.scenario
    return None if data is None else mortality_figure(data, scenario, cautions(scenario))
