"""What is said of a calibration, on the terminal, on its page and under its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sim.calibrate.search import ENOUGH
from sim.calibrate.tables import ACTIVE, MULTIPLIER
from sim.scenario.schema import Scenario
from sim.show.calibration_shown import Shown, log_spread_left
from sim.show.kit.prose import one_sentence
from sim.study.estimates import Z95


def extrapolation_text(scenario: Scenario) -> str:
    """Return the warning of survival without a transplant: what its hazards rest on in this trial."""
    chicago = any("B03" in target.source.split() for target in scenario.target)
    return one_sentence("calibration", "extrapolation", chicago)


def directions_text(directions: pd.DataFrame) -> str:
    """Say how many directions of the parameter space the figures identify."""
    counts = directions["status"].value_counts()
    of_each = (counts.get(status, 0) or "none" for status in ("identified", "in part", "free"))
    return one_sentence("calibration", "directions", len(directions), *of_each)


def rough_text(manifest: Mapping[str, Any]) -> str:
    """Warn of a posterior that rests on few draws; empty if it does not."""
    posterior = manifest["posterior"]
    if posterior is None or posterior["effective_size"] >= ENOUGH:
        return ""
    return one_sentence("calibration", "rough", posterior["effective_size"], ENOUGH)


def ridge_text(shown: Shown) -> str:
    """Say what is known of both lupus hazards and of their product; empty if one is not free."""
    left = log_spread_left(shown)
    if left.empty:
        return ""
    shares = left.set_index("name")["left"]
    product, active = shares["product"], shares[ACTIVE]
    error = Z95 * float(left["mc_se"].max())
    less, more = product < active - error, product > active + error
    how = "less than" if less else "more than" if more else "within Monte Carlo error, what"
    texts = (f"{100 * share:.0f}%" for share in (active, shares[MULTIPLIER], product))
    return one_sentence("calibration", "ridge", *texts, how, 100 * error)


def point_text(scenario: Scenario) -> str:
    """Say that the point is solved."""
    return one_sentence("calibration", "finding", len(scenario.fitted_targets))
