"""Clinics with queues: virtual trials are simulated in pieces, and every answer is sharper than the last.

Both sides have the same luck, piece by piece. A piece is kept with its scenario, so that neither another
change nor another tab simulates it again; memory is bounded by how many trials are kept in all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter, thread_time

import numpy as np
import pandas as pd

from sim.outcomes.occupancy import Occupancy, tells
from sim.outcomes.twin.expected import AtHorizon
from sim.patient.fates import mean_patients
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, read_times
from sim.scenario.load import scenario_hash
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.show.kit.prose import sentences
from sim.study.budget import Budget
from sim.study.capacity import capacity, refuse_no_clinic
from sim.study.chunks import cross, play
from sim.study.estimates import estimates
from sim.study.experiment import Experiment, Keep, Pair, units
from sim.study.load import offered_loads
from sim.study.tally import ArmTally, Tally
from sim.work.task import Result

LONG_WAIT = "waited_over_30_days"
HEADLINE = ("overall_survival_enrolled", "died_waiting", LONG_WAIT)
PRECISION, SECONDS = 0.005, 5.0
"""Half of the widest 95% interval of the headline's changes, and seconds of simulating, at which an answer is
done."""
MOST, MOST_PATIENTS = 8192, 5_000
"""Trials that are simulated at most, and patients of one of them."""
_FIRST, _PIECE = (0, 32, 128), 256
"""Where the first pieces begin; after them all are equally long."""
_PATIENCE, _LONGEST = 0.3, 3.0
"""Seconds after which an answer waits for no further piece, and that a piece may take."""
_KEPT = 20_000
"""Trials that are kept, of all scenarios; some 6 kB each."""
_ROOMS, _LOOKED_AT, _CLINICS, _PATIENTS_LOOKED_AT = "clinic.isolation_rooms", 4, 128, 40_000
"""Numbers of rooms that are looked at, each in so many clinics, or in fewer of many patients."""
_KEEPS = "occupancy."
_MOST_LOST = 0.05
"""Trials that may have no figure, for a range of the others to be told."""


def piece(number: int) -> range:
    """Return the trials of a piece: the first are short, so that there is something to see."""
    edges = [*_FIRST, *(_PIECE * more for more in range(1, number + 1))]
    return range(edges[number], edges[number + 1])


@dataclass
class _Simulated:
    """The pieces of one scenario, and how many seconds each took; who simulates one holds the lock."""

    pieces: list[Result] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    overloads: list[str] | None = None
    rooms: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Series:
    """A number in the clinic from day to day: its mean, and the 95% range of single clinics.

    Attributes
    ----------
    what
        As `sim.outcomes.occupancy` names it.
    places
        How many there are, of what has a number; None where it is unlimited, and of queues.
    days, mean, low, high
        Each of shape (days,).
    """

    what: str
    places: int | None
    days: Floats
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Sharpened:
    """What some pieces say of two scenarios, or of one.

    Attributes
    ----------
    sides
        What the twin would say, simulated.
    limits
        Each figure's 95% Monte Carlo interval, by side.
    changes
        Each figure's change with the limits of its interval; empty of one scenario.
    trial
        The 95% range of one trial, or clinic, of the last side.
    clinics
        How full it is, by side.
    trials
        How many were simulated.
    half_width
        Of the headline's changes, the widest; or of its figures.
    unfinished
        Whether it is worth asking again.
    """

    sides: Sequence[AtHorizon]
    limits: Sequence[Mapping[Key, tuple[float, float]]]
    changes: Mapping[Key, tuple[float, float, float]]
    trial: Mapping[Key, tuple[float, float]]
    clinics: Sequence[list[Series]]
    trials: int
    half_width: float
    unfinished: bool

    def errors(self, side: int) -> dict[Key, float]:
        """Return half of each figure's interval."""
        return {key: (high - low) / 2 for key, (low, high) in self.limits[side].items()}


class InPieces:
    """Simulates clinics in pieces, for several threads.

    Parameters
    ----------
    seed
        Of the luck.
    precision, seconds
        See `PRECISION`.
    """

    def __init__(self, seed: int, precision: float = PRECISION, seconds: float = SECONDS) -> None:
        self._seed, self._precision, self._seconds = seed, precision, seconds
        self._kept: OrderedDict[str, _Simulated] = OrderedDict()
        self._lock = Lock()

    def found(
        self, scenarios: Sequence[Scenario], years: Floats, *, paired: bool = True, trials: int | None = None,
        more: bool = True,
    ) -> Sharpened:  # fmt: skip
        """Return what is known of one or two scenarios with one horizon, after another piece or some.

        Parameters
        ----------
        years
            When survival from enrolment is read, up to the horizon.
        paired
            Whether the patients of both are the same.
        trials
            How many to simulate, up to the end of a piece; None to go on for a moment from where it stands.
        more
            False to be content with what is there, if there is any.

        Raises
        ------
        RequestError
            There are too many patients to wait for.
        """
        refuse_many(scenarios)
        until = perf_counter() + _PATIENCE
        sides = [self._of(each) for each in scenarios]
        pairs = (Pair(0, 1, paired=paired, fates=False),) if len(scenarios) > 1 else ()
        tally = Tally(Experiment(tuple(scenarios), self._seed, "arrays", pairs))

        def add() -> None:
            number = len(used)
            for each, side in zip(scenarios, sides, strict=True):
                self._play(each, side, years, number)
            used.append([side.pieces[number] for side in sides])
            tally.add(_joined(scenarios, piece(number), used[-1]), piece(number))

        used: list[list[Result]] = []
        there = min(len(side.pieces) for side in sides)
        while len(used) < max(there, 1) if trials is None else tally.replications < trials:
            add()
        enough = trials is not None or not more or there == 0  # whoever asks first does not wait
        while (unfinished := self._unfinished(tally, sides, len(used))) and not enough:
            add()
            enough = perf_counter() > until
        self._forget()
        return _found(tally, [*zip(*used, strict=True)], unfinished=unfinished)

    def overloads(self, scenario: Scenario, *, look: bool) -> list[str]:
        """Return what it means that more is asked of rooms or slots than they can do.

        Parameters
        ----------
        look
            False to say only what is known already.
        """
        side = self._of(scenario)
        with side.lock:
            if side.overloads is None and look:
                side.overloads = [
                    f"{each.warning}." for each in offered_loads(scenario, self._seed) if each.use >= 1
                ]
            return side.overloads or []

    def rooms(self, scenario: Scenario, target: float | None = None) -> list[str]:
        """Return how few rooms would do, once that was asked for with a target."""
        side = self._of(scenario)
        if target is not None:
            side.rooms = rooms_needed(scenario, target, self._seed)
        return side.rooms

    def _of(self, scenario: Scenario) -> _Simulated:
        key = scenario_hash(scenario)
        with self._lock:
            self._kept.setdefault(key, _Simulated())
            self._kept.move_to_end(key)
            return self._kept[key]

    def _play(self, scenario: Scenario, side: _Simulated, years: Floats, number: int) -> None:
        """Simulate the next piece of a scenario, unless somebody has meanwhile."""
        with side.lock:
            if number == len(side.pieces):
                begun = thread_time()  # which is the same on a busy machine
                keep = Keep(occupancy=True, alive=tuple(years.tolist()))
                result = play(Experiment((scenario,), self._seed, "arrays", keep=keep), piece(number))
                side.pieces.append({name.removeprefix("0."): values for name, values in result.items()})
                side.seconds.append(thread_time() - begun)

    def _unfinished(self, tally: Tally, sides: Sequence[_Simulated], number: int) -> bool:
        """Tell whether another piece is wanted and, as far as one can tell, does not take too long."""
        if tally.replications >= MOST or half_width(tally) <= self._precision:
            return False
        spent = sum(sum(side.seconds[:number]) for side in sides)
        ahead = spent * len(piece(number)) / tally.replications
        return spent + ahead < self._seconds and ahead < _LONGEST

    def _forget(self) -> None:
        """Let the scenarios go that were asked about longest ago."""
        with self._lock:
            while sum(piece(len(each.pieces)).start for each in self._kept.values()) > _KEPT:
                self._kept.popitem(last=False)


def refuse_many(scenarios: Sequence[Scenario]) -> None:
    """Refuse what nobody would wait for."""
    patients = round(max(map(mean_patients, scenarios)))
    if patients > MOST_PATIENTS:
        raise RequestError(
            f"arrivals: {patients:,} patients are too many to be simulated while somebody waits; allowed "
            f"where rooms or slots are limited: up to {MOST_PATIENTS:,}; lupus-hsct run simulates more"
        )


def rooms_needed(scenario: Scenario, target: float, seed: int) -> list[str]:
    """Say how few rooms would do for at most a share of patients to wait over 30 days for one.

    Raises
    ------
    RequestError
        It is no open clinic, or has too many patients.
    """
    refuse_no_clinic(scenario)
    refuse_many([scenario])
    unlimited = with_values(scenario, {_ROOMS: 1})
    offered = next(each.offered for each in offered_loads(unlimited, seed) if each.key == _ROOMS)
    fewest = max(int(offered), 1)
    clinics = min(_CLINICS, max(int(_PATIENTS_LOOKED_AT / mean_patients(scenario)), 16))
    budget = Budget(replications=clinics, seed=seed, engine="arrays", workers=1)
    _, smallest = capacity(
        scenario, (LONG_WAIT, None), target, _ROOMS, range(fewest, fewest + _LOOKED_AT), budget, {}
    )
    found = [str(each).replace(": not decided", " (more clinics would tell)") for each in smallest["status"]]
    return sentences("app", "rooms", 100 * target, f"{offered:.1f}", found, clinics)


def half_width(tally: Tally) -> float:
    """Return half of the widest 95% interval of the headline: of its changes, if there are any."""
    arm, horizon = tally.arms[0], tally.arms[0].scenario.follow_up.horizon_years
    at = [arm.keys.index((name, read_times(BY_NAME[name], horizon)[-1])) for name in HEADLINE]
    found = tally.pairs[0].differences() if tally.pairs else estimates(arm.sums, share=True)
    return float(np.max(found.upper[at] - found.lower[at])) / 2


def _joined(scenarios: Sequence[Scenario], trials: range, pieces: Sequence[Result]) -> Result:
    """Return the result that simulating all scenarios at once would have given."""
    result = {
        f"{number}.{name}": values for number, each in enumerate(pieces) for name, values in each.items()
    }
    if len(scenarios) > 1:
        one, other = scenarios
        cut = [slice(unit.start - trials.start, unit.stop - trials.start) for unit in units(other, trials)]
        crossed = cross((one, other), [(each["total"], each["size"]) for each in pieces], cut)
        result |= {f"pair0.{name}": values for name, values in crossed.items()}
    return result


def _found(tally: Tally, pieces: Sequence[Sequence[Result]], *, unfinished: bool) -> Sharpened:
    scenarios, tables = [arm.scenario for arm in tally.arms], [arm.endpoints() for arm in tally.arms]
    changes: dict[Key, tuple[float, float, float]] = {}
    for two in tally.pairs:
        found = two.differences()
        limits = zip(found.value.tolist(), found.lower.tolist(), found.upper.tolist(), strict=True)
        changes = dict(zip(two.keys, limits, strict=True))
    reported = tables[-1]["trial_undefined"] <= _MOST_LOST
    return Sharpened(
        [
            _side(arm, table, own, scenarios)
            for arm, table, own in zip(tally.arms, tables, pieces, strict=True)
        ],
        [_ranges(arm.keys, table, "mc") for arm, table in zip(tally.arms, tables, strict=True)],
        changes,
        _ranges(tally.arms[-1].keys, tables[-1].where(reported), "trial"),
        [_series(each, own) for each, own in zip(scenarios, pieces, strict=True)],
        tally.replications,
        half_width(tally),
        unfinished,
    )


def _ranges(keys: Sequence[Key], table: pd.DataFrame, what: str) -> dict[Key, tuple[float, float]]:
    limits = zip(table[f"{what}_lower"].tolist(), table[f"{what}_upper"].tolist(), strict=True)
    return dict(zip(keys, limits, strict=True))


def _side(
    arm: ArmTally, table: pd.DataFrame, pieces: Sequence[Result], scenarios: Sequence[Scenario]
) -> AtHorizon:
    """Return what the twin would say, and waits where there are any on either side, each with its error."""
    *alive, remission, waiting, enrolled = np.sum([each["alive"] for each in pieces], axis=0)
    figures = {
        key: np.array([value])
        for key, value in zip(arm.keys, table["estimate"], strict=True)
        if any(tells(BY_NAME[key[0]], each) for each in scenarios)
    }
    shares = np.array([remission, waiting]) / enrolled
    return AtHorizon(figures, shares[:1], shares[1:], np.array([alive]) / enrolled)


def _series(scenario: Scenario, pieces: Sequence[Result]) -> list[Series]:
    """Return rooms, slots and their queues over time."""
    occupancy, clinic = Occupancy(scenario), scenario.clinic
    for each in pieces:
        kept = {name.removeprefix(_KEEPS): values for name, values in each.items() if name.startswith(_KEEPS)}
        if kept:
            occupancy.join(kept)
    limits = {"rooms_in_use": clinic.isolation_rooms, "slots_in_use": clinic.apheresis_slots}
    return [
        Series(str(what), int(limit) if isinstance(limit := limits.get(what), int) else None,
               *(own[name].to_numpy() for name in ("time_days", "mean", "trial_lower", "trial_upper")))
        for what, own in occupancy.table().groupby("series", sort=False)
    ]  # fmt: skip
