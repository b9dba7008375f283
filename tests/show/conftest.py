"""Tables as a run makes them, written by hand: the figures and tables under test need no simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.scenario.endpoints import keys
from sim.scenario.schema import Scenario

TARGETS = (
    {"endpoint": "treatment_related_mortality", "value": 0.02, "n": 50, "source": "B08"},
    {"endpoint": "pre_transplant_mortality", "value": 0.04, "n": 50, "source": "B03"},
    {"endpoint": "transplant_related_mortality", "value": 0.005, "source": "assumption: a quarter of 2%"},
    {"endpoint": "overall_survival", "time_years": 5.0, "value": 0.84, "n": 48, "source": "B10"},
    {"endpoint": "disease_free_survival", "time_years": 5.0, "value": 0.50, "n": 48, "source": "B11"},
    {"endpoint": "mean_follow_up", "value": 29 / 12, "source": "B17"},
)
# estimate, half width of its Monte Carlo interval, trial range, share of trials without a figure
FIGURES = {
    ("treatment_related_mortality", None): (0.02052, 0.0018, 0.0, 0.06, 0.0),
    ("transplant_related_mortality", None): (0.0046, 0.0009, 0.0, 0.04, 0.0),
    ("pre_transplant_mortality", None): (0.0391, 0.0022, 0.0, 0.08, 0.0),
    ("overall_survival", 5.0): (0.8426, 0.0046, 0.584, 0.981, 0.016),
    ("disease_free_survival", 5.0): (0.5111, 0.0063, 0.21, 0.76, 0.082),
    ("mean_follow_up", None): (2.4279, 0.018, 1.98, 2.86, 0.0),
    ("length_of_stay_days", None): (17.184, 0.028, np.nan, np.nan, np.nan),
    ("no_response", 5.0): (0.0, 0.00008, 0.0, 0.0, 0.0),
}
NUMBERS = ["estimate", "mc_se", "mc_lower", "mc_upper", "trial_lower", "trial_upper"]


@pytest.fixture
def scenario(scenario_of: Callable[..., Scenario]) -> Callable[..., Scenario]:
    """Build a scenario with the trial's targets, or others."""

    def build(title: str = "Chicago 2006", target: Any = TARGETS) -> Scenario:
        return scenario_of({"title": title, "target": list(target)})

    return build


@pytest.fixture
def endpoints() -> pd.DataFrame:
    """Return a table of endpoints: death, overall survival and follow-up on target, the rest not."""
    targets = {(target["endpoint"], target.get("time_years")): target for target in TARGETS}
    rows = []
    for key in keys(5.0):
        estimate, half, low, high, undefined = FIGURES.get(key, (0.9, 0.004, 0.8, 1.0, 0.0))
        target = targets.get(key, {})
        rows.append(
            {
                "endpoint": key[0],
                "time_years": np.nan if key[1] is None else key[1],
                "estimate": estimate,
                "mc_se": half / 1.96,
                "mc_lower": max(estimate - half, 0.0),
                "mc_upper": estimate + half,
                "trial_lower": low,
                "trial_upper": high,
                "trial_undefined": undefined,
                "target": target.get("value", np.nan),
                "target_source": target.get("source", ""),
                "note": "",
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture
def curves() -> pd.DataFrame:
    """Return two straight survival curves that end where the endpoints say."""
    years = np.linspace(0.0, 5.0, 11)
    parts = []
    for name in ("overall_survival", "disease_free_survival"):
        estimate = 1 - (1 - FIGURES[(name, 5.0)][0]) * years / 5
        columns = {"time_years": years, "estimate": estimate}
        parts.append(pd.DataFrame({"endpoint": name, **columns}))
    both = pd.concat(parts, ignore_index=True)
    return both.assign(mc_lower=both["estimate"] - 0.004, mc_upper=both["estimate"] + 0.004)


@pytest.fixture
def blank() -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Make a table of endpoints as it is when nobody is at risk."""

    def empty(table: pd.DataFrame) -> pd.DataFrame:
        numbers = [name for name in NUMBERS if name in table]
        changed = table.assign(**dict.fromkeys(numbers, np.nan))
        return changed.assign(note="nobody_at_risk", trial_undefined=1.0) if "note" in table else changed

    return empty
