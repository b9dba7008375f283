"""The tables of the page of a calibration: rows of text, as the template prints them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sim.calibrate.answers import ACTIVE, MULTIPLIER
from sim.scenario.endpoints import BY_NAME
from sim.scenario.evidence import all_evidence, ids_in
from sim.scenario.priors import AS_IT_IS
from sim.show import report_tables
from sim.show.calibration_card import target_facts
from sim.show.calibration_shown import (
    Shown,
    log_spread_left,
    parts_text,
    short_name,
    signed,
    unit_of,
    written,
)
from sim.show.calibration_words import HELD
from sim.show.kit.formats import format_value
from sim.show.report_tables import Cells
from sim.study.estimates import Z95

_KINDS = {"trial": "a figure of the trial", "hazard": "a hazard", "extrapolation": "an extrapolation"}
_METHODS = {"simulated": "this method", "binomial": "negative control"}


def _rows(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}%"


def _with_error(value: float, error: float) -> str:
    """Write a figure with its Monte Carlo standard error in brackets."""
    return f"{value:.3g} ({error:.1g})"


def published(shown: Shown) -> list[Cells]:
    """Return every target: label, use, figure, patients, exact interval, source."""
    found: list[Cells] = []
    for target in shown.scenario.target:
        facts, endpoint = target_facts(target), BY_NAME[target.endpoint]
        assumed = target.source.strip().lower().startswith("assumption")
        use = "compared only" if not target.fitted else "fitted, assumed" if assumed else "fitted"
        interval = ""
        if facts["lower"] is not None:
            counted = "" if target.observed is None else f" ({target.observed} of {target.n} observed)"
            interval = f"{100 * facts['lower']:.1f} to {100 * facts['upper']:.1f}%{counted}"
        elif endpoint.trial == "kaplan_meier":
            interval = "not published"
        figure, patients = format_value(endpoint, target.value), "" if target.n is None else str(target.n)
        found.append((facts["label"], use, figure, patients, interval, target.source))
    return found


def evidence(shown: Shown) -> list[Cells]:
    """Return the published figures that targets and priors name."""
    texts = [target.source for target in shown.scenario.target]
    texts += [prior.source for prior in shown.scenario.prior]
    named = {name for text in texts for name in ids_in(text) if name in all_evidence()}
    return report_tables.evidence(sorted(named))


def solved(table: pd.DataFrame | None) -> list[Cells]:
    """Return the solved values: name, key, value, unit."""
    return [
        (short_name(row["key"]), str(row["key"]), f"{row['value']:.6g}", str(row["unit"]))
        for row in _rows(table)
    ]


def equations(table: pd.DataFrame | None) -> list[Cells]:
    """Return the equations: target, and target less exact twin."""
    found: list[Cells] = []
    for row in _rows(table):
        difference = "0" if row["residual"] == 0 else f"{row['residual']:.1g}"
        found.append((str(row["label"]), f"{row['target']:.6g}", difference, str(row["source"])))
    return found


def parameters(table: pd.DataFrame | None) -> list[Cells]:
    """Return every free parameter: point, prior, posterior, mean with error, what is left."""
    return [
        (
            short_name(row["key"]), written(row["key"], row["point"]),
            _between(row["key"], row["prior_lower"], row["prior_upper"]),
            _between(row["key"], row["lower"], row["upper"]), _with_error(row["mean"], row["mc_se"]),
            _percent(row["variance_left"]),
        )
        for row in _rows(table)
    ]  # fmt: skip


def _between(key: str, low: float, high: float) -> str:
    unit = unit_of(key)
    first = written(key, low)
    return f"{first.removesuffix(f' {unit}') if unit else first} to {written(key, high)}"


def priors(table: pd.DataFrame | None) -> list[Cells]:
    """Return every free parameter's key, prior and source."""
    return [
        (short_name(row["key"]), str(row["key"]), str(row["prior"]), str(row["source"]))
        for row in _rows(table)
    ]


def answers(table: pd.DataFrame | None) -> list[Cells]:
    """Return every answer: limits, mean with error, SD, and what it is; an extrapolation has no mean."""
    found: list[Cells] = []
    for row in _rows(table):
        unit = f" {row['unit']}" if isinstance(row["unit"], str) and row["unit"] else ""
        interval = f"{row['lower']:.3g} to {row['upper']:.3g}{unit}" if row["lower"] < row["upper"] else HELD
        band = row["kind"] == "extrapolation"
        mean = "read as a band" if band else _with_error(row["mean"], row["mc_se"])
        found.append((str(row["label"]), interval, mean, f"{row['sd']:.2g}", _KINDS[row["kind"]]))
    return found


def estimates(table: pd.DataFrame | None) -> list[Cells]:
    """Return what every survival estimate of the trial can tell."""
    return [
        (
            str(row["label"]), _percent(row["target"]), str(row["n"]),
            _with_error(row["trial_sd"], row["trial_sd_mc_se"]), f"{row['as_if_n']:.0f}",
            _percent(row["undefined"], 1), _with_error(row["posterior_sd"], row["posterior_sd_mc_se"]),
        )
        for row in _rows(table)
    ]  # fmt: skip


def directions(shown: Shown) -> list[Cells]:
    """Return every direction: what is left, status, and its main parts."""
    return [
        (
            str(row["direction"]),
            _percent(row["variance_left"]),
            str(row["status"]),
            parts_text(row, shown.keys),
        )
        for row in _rows(shown.tables.get("directions"))
    ]


def ridge_text(shown: Shown) -> str:
    """Say what is known of both lupus hazards and of their product; empty if one is not free."""
    left = log_spread_left(shown)
    if left.empty:
        return ""
    shares = left.set_index("name")["left"]
    product, active, multiplier = shares["product"], shares[ACTIVE], shares[MULTIPLIER]
    error = Z95 * float(left["mc_se"].max())
    less, more = product < active - error, product > active + error
    how = "less than" if less else "more than" if more else "within Monte Carlo error, what"
    return (
        f"Of the prior's variance of the logarithm, {_percent(active)} is left of the hazard when "
        f"active, {_percent(multiplier)} of the multiplier, and {_percent(product)} of their product, "
        f"the hazard after relapse: {how} is left of the hazard when active (Monte Carlo error: "
        f"{100 * error:.0f} points either way, 95%)."
    )


def alternatives(table: pd.DataFrame | None) -> list[Cells]:
    """Return every way to see the trial: weight with error, Bayes factor, effective size."""
    return [
        (
            str(row["title"]), f"{_percent(row['posterior_weight'], 1)} ({100 * row['mc_se']:.1g})",
            f"{row['bayes_factor']:.2f}", f"{row['effective_size']:,.0f}",
        )
        for row in _rows(table)
    ]  # fmt: skip


def moved(table: pd.DataFrame | None, weights: pd.DataFrame | None) -> list[Cells]:
    """Return how far each way to see the trial moves every answer."""
    titles = {row["name"]: row["title"] for row in _rows(weights)}
    return [
        (
            str(titles.get(row["name"], row["name"])), str(row["label"]),
            f"{row['lower']:.3g} to {row['upper']:.3g}",
            f"{signed(row['moved'], 3)} ({row['moved_mc_se']:.1g})",
            signed(row["moved_sd"]),
        )
        for row in _rows(table)
        if row["name"] != AS_IT_IS
    ]  # fmt: skip


def alone(table: pd.DataFrame | None) -> list[Cells]:
    """Return means and SDs by importance sampling and by simulation alone."""
    return [
        (
            short_name(row["figure"]) if "." in row["figure"] else str(row["label"]),
            _with_error(row["mean"], row["mc_se"]), _with_error(row["alone_mean"], row["alone_mc_se"]),
            signed(row["z_mean"], 1), _with_error(row["sd"], row["sd_mc_se"]),
            _with_error(row["alone_sd"], row["alone_sd_mc_se"]), signed(row["z_sd"], 1),
        )
        for row in _rows(table)
    ]  # fmt: skip


def coverage(table: pd.DataFrame | None) -> list[Cells]:
    """Return for every quantity and method how many intervals hold the truth."""
    return [
        (
            short_name(row["quantity"]), _METHODS.get(row["method"], str(row["method"])),
            _percent(row["covered"]), f"{100 * row['lower']:.0f} to {_percent(row['upper'])}",
            "as said" if row["as_said"] else "NOT as said", f"{row['uniform_p']:.2g}",
        )
        for row in _rows(table)
    ]  # fmt: skip
