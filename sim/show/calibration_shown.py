"""What is shown of a calibration: the tables of its folder, and what its figures draw beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sim.calibrate.tables import ACTIVE, MULTIPLIER
from sim.outcomes.occupancy import is_limited
from sim.scenario.distributions import Floats
from sim.scenario.registry import parameters, unit_of
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value
from sim.show.kit.formats import with_unit
from sim.study.posterior import effective_size
from sim.work.results import Results

_SHORT = {
    "mobilisation.infection.case_fatality": "Fatal mobilisation infections",
    ACTIVE: "Lupus hazard when active",
    "aplasia.infection.case_fatality": "Fatal later infections",
    "relapse.scale_years": "Relapse time scale",
    "relapse.shape": "Relapse shape",
    MULTIPLIER: "Multiplier after relapse",
    "arrivals.power": "Accrual power",
}
_LONGEST = 40
FEW_DRAWS = 100.0
"""Effective sample size below which the shape of a posterior is noise."""
FEW_KEPT = 100
"""Virtual trials below which simulation alone tells little."""

_SMALL = 0.2  # parts of a direction below it are not named


@dataclass(frozen=True)
class Shown:
    """What is shown of a calibration.

    Attributes
    ----------
    scenario
        At the point solution; where a queue may bind, as it was given.
    tables
        The tables of the folder, by the names of their files.
    solved
        Whether there is a point solution.
    draws
        The posterior: ``weight`` and one column a free parameter; None without a posterior.
    reported
        What virtual trials report under draws of the posterior; empty without one.
    kept
        How many virtual trials simulation alone keeps; 0 if it was not asked for.
    own
        Tables that mostly figures need: ``priors``, ``ridge`` and ``no_transplant``.
    learned
        Whether patients of one's own were learned from, and not the figures of a trial.
    """

    scenario: Scenario
    tables: Mapping[str, pd.DataFrame]
    solved: bool
    draws: pd.DataFrame | None
    reported: pd.DataFrame
    kept: int
    own: dict[str, pd.DataFrame]
    learned: bool = False

    @classmethod
    def of(cls, results: Results) -> Shown:
        """Gather what is shown of a calibration."""
        scenario = Scenario.model_validate(results.manifest["resolved"])
        solved = results.manifest["solved"] is not None
        posterior = results.manifest["posterior"]
        if posterior is None:
            return cls(scenario, results.tables, solved, None, pd.DataFrame(), 0, {})
        draws = results.tables["posterior"].iloc[1:].reset_index(drop=True)  # the first line is the point
        names = [name for name in ("priors", "ridge", "no_transplant") if name in results.tables]
        own = {name: results.tables[name] for name in names}
        kept = int(posterior.get("kept_by_simulation_alone", 0))
        reported = results.tables.get("repeats", pd.DataFrame())  # so long that it may have been removed
        return cls(
            scenario, results.tables, solved, draws, reported, kept, own, results.kind == "learn"
        )  # fmt: skip

    @property
    def limited(self) -> bool:
        """Whether a queue may bind, so that the posterior is that by simulation alone."""
        return is_limited(self.scenario)

    @property
    def few_draws(self) -> str:
        """Say that the posterior rests on too few draws to tell of its shape; empty if it does not."""
        if self.draws is None:
            return ""
        size = effective_size(self.draws["weight"].to_numpy())
        return "" if size >= FEW_DRAWS else f"Only {size:.0f} effective draws: too few to tell"

    @property
    def keys(self) -> list[str]:
        """The free parameters."""
        return [] if self.draws is None else [str(name) for name in self.draws.columns[1:]]

    def point(self, key: str) -> float:
        """Return the calibrated value of a parameter."""
        return float(get_value(self.scenario, key))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def short_name(key: str) -> str:
    """Name a parameter in a few words, by what it means."""
    if key in _SHORT:
        return _SHORT[key]
    parameter = parameters().get(key)
    if parameter is None or not parameter.meaning or len(parameter.meaning) > _LONGEST:
        return key
    return parameter.meaning[0].upper() + parameter.meaning[1:]


def lower_name(key: str) -> str:
    """Name a parameter within a sentence; a dotted key stays as it is."""
    name = short_name(key)
    return name if name == key else name[0].lower() + name[1:]


def signed(value: float, digits: int = 2) -> str:
    """Write a number with its sign."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def parts_text(direction: Mapping[Any, Any], keys: Sequence[str]) -> str:
    """Name the main parts of a direction of the parameter space, the largest first."""
    parts = sorted(((float(direction[key]), key) for key in keys), key=lambda part: -abs(part[0]))
    return ", ".join(f"{signed(part)} {lower_name(key)}" for part, key in parts if abs(part) >= _SMALL)


def is_share(key: str) -> bool:
    """Tell whether a parameter is a share of patients or events, shown in per cent."""
    parameter = parameters().get(key)
    limits = None if parameter is None else parameter.numbers
    return limits is not None and (limits.lower, limits.upper) == (0.0, 1.0)


def written(key: str, value: float) -> str:
    """Write a parameter's value with its unit, for people."""
    if is_share(key):
        return f"{100 * value:.2g}%" if value < 0.995 else "100%"
    text = f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    return with_unit(text, unit_of(key))


def log_spread_left(shown: Shown) -> pd.DataFrame:
    """Return what is left of the prior's variance of the logarithms of both lupus hazards.

    One row each for the hazard when active, the multiplier, and their product: ``name, prior_sd,
    posterior_sd, left, mc_se``. Empty where one of the two is not free.
    """
    found = []
    if shown.draws is not None and {ACTIVE, MULTIPLIER} <= set(shown.keys):
        priors = shown.own["priors"]
        weights = shown.draws["weight"].to_numpy()
        logs = {key: np.log(np.maximum(shown.draws[key].to_numpy(), 1e-300)) for key in (ACTIVE, MULTIPLIER)}
        before = {key: _prior_variance(priors[priors["key"] == key]) for key in logs}
        logs["product"] = logs[ACTIVE] + logs[MULTIPLIER]
        before["product"] = before[ACTIVE] + before[MULTIPLIER]  # independent beforehand
        for name, values in logs.items():
            centred = values - weights @ values
            after = float(weights @ centred**2)
            error = float(np.sqrt(weights**2 @ (centred**2 - after) ** 2))
            found.append(
                {
                    "name": name, "prior_sd": before[name] ** 0.5, "posterior_sd": after**0.5,
                    "left": after / before[name], "mc_se": error / before[name],
                }
            )  # fmt: skip
    return pd.DataFrame(found)


def _prior_variance(prior: pd.DataFrame) -> float:
    """Return the variance of the logarithm under the prior, from its grid of normal scores."""
    scores: Floats = prior["score"].to_numpy()
    logs: Floats = np.log(np.maximum(prior["value"].to_numpy(), 1e-300))
    share = np.exp(-0.5 * scores**2)
    share /= share.sum()
    return float(share @ (logs - share @ logs) ** 2)


def correlation(shown: Shown, one: str, other: str) -> float:
    """Return the posterior correlation of the logarithms of two parameters."""
    if shown.draws is None:
        return float("nan")
    weights = shown.draws["weight"].to_numpy()
    a, b = (np.log(np.maximum(shown.draws[key].to_numpy(), 1e-300)) for key in (one, other))
    a, b = a - weights @ a, b - weights @ b
    return float(weights @ (a * b) / np.sqrt((weights @ a**2) * (weights @ b**2)))
