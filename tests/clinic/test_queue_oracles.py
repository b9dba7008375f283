"""Queues of scenario files against closed forms: Erlang C and A, Pollaczek and Khinchine, Crommelin, Burke.

A day is the unit: stays last a day on average. Every clinic opens empty, runs for 150 days uncounted, five
relaxation times of the slowest queue here, and is then counted: what is left of the start is far less than
a standard error.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from estimating import read_endpoints
from numpy.typing import NDArray
from scipy import special, stats

from sim.clinic import arrays, pathway
from sim.clinic.history import History
from sim.patient.fates import NEVER, draw_fates
from sim.patient.luck import Luck
from sim.scenario.load import load
from sim.scenario.schema import DAYS_PER_YEAR, PoissonArrivals, Scenario
from sim.study.estimates import moments, ratio_estimate

Floats = NDArray[np.float64]
Ratio = tuple[Floats, Floats]
"""Totals and sizes, one a replication."""
Simulate = Callable[..., dict[str, Ratio]]

# One false alarm in 10,000 runs of this module, over all its comparisons. Replications are independent
# clinics, so their scatter holds whatever correlation there is between patients of one.
COMPARISONS = 50
FALSE_ALARM = 1e-4
WARM_UP = 150.0
AT_ONCE = 64

OF_QUEUES = (
    "room_wait_days", "room_occupancy", "pre_transplant_mortality", "waited", "died_waiting_of_asked",
    "died_waiting", "slot_waited", "slot_wait_days", "room_wait_median_days", "room_wait_90_percent_days",
)  # fmt: skip

# Nothing but a room, and how long one stays in it.
PLAIN = f"""
kind = "scenario"
base = "chicago2006"
title = "A plain queue"
target = []

[cohort]
enters_at = "immunoablation"

[arrivals]
pattern = "poisson"
years = 1
warm_up_days = {WARM_UP}

[follow_up]
data_cut_days = "none"

[clinic]
room_turnaround_days = 0

[mobilisation]
duration_days = 0
infection.hazard_per_day = 0

[harvest]
duration_days = 0

[recovery]
duration_days = 0
postponement.probability = 0

[active_disease]
hazard_per_year = 0

[immunoablation]
duration_days = 0
toxicity_per_day = 0

[aplasia]
duration_days = 0
discharge_delay_days = 0
infection.hazard_per_day = 0

[late_infection]
hazard_per_day = 0

[after_relapse]
multiplier = 0

[background]
life_table = "none"
"""
EXPONENTIAL = 'immunoablation.duration_days = { dist = "exponential", mean = 1 }'


def rooms_and_arrivals(rooms: int, per_day: float) -> str:
    """Return the lines of a scenario file that say how many rooms there are and how many patients come."""
    return f"clinic.isolation_rooms = {rooms}\narrivals.per_year = {per_day * DAYS_PER_YEAR!r}"


@pytest.fixture
def simulate(tmp_path: Path) -> Simulate:
    """Write what a scenario file adds to the plain one, and simulate it."""

    def run(text: str, replications: int) -> dict[str, Ratio]:
        (tmp_path / "plain.toml").write_text(PLAIN)
        file = tmp_path / "queue.toml"
        file.write_text(f'kind = "scenario"\nbase = "plain.toml"\n{text}\n')
        scenario, luck = load(str(file)).scenario, Luck(1)
        pieces = []
        for first in range(0, replications, AT_ONCE):
            fates = draw_fates(scenario, luck, range(first, first + AT_ONCE))
            pieces.append(observed(arrays.simulate(scenario, fates), scenario))
        assert_simpy_agrees(scenario)
        return {
            name: (
                np.concatenate([piece[name][0] for piece in pieces]),
                np.concatenate([piece[name][1] for piece in pieces]),
            )
            for name in pieces[0]
        }

    return run


def assert_simpy_agrees(scenario: Scenario) -> None:
    """Play one replication in both simulators: the many that follow are of the faster one."""
    fates = draw_fates(scenario, Luck(1), range(1))
    by_events, by_arrays = (simulator.simulate(scenario, fates) for simulator in (pathway, arrays))
    for name in ("harvesting", "immunoablation", "room", "death"):
        np.testing.assert_array_equal(getattr(by_events, name), getattr(by_arrays, name), err_msg=name)


def observed(history: History, scenario: Scenario) -> dict[str, Ratio]:
    """Return the endpoints of queues, and what is read off the histories, for each replication."""
    assert isinstance(scenario.arrivals, PoissonArrivals)
    opens = scenario.arrivals.warm_up_days
    # At most a year of arrivals is counted; where more come, it is because they may overtake in recovery.
    counted = (history.enrolled >= opens) & (history.enrolled < opens + DAYS_PER_YEAR)
    readings = read_endpoints(history, scenario)
    found = {name: (readings[name, None].total, readings[name, None].size) for name in OF_QUEUES}
    for place, asked, granted in (
        ("slot", history.ready_for_harvest, history.harvesting),
        ("room", history.waiting, history.immunoablation),
    ):
        asking, served = counted & (asked < NEVER), counted & (granted < NEVER)
        waits = np.subtract(granted, asked, out=np.zeros(asked.shape), where=served)
        found |= {
            f"{place}: wait of the served": (waits.sum(axis=0), served.sum(axis=0)),
            f"{place}: has to wait": ((asking & (granted > asked)).sum(axis=0), asking.sum(axis=0)),
            f"{place}: dies waiting": ((asking & ~served).sum(axis=0), asking.sum(axis=0)),
        }
    return found


def assert_near(found: dict[str, Ratio], expected: dict[str, float], tolerance: float = 0.0) -> None:
    """Compare ratios of sums with what theory gives, which may itself be off by a relative tolerance."""
    for name, value in expected.items():
        total, size = found[name]
        estimate = ratio_estimate(moments(total, size), share=False)
        bound = stats.t.isf(FALSE_ALARM / 2 / COMPARISONS, total.size - 1) * estimate.se
        assert abs(estimate.value - value) < bound + tolerance * value, name
        assert estimate.se < 0.025 * value, f"{name}: too few patients to see a difference"


# Exponential stays


def erlang_c(servers: int, load: float) -> float:
    """Return the probability of waiting in M/M/c (Erlang AK. Elektroteknikeren 1917;13:5-13)."""
    blocks = [load**n / factorial(n) for n in range(servers)]
    queue = load**servers / factorial(servers) * servers / (servers - load)
    return queue / (sum(blocks) + queue)


def mmc(servers: int, arrivals: float, stay: float = 1.0, place: str = "room") -> dict[str, float]:
    """Return wait and probability of waiting in M/M/c with a mean stay in days."""
    load = arrivals * stay
    waits = erlang_c(servers, load)
    return {f"{place}: has to wait": waits, f"{place}: wait of the served": waits * stay / (servers - load)}


@pytest.mark.parametrize(("rooms", "load", "replications"), [(1, 0.65, 768), (2, 1.5, 384), (4, 3.2, 256)])
def test_exponential_stays_wait_as_erlang_c_says(
    simulate: Simulate, rooms: int, load: float, replications: int
) -> None:
    found = simulate(f"{rooms_and_arrivals(rooms, load)}\n{EXPONENTIAL}", replications)
    expected = mmc(rooms, load)
    endpoints = {"room_wait_days": expected["room: wait of the served"], "room_occupancy": load}
    assert_near(found, expected | endpoints | {"waited": expected["room: has to wait"]})


def test_quantiles_of_the_wait_are_those_of_erlang_c(simulate: Simulate) -> None:
    """Who waits does so exponentially; in twenty years a clinic's own quantiles are those in the long run."""
    rooms, load = 2, 1.6
    found = simulate(f"{rooms_and_arrivals(rooms, load)}\n{EXPONENTIAL}\narrivals.years = 20", 64)
    waits = erlang_c(rooms, load)
    quantiles = {q: np.log(waits / (1 - q)) / (rooms - load) for q in (0.5, 0.9)}
    expected = {"room_wait_median_days": quantiles[0.5], "room_wait_90_percent_days": quantiles[0.9]}
    assert_near(found, expected, tolerance=0.01)


def erlang_a(rooms: int, arrivals: float, hazard: float) -> dict[str, float]:
    """Return what M/M/c+M gives, where patience is the time to death from active lupus.

    The hazard goes on in the room until reinfusion, so a room is left at the rate 1 + hazard; the number n of
    patients in the clinic is a birth-death chain that falls at the rate min(n, c) (1 + hazard) +
    max(n - c, 0) hazard. Who comes as number j in the queue moves up at the rate c (1 + hazard) + (j - 1)
    hazard and dies at the hazard; whichever comes first, it takes the mean of the two together.

    Notes
    -----
    Palm C. Tele 1957;2:1-107. Mandelbaum A, Zeltyn S. In: Advances in Services Innovations, 2007:17-45.
    """
    most, leave = 400, 1 + hazard
    n = np.arange(most)
    down = np.minimum(n, rooms) * leave + np.maximum(n - rooms, 0) * hazard
    chain = np.cumprod(np.concatenate([[1.0], arrivals / down[1:]]))
    chain /= chain.sum()
    j = np.arange(1, most - rooms + 1)  # found n >= c patients: number n - c + 1 in the queue
    step = rooms * leave + j * hazard
    served = np.cumprod((step - hazard) / step)
    full = chain[rooms:]
    gets_in = chain[:rooms].sum() + full @ served
    return {
        "room: has to wait": full.sum(),
        "waited": full.sum(),
        "room: dies waiting": 1 - gets_in,
        "died_waiting": 1 - gets_in,
        "died_waiting_of_asked": 1 - gets_in,
        "room: wait of the served": full @ (served * np.cumsum(1 / step)) / gets_in,
        "room_occupancy": np.minimum(n, rooms) @ chain,
        "pre_transplant_mortality": 1 - gets_in + gets_in * hazard / leave,
    }


@pytest.mark.parametrize(
    ("rooms", "arrivals", "hazard", "replications"),
    [(1, 0.9, 0.2, 640), (2, 1.8, 0.1, 384), (4, 6.0, 0.2, 128)],
)
def test_patients_with_active_lupus_die_waiting_as_erlang_a_says(
    simulate: Simulate, rooms: int, arrivals: float, hazard: float, replications: int
) -> None:
    """To the last clinic come half as many patients again as its rooms can treat."""
    lupus = f"active_disease.hazard_per_year = {hazard * DAYS_PER_YEAR!r}"
    found = simulate(f"{rooms_and_arrivals(rooms, arrivals)}\n{EXPONENTIAL}\n{lupus}", replications)
    expected = erlang_a(rooms, arrivals, hazard)
    # The closed form agrees with itself: who does not die waiting leaves by a room.
    assert expected["room_occupancy"] * (1 + hazard) == pytest.approx(
        arrivals * (1 - expected["room: dies waiting"])
    )
    assert_near(found, expected)


# Other stays


def pollaczek_khinchine(load: float, variance: float) -> dict[str, float]:
    """Return what M/G/1 gives with stays of one day on average (Khinchine AY. Mat Sb 1932;39(4):73-84)."""
    wait = load * (1 + variance) / (2 * (1 - load))
    return {"room: has to wait": load, "room: wait of the served": wait, "room_occupancy": load}


ONE_ROOM = {
    "fixed": ("immunoablation.duration_days = 1", 0.0),
    "lognormal": ('immunoablation.duration_days = { dist = "lognormal", mean = 1, sd = 1 }', 1.0),
    "gamma": ('immunoablation.duration_days = { dist = "gamma", mean = 1, sd = 0.5 }', 0.25),
    # The turnaround holds the room too, and all that patients spend in it counts.
    "in parts": (
        'immunoablation.duration_days = { dist = "exponential", mean = 0.4 }\n'
        "aplasia.duration_days = 0.1\n"
        'aplasia.discharge_delay_days = { dist = "gamma", mean = 0.2, sd = 0.4 }\n'
        'clinic.room_turnaround_days = { dist = "lognormal", mean = 0.3, sd = 0.3 }',
        0.16 + 0.16 + 0.09,
    ),
}


@pytest.mark.parametrize("kind", ONE_ROOM)
def test_one_room_is_waited_for_as_pollaczek_and_khinchine_say(simulate: Simulate, kind: str) -> None:
    text, variance = ONE_ROOM[kind]
    found = simulate(f"{rooms_and_arrivals(1, 0.65)}\n{text}", replications=768)
    assert_near(found, pollaczek_khinchine(0.65, variance))


def crommelin(rooms: int, load: float) -> dict[str, float]:
    """Return what M/D/c gives with stays of one day.

    A day later everybody now in a room has left it, and who has come meanwhile has not: the number n in the
    clinic becomes max(n - c, 0) + Poisson(load). Waits follow from the length of the queue by Little's law.

    Notes
    -----
    Crommelin CD. Post Office Electrical Engineers' Journal 1932;25:41-50.
    """
    most = 300
    n = np.arange(most)
    step = stats.poisson.pmf(n[None, :] - np.maximum(n - rooms, 0)[:, None], load)
    balance = np.vstack([step.T - np.eye(most), np.ones(most)])
    chain = np.linalg.lstsq(balance, np.concatenate([np.zeros(most), [1.0]]), rcond=None)[0]
    return {
        "room: has to wait": chain[rooms:].sum(),
        "room: wait of the served": np.maximum(n - rooms, 0) @ chain / load,
    }


def test_fixed_stays_wait_as_crommelin_says(simulate: Simulate) -> None:
    found = simulate(f"{rooms_and_arrivals(3, 2.4)}\nimmunoablation.duration_days = 1", replications=256)
    assert_near(found, crommelin(3, 2.4))


def light_traffic(rooms: int, load: float, sd: float) -> dict[str, float]:
    """Return the mean wait in M/G/c with lognormal stays of one day on average, at a low load.

    In the limit of no load, who waits has found every room taken by one who had come before, so the wait is
    the shortest of c residual stays; its ratio to M/M/c then falls towards (1 + variance) / 2 with the load.

    Notes
    -----
    The limit is exact: Burman DY, Smith DR. Math Oper Res 1983;8:15-25. In between: Tijms HC, van Hoorn MH,
    Federgruen A. Adv Appl Probab 1981;13:186-206.
    """
    sigma2 = np.log1p(sd**2)
    days = np.linspace(0, 400, 400_001)[1:]
    z = (np.log(days) + sigma2 / 2) / np.sqrt(sigma2)
    # The share of residual stays beyond x is E[(S - x)+] / E[S].
    beyond = special.ndtr(np.sqrt(sigma2) - z) - days * special.ndtr(-z)
    shortest = np.trapezoid(np.concatenate([[1.0], beyond]) ** rooms, np.concatenate([[0.0], days]))
    utilisation = load / rooms
    ratio = (1 - utilisation) * rooms * shortest + utilisation * (1 + sd**2) / 2
    return {"room: wait of the served": ratio * mmc(rooms, load)["room: wait of the served"]}


def test_lognormal_stays_at_a_low_load_wait_as_the_light_traffic_limit_says(simulate: Simulate) -> None:
    """M/M/2 would wait 22% less, and the rule (1 + variance) / 2 gives 27% more."""
    stay = 'immunoablation.duration_days = { dist = "lognormal", mean = 1, sd = 1.5 }'
    text = f"{rooms_and_arrivals(2, 0.4)}\n{stay}\narrivals.warm_up_days = 20"
    # 28 million patients of a bare simulation waited 0.05375 (SE 0.00014): 0.7% more than this.
    assert_near(simulate(text, replications=3840), light_traffic(2, 0.4, sd=1.5), tolerance=0.01)


# Two stations


@pytest.mark.parametrize(("slots", "session", "rooms", "stay"), [(1, 1, 2, 2), (2, 2, 1, 1)])
def test_slots_then_rooms_wait_as_two_queues_on_their_own(
    simulate: Simulate, slots: int, session: int, rooms: int, stay: int
) -> None:
    """Patients leave M/M/c as a Poisson stream (Burke PJ. Oper Res 1956;4:699-704), and recovery too."""
    found = simulate(
        f"{rooms_and_arrivals(rooms, 0.7)}\n"
        f'cohort.enters_at = "mobilisation"\n'
        f"clinic.apheresis_slots = {slots}\n"
        f'harvest.duration_days = {{ dist = "exponential", mean = {session} }}\n'
        f'recovery.duration_days = {{ dist = "exponential", mean = 2 }}\n'
        f'immunoablation.duration_days = {{ dist = "exponential", mean = {stay} }}\n'
        f"arrivals.years = 1.1",
        replications=768,
    )
    assert_near(found, mmc(slots, 0.7, session, "slot") | mmc(rooms, 0.7, stay))
