"""Point calibration: the parameters at which the exact twin gives the published figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special

from sim.outcomes.twin.expected import expected, expected_many
from sim.scenario.aims import check_aims
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column
from sim.scenario.problems import RequestError
from sim.scenario.registry import Range, parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values

TOLERANCE = 1e-8
"""Largest difference between a published figure and the twin that still counts as solved."""

_STEP = 1e-5  # of central differences, in transformed coordinates
_REACH = 14.0  # transformed coordinates stay this near to zero on the side of a limit
_POLISHES = 4
_MOST_STEPS = 60


@dataclass(frozen=True)
class PointFit:
    """The solution of as many equations as unknowns.

    Attributes
    ----------
    scenario
        The scenario with the solved values.
    values
        The solved value of each key.
    targets, residuals
        The figures aimed at, and published figure less twin for each.
    jacobian
        Derivatives of the twin's figures (rows) by the logarithms of the values, logits for shares (columns).
    evaluations
        How often the twin was asked.
    before
        The values at which the search started.
    """

    scenario: Scenario
    values: dict[str, float]
    targets: tuple[Key, ...]
    residuals: Floats
    jacobian: Floats
    evaluations: int
    before: dict[str, float]

    @cached_property
    def rank(self) -> int:
        """Rank of the Jacobian: below the number of keys, the targets do not determine them."""
        return int(np.linalg.matrix_rank(self.jacobian))

    @cached_property
    def condition(self) -> float:
        """Condition number of the Jacobian."""
        return float(np.linalg.cond(self.jacobian))


def solve_point(scenario: Scenario) -> PointFit:
    """Solve ``calibration.solve`` so that the twin meets every ``[[target]]`` exactly.

    Parameters
    ----------
    scenario
        Its present values are where the search starts.

    Raises
    ------
    RequestError
        The targets and the keys do not make a system of equations, the twin can't give a target, or no
        values within the ranges meet the targets.
    """
    check_aims(scenario, lambda _key: "")
    problems = list(_system_problems(scenario))
    if problems:
        raise RequestError("\n".join(problems))
    system = _System(scenario)
    available = expected(scenario)
    missing = [column(key) for key in system.targets if key not in available]
    if missing:
        names = dict.fromkeys(name for name, _ in available)
        raise RequestError(
            f"the target {', '.join(missing)} has no exact figure here; solve from {', '.join(names)}, "
            "at times up to the horizon"
        )
    return _solve(system)


def _system_problems(scenario: Scenario) -> Iterator[str]:
    keys, targets = scenario.calibration.solve, scenario.fitted_targets
    if not targets:
        yield (
            "there is no [[target]], so nothing to calibrate to: state one for each parameter in "
            "calibration.solve, or calibrate the scenario that this one is based on"
        )
    elif len(keys) != len(targets):
        yield (
            f"calibration.solve names {len(keys)} parameters and there are {len(targets)} targets: "
            "a point calibration needs one [[target]] for each parameter, and at least one"
        )
    for target in targets:
        if BY_NAME[target.endpoint].kind == "share" and not 0 < target.value < 1:
            yield (
                f"the target {target.endpoint} is {target.value:g}: a share can be solved for only "
                "strictly between 0 and 1; write the value that is expected, and what was counted, as in "
                "value = 0.005, observed = 0"
            )


@dataclass(frozen=True)
class _Coordinate:
    """One parameter on a scale without limits: its logit if it is a share, else its logarithm."""

    key: str
    is_share: bool
    lower: float
    upper: float

    @classmethod
    def of(cls, key: str) -> _Coordinate:
        limits = parameters()[key].numbers or Range(0.0, np.inf, lower_open=True, whole=False)
        if (limits.lower, limits.upper) == (0.0, 1.0):
            return cls(key, True, -_REACH, _REACH)
        # A little below the limit, so that derivatives there can be taken.
        return cls(key, False, -_REACH, min(float(np.log(limits.upper)) - 2 * _STEP, _REACH))

    def inside(self, value: float) -> float:
        """Return the coordinate of a value, a little off the limits, where nothing would move."""
        coordinate = float(special.logit(value) if self.is_share else np.log(max(value, 0.0) or 1e-300))
        margin = 1e-3 * (self.upper - self.lower)
        return float(np.clip(coordinate, self.lower + margin, self.upper - margin))

    def value(self, coordinate: float) -> float:
        return float(special.expit(coordinate) if self.is_share else np.exp(coordinate))


class _System:
    """The equations: figures of the twin less published ones, as a function of the coordinates."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.coordinates = [_Coordinate.of(key) for key in scenario.calibration.solve]
        self.targets: tuple[Key, ...] = tuple((t.endpoint, t.time_years) for t in scenario.fitted_targets)
        self.published = np.array([target.value for target in scenario.fitted_targets])
        self.evaluations = 0

    @property
    def start(self) -> Floats:
        pairs = ((c, get_value(self.scenario, c.key)) for c in self.coordinates)
        return np.array([coordinate.inside(value) for coordinate, value in pairs])

    def values(self, x: Floats) -> dict[str, float]:
        return {c.key: c.value(at) for c, at in zip(self.coordinates, x.tolist(), strict=True)}

    def figures(self, points: Floats) -> Floats:
        """Return the twin's figures, one row a point; not a number where an endpoint has nobody left."""
        self.evaluations += len(points)
        found = expected_many([with_values(self.scenario, self.values(x)) for x in points])
        nothing = np.full(len(points), np.nan)
        return np.column_stack([found.get(key, nothing) for key in self.targets])

    def twin(self, x: Floats) -> Floats:
        """Return the twin's figures at one point."""
        return np.asarray(self.figures(x[None])[0])

    def excess(self, x: Floats) -> Floats:
        """Return twin less published, made finite: with nobody left a figure is as good as 0."""
        return np.asarray(np.nan_to_num(self.twin(x)) - self.published)

    def jacobian(self, x: Floats) -> Floats:
        """Return the derivatives of the twin, by central differences."""
        steps = np.eye(x.size) * _STEP
        above, below = np.split(self.figures(np.concatenate([x + steps, x - steps])), 2)
        return np.asarray((above - below).T / (2 * _STEP))


def _solve(system: _System) -> PointFit:
    bounds = ([c.lower for c in system.coordinates], [c.upper for c in system.coordinates])
    found = optimize.least_squares(
        system.excess,
        system.start,
        bounds=bounds,
        x_scale="jac",
        xtol=1e-12,
        ftol=1e-14,
        gtol=1e-14,
        max_nfev=_MOST_STEPS,
    )
    x: Floats = found.x
    if np.abs(found.fun).max() > 1e-4:
        raise _unreachable(system, x)
    for _ in range(_POLISHES):  # Newton to the last digits, which least squares leaves
        excess, jacobian = system.excess(x), system.jacobian(x)
        closer = np.clip(x - np.linalg.lstsq(jacobian, excess, rcond=None)[0], *bounds)
        if not np.abs(system.excess(closer)).max() < np.abs(excess).max():
            break
        x = closer
    residuals = system.published - system.twin(x)
    if not np.abs(residuals).max() < TOLERANCE:
        raise _unreachable(system, x)
    values = system.values(x)
    solved, jacobian = with_values(system.scenario, values), system.jacobian(x)
    loose = free_combination(jacobian, list(values))
    if loose is not None:
        raise RequestError(
            f"the targets do not determine {', '.join(values)}: on the scale of logarithms (logits for "
            f"shares) they can move along {loose} and every figure stays the same. Take one of these "
            "parameters out of calibration.solve, or add a target that tells them apart"
        )
    before = {key: float(get_value(system.scenario, key)) for key in values}
    return PointFit(solved, values, system.targets, residuals, jacobian, system.evaluations, before)


def _unreachable(system: _System, x: Floats) -> RequestError:
    """Say which target can't be met together with the others, and how near one gets."""
    nearest = system.twin(x)
    worst = int(np.argmax(np.abs(np.nan_to_num(nearest) - system.published)))
    figures = _listed(system.targets, nearest)
    at_limit = [
        c.key for c, at in zip(system.coordinates, x, strict=True) if min(at - c.lower, c.upper - at) < 0.5
    ]
    limits = f"; at the limit of its range: {', '.join(at_limit)}" if at_limit else ""
    return RequestError(
        f"no values of {', '.join(system.scenario.calibration.solve)} meet all targets: "
        f"{column(system.targets[worst])} should be {system.published[worst]:.6g}, the nearest attainable "
        f"with the others is {nearest[worst]:.6g}, off by "
        f"{abs(nearest[worst] - system.published[worst]):.1g} (all: {figures}){limits}. Change a target "
        "or a fixed parameter, or start from other values"
    )


def _listed(targets: Sequence[Key], figures: Floats) -> str:
    return ", ".join(f"{column(key)} {figure:.6g}" for key, figure in zip(targets, figures, strict=True))


def free_combination(jacobian: Floats, keys: Sequence[str]) -> str | None:
    """Say in which combination the parameters can move without moving a figure; None if in none.

    Parameters
    ----------
    jacobian
        Derivatives of figures (rows) by logarithms (logits for shares) of the parameters.
    """
    _, sizes, rows = np.linalg.svd(jacobian)
    if sizes.size == len(keys) and sizes.min() > 1e-9 * max(sizes.max(), 1e-300):
        return None
    vector = rows[-1] / np.abs(rows[-1]).max()
    parts = [f"{part:+.2g} x {key}" for part, key in zip(vector, keys, strict=True) if abs(part) > 0.01]
    return " ".join(parts)
