"""What happens at equal times follows the stated rule: not the order of SimPy's events, nor that of arrays.

The rule: death, then a change of the number of places, then the end of a stay and release, then entry to a
queue, then grant; then the lower patient number. A room freed at a moment serves a request of that moment; a
death at the moment of a grant takes no room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.clinic import arrays
from sim.clinic.history import Course, History, columns_of, history_of
from sim.clinic.pathway import WAY_DAYS, Clinic, Patient, Protocol, simulate
from sim.clinic.states import ALIVE, Cause
from sim.patient.fates import NEVER, Fate, Fates, by_replication, draw_fates
from sim.patient.luck import Luck
from sim.scenario.capacities import Timetable
from sim.scenario.load import load
from sim.scenario.schema import Scenario

MakeScenario = Callable[..., Scenario]
MakeFate = Callable[..., "Fate[float, bool]"]
Cohort = Sequence["Fate[float, bool]"]
MakeClinic = Callable[..., tuple[Scenario, Cohort]]
Overrides = dict[str, Any]
HORIZON = 50.0


# The rule without a clock: patients one by one, and the next free time of every numbered place.


class Places:
    """Numbered places, each with the time from which it is free; so many may be in use as there are then."""

    def __init__(self, places: Timetable, patients: int) -> None:
        self.numbered, self.places = places.most < NEVER, places
        self.free = [-NEVER] * (int(places.most) if self.numbered else patients)

    def grant(self, asks: float) -> tuple[float, int]:
        """Return when the next in line could have a place, and the lowest number free by then."""
        moments = sorted({asks, *self.free, *self.places.days})
        start = next(t for t in moments if t >= asks and self.in_use(t) < self.there_are(t))
        return start, next(number for number, since in enumerate(self.free, 1) if since <= start)

    def in_use(self, time: float) -> int:
        return sum(since > time for since in self.free)

    def there_are(self, time: float) -> float:
        return next(n for day, n in sorted(zip(*self.places, strict=True), reverse=True) if day <= time)


def in_line(asks: Sequence[float]) -> list[int]:
    """Return who asks, by time and then by number."""
    return sorted((n for n, time in enumerate(asks) if time < NEVER), key=lambda n: (asks[n], n))


def by_the_rule(protocol: Protocol, fates: Cohort) -> list[Course]:
    """Work out every course from the words of the rule, station after station."""
    at_home = [_blank(protocol, fate) for fate in fates]
    if protocol.enters_at == "home":
        return [
            _closed(course, _lasting(fate), fate, protocol)
            for course, fate in zip(at_home, fates, strict=True)
        ]
    if protocol.enters_at == "immunoablation":
        courses = [
            course._replace(waiting=fate.enrolled) for course, fate in zip(at_home, fates, strict=True)
        ]
    else:
        courses = _through_the_slots(protocol, at_home, fates)
    return _through_the_rooms(protocol, courses, fates)


def _blank(protocol: Protocol, fate: Fate[float, bool]) -> Course:
    course = Course(*[NEVER] * len(Course._fields))._replace(cause=ALIVE, room=0)
    course = course._replace(follow_up_end=max(fate.enrolled + protocol.horizon, protocol.data_cut))
    place = {"mobilisation": "mobilising", "home": "home"}.get(protocol.enters_at)
    return course._replace(**{place: fate.enrolled}) if place else course


def _lasting(fate: Fate[float, bool]) -> dict[Cause, float]:
    """Return the deaths that threaten from enrolment on."""
    return {
        Cause.LUPUS: fate.enrolled + fate.lupus_days,
        Cause.BACKGROUND: fate.enrolled + fate.background_days,
    }


def _through_the_slots(protocol: Protocol, courses: list[Course], fates: Cohort) -> list[Course]:
    exits = [min(_lasting(fate).values()) for fate in fates]
    ready = [fate.enrolled + fate.mobilisation_days for fate in fates]
    well = [fate.mobilisation_infection_death == NEVER for fate in fates]
    asks = [r if w and e > r else NEVER for r, w, e in zip(ready, well, exits, strict=True)]
    courses = [course._replace(ready_for_harvest=time) for course, time in zip(courses, asks, strict=True)]
    slots = Places(protocol.slots, len(fates))
    for n in in_line(asks):
        fate, (start, slot) = fates[n], slots.grant(asks[n])
        if exits[n] <= start:
            continue
        sessions_end = start + fate.slot_days
        slots.free[slot - 1] = min(sessions_end, exits[n])
        courses[n] = courses[n]._replace(harvesting=start)
        harvested = sessions_end + fate.marrow_days
        if exits[n] <= harvested:
            continue
        if fate.harvest_fails:
            courses[n] = courses[n]._replace(withdrawn=harvested, home=harvested)
            continue
        fit = harvested + fate.recovery_days
        courses[n] = courses[n]._replace(recovering=harvested, waiting=fit if exits[n] > fit else NEVER)
    return courses


def _through_the_rooms(protocol: Protocol, courses: list[Course], fates: Cohort) -> list[Course]:
    rooms = Places(protocol.rooms, len(fates))
    done = list(courses)
    deaths = [_lasting(fate) for fate in fates]
    if protocol.enters_at == "mobilisation":
        for fate, mine in zip(fates, deaths, strict=True):
            mine[Cause.INFECTION] = fate.enrolled + fate.mobilisation_infection_death
    for n in in_line([course.waiting for course in courses]):
        start, room = rooms.grant(courses[n].waiting)
        if min(deaths[n].values()) <= start:
            continue
        done[n], left = _stay(courses[n], fates[n], start, deaths[n], protocol)
        done[n] = done[n]._replace(room=room if rooms.numbered else 0)
        rooms.free[room - 1] = left + fates[n].turnaround_days
    return [_closed(*each, protocol) for each in zip(done, deaths, fates, strict=True)]


def _stay(
    course: Course, fate: Fate[float, bool], start: float, deaths: dict[Cause, float], protocol: Protocol
) -> tuple[Course, float]:
    """Return the course with the stay, and its end; notes the deaths that the treatment brings or averts."""
    reinfusion = start + fate.immunoablation_days
    engraftment = reinfusion + fate.aplasia_days
    discharge = reinfusion + fate.stay_days
    if start + fate.toxicity_days <= engraftment:
        deaths[Cause.TOXICITY] = start + fate.toxicity_days
    course = course._replace(immunoablation=start)
    if min(deaths.values()) <= reinfusion:
        return course, min(deaths.values())
    deaths[Cause.INFECTION] = reinfusion + fate.infection_death
    followed = max(protocol.after_reinfusion, fate.stay_days)
    course = course._replace(aplasia=reinfusion, follow_up_end=max(reinfusion + followed, protocol.data_cut))
    if fate.responds and deaths[Cause.LUPUS] > engraftment:
        relapse = reinfusion + fate.relapse_days
        unspent = deaths[Cause.LUPUS] - engraftment
        lasts = unspent * protocol.relapsed_days_per_active_day
        deaths[Cause.LUPUS] = relapse + lasts if lasts < fate.remission_days else NEVER
        course = course._replace(relapse=relapse)
    death = min(deaths.values())
    if death > engraftment:
        course = course._replace(recovering_in_hospital=engraftment)
    if death > discharge:
        course = course._replace(home=discharge)
    return course, min(death, discharge)


def _closed(
    course: Course, deaths: dict[Cause, float], fate: Fate[float, bool], protocol: Protocol
) -> Course:
    """Return the course as recorded by the end of follow-up."""
    death = min(deaths.values())
    if protocol.enters_at != "home" and course.aplasia == NEVER:  # followed until the way through is over
        end = max(course.follow_up_end, min(death, course.withdrawn, fate.enrolled + WAY_DAYS))
        course = course._replace(follow_up_end=end)
    end = course.follow_up_end
    if course.relapse > end or course.relapse >= death:
        course = course._replace(relapse=NEVER)
    if death > end or death == NEVER:
        return course
    return course._replace(death=death, cause=min(c for c, time in deaths.items() if time == death))


# Cohorts full of ties


instant = st.sampled_from([0.0, 1.0, 2.0])
sometime = st.one_of(st.just(NEVER), st.sampled_from([float(day) for day in range(9)]))
cohorts = st.lists(
    st.fixed_dictionaries(
        {
            "enrolled": st.sampled_from([0.0, 0.0, 1.0, 4.0]),
            "lupus_days": sometime,
            "background_days": sometime,
            "mobilisation_days": instant,
            "mobilisation_infection_death": st.sampled_from([NEVER] * 7 + [1.0]),
            "slot_days": instant,
            "marrow_days": st.sampled_from([0.0, 0.0, 1.0]),
            "harvest_fails": st.sampled_from([False] * 7 + [True]),
            "recovery_days": instant,
            "immunoablation_days": instant,
            "toxicity_days": st.sampled_from([NEVER, NEVER, NEVER, 0.0, 1.0, 3.0]),
            "aplasia_days": instant,
            "infection_death": st.sampled_from([NEVER, NEVER, NEVER, 0.0, 1.0, 3.0]),
            "turnaround_days": st.sampled_from([0.0, 0.0, 1.0]),
            "responds": st.booleans(),
            "relapse_days": st.sampled_from([NEVER, 2.0, 6.0]),
            "remission_days": st.sampled_from([NEVER, NEVER, 0.0, 1.0, 2.0]),
        }
    ),
    min_size=2,
    max_size=14,
)  # fmt: skip
delays = st.lists(instant, min_size=14, max_size=14)
changing = st.builds(
    lambda first, days, counts: [[0, first], *zip(sorted(days), counts, strict=False), [12, 2]],
    st.integers(0, 3), st.sets(st.integers(1, 9), max_size=3), st.tuples(*[st.integers(0, 4)] * 3),
)  # fmt: skip
capacity = st.one_of(st.sampled_from([1, 1, 2, 3, 4, "unlimited"]), changing)
clinics = st.fixed_dictionaries(
    {
        "cohort.enters_at": st.sampled_from(["mobilisation", "immunoablation", "home"]),
        "clinic.apheresis_slots": capacity,
        "clinic.isolation_rooms": capacity,
        "after_relapse.multiplier": st.sampled_from([0, 0.5, 2]),
        "follow_up.horizon_years": st.sampled_from([5 / 365.25, HORIZON]),
        "follow_up.data_cut_days": st.sampled_from(["none", 7]),
    }
)


def tied(examples: int) -> Callable[[Any], Any]:
    """Check a rule on many small clinics, always the same ones."""
    drawn = given(clinics, cohorts, delays)
    return lambda test: settings(deadline=None, max_examples=examples, derandomize=True)(drawn(test))


@pytest.fixture(scope="session")
def clinic_of(scenario_of: MakeScenario, still: Overrides, fate_of: MakeFate) -> MakeClinic:
    """Make a scenario and its patients."""

    def build(overrides: Overrides, patients: list[Overrides], delay: list[float]) -> tuple[Scenario, Cohort]:
        # A discharge never comes before engraftment.
        stays = [patient["aplasia_days"] + later for patient, later in zip(patients, delay, strict=False)]
        fates = [fate_of(**patient, stay_days=stay) for patient, stay in zip(patients, stays, strict=True)]
        return scenario_of(still, overrides), fates

    return build


def assert_same(one: History, other: History) -> None:
    for name in columns_of(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def say(courses: Sequence[Course]) -> list[dict[str, float]]:
    """Return courses as tables, for messages that name the field."""
    return [course._asdict() for course in courses]


@tied(400)
def test_every_course_is_what_the_words_of_the_rule_give(
    clinic_of: MakeClinic, overrides: Overrides, patients: list[Overrides], delay: list[float]
) -> None:
    scenario, fates = clinic_of(overrides, patients, delay)
    protocol = Protocol.of(scenario)
    told = by_the_rule(protocol, fates)
    assert say(Clinic(protocol).treat(fates)) == say(told)
    columns: Fates = Fate._make(np.array([column]).T for column in zip(*fates, strict=True))
    assert_same(arrays.simulate(scenario, columns), history_of(columns, [told]))


@pytest.mark.parametrize("hazard", [0.0, 2.0])
@pytest.mark.parametrize(
    ("name", "change"),
    [("open_clinic", "clinic.isolation_rooms=3"), ("chicago2006", "arrivals.window_days=2")],
)
def test_so_is_every_course_with_drawn_durations(name: str, change: str, hazard: float) -> None:
    """A sum in another order would show in the last bit, most of all soon after opening."""
    queues = ["clinic.isolation_rooms=2", "clinic.apheresis_slots=2"]
    scenario = load(name, [*queues, change, f"active_disease.hazard_per_year={hazard}"]).scenario
    protocol = Protocol.of(scenario)
    fates = draw_fates(scenario, Luck(1), range(3))
    told = [by_the_rule(protocol, patients) for patients in by_replication(fates)]
    assert_same(simulate(scenario, fates), history_of(fates, told))
    assert_same(arrays.simulate(scenario, fates), history_of(fates, told))


# SimPy's internal order


def treated(
    protocol: Protocol, fates: Cohort, order: Sequence[int], ids: Iterator[float] | None
) -> list[Course]:
    """Treat everybody, with processes started and simultaneous events numbered in an order of one's own."""
    clinic = Clinic(protocol)
    if ids is not None:
        clinic.env._eid = ids  # type: ignore[assignment]
    patients = [Patient(clinic, number, fate) for number, fate in enumerate(fates)]
    for number in order:
        clinic.env.process(patients[number].journey())
    clinic.env.run()
    return [patient.course() for patient in patients]


def endless(draw: Callable[[], float]) -> Iterator[float]:
    while True:
        yield draw()


@tied(200)
def test_the_order_in_which_processes_start_changes_nothing(
    clinic_of: MakeClinic, overrides: Overrides, patients: list[Overrides], delay: list[float]
) -> None:
    scenario, fates = clinic_of(overrides, patients, delay)
    protocol = Protocol.of(scenario)
    usual, numbers = Clinic(protocol).treat(fates), list(range(len(fates)))
    for order in (numbers[::-1], np.random.default_rng(1).permutation(numbers).tolist()):
        assert say(treated(protocol, fates, order, None)) == say(usual)


@tied(200)
def test_the_order_of_simultaneous_events_changes_nothing(
    clinic_of: MakeClinic, overrides: Overrides, patients: list[Overrides], delay: list[float]
) -> None:
    """SimPy takes events of one time and priority in order of their number; here, backwards and at random."""
    scenario, fates = clinic_of(overrides, patients, delay)
    protocol = Protocol.of(scenario)
    usual, numbers = Clinic(protocol).treat(fates), range(len(fates))
    for ids in (iter(range(10**6, 0, -1)), endless(np.random.default_rng(1).random)):
        assert say(treated(protocol, fates, numbers, ids)) == say(usual)


# Scenario files


TIED = """
kind = "scenario"
base = "chicago2006"
title = "Everybody at once, and every stage takes whole days"
target = []

[cohort]
patients = 23

[arrivals]
window_days = 0

[clinic]
apheresis_slots = 3
isolation_rooms = 4
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
duration_days = 2
toxicity_per_day = 0

[aplasia]
duration_days = 3
discharge_delay_days = 0
infection.hazard_per_day = 0

[late_infection]
hazard_per_day = 0

[background]
life_table = "none"
"""


@pytest.mark.parametrize(
    ("slot_days", "turnaround_days"), [(0, 0), (0, 2), (1, 0), (1, 1), (4, 0)], ids=lambda days: f"{days}"
)
def test_a_scenario_of_whole_days_is_served_in_turns(
    tmp_path: Path, slot_days: int, turnaround_days: int
) -> None:
    """Patients of one turn come out of the slots and into the rooms in order of their numbers."""
    file = tmp_path / "tied.toml"
    file.write_text(TIED)
    days = [f"harvest.duration_days={slot_days}", f"clinic.room_turnaround_days={turnaround_days}"]
    scenario = load(str(file), days).scenario
    history = simulate(scenario, draw_fates(scenario, Luck(1), range(2)))
    numbers = np.arange(23)
    harvested = (numbers // 3 + 1) * slot_days
    granted: list[int] = []
    for n in numbers:
        room_free = granted[n - 4] + 5 + turnaround_days if n >= 4 else 0
        granted.append(max(int(harvested[n]), room_free))
    for replication in range(2):
        assert history.waiting[:, replication].tolist() == harvested.tolist()
        assert history.immunoablation[:, replication].tolist() == granted
        if slot_days <= 1:  # rooms never stand empty, so each is passed on in turn
            assert history.room[:, replication].tolist() == (numbers % 4 + 1).tolist()
