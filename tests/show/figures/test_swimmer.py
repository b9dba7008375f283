"""Swimmer plots: the lanes are the histories, and the titles are counted from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import pytest
from matplotlib.figure import Figure

from sim.clinic.history import History
from sim.scenario.schema import Scenario
from sim.show.figures.swimmer import MOST_PAIRS, paired_swimmer_figure, swimmer_figure
from sim.show.kit.lanes import Lane, detail_days, diverge, lane_of
from sim.study.records import course_rows, first_courses, paired_courses

MakeScenario: TypeAlias = Callable[..., Scenario]
Play: TypeAlias = Callable[..., History]
Made: TypeAlias = Callable[..., History]
YEAR = 365.25
FIVE = 5 * YEAR

PATH: dict[str, float | bool] = {
    "enrolled": 100.0,
    "mobilisation_days": 10.0,
    "slot_days": 2.0,
    "recovery_days": 20.0,
    "immunoablation_days": 5.0,
    "aplasia_days": 9.0,
    "stay_days": 12.0,
}
"""Mobilised to day 10, harvested to 12, in a room from 32, reinfused on 37, engrafted on 46, home on 49."""


@pytest.fixture
def made(
    scenario_of: MakeScenario,
    still: dict[str, Any],
    fate_of: Callable[..., Any],
    treat: Callable[..., History],
) -> Made:
    """Treat patients whose fates are written out; the path is that above."""

    def build(*patients: dict[str, float | bool], **clinic: Any) -> History:
        changes = {key.replace("__", "."): value for key, value in clinic.items()}
        scenario = scenario_of(still, {"after_relapse.multiplier": 1.0}, changes)
        return treat(scenario, [fate_of(**{**PATH, **patient}) for patient in patients])

    return build


def lane(history: History, patient: int = 0, cut: float | None = None) -> Lane:
    (row,) = course_rows(history, [patient]).to_dict("records")
    return lane_of(row, FIVE, cut)


def paired(first: History, second: History, patients: Iterable[int]) -> Figure:
    courses = paired_courses("beta", [("alpha", first), ("beta", second)], list(patients))
    return paired_swimmer_figure(courses, ("alpha", "beta"), FIVE)


def finding(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_a_lane_goes_place_by_place(made: Made) -> None:
    found = lane(made({"relapse_days": 400.0, "mobilisation_infection": 8.0}), cut=1000.0)
    assert [(span.kind, span.begin, span.end) for span in found.places] == [
        ("mobilising", 0, 10),
        ("harvesting", 10, 12),
        ("recovering", 12, 32),
        ("immunoablation", 32, 37),
        ("aplasia", 37, 46),
        ("recovering_in_hospital", 46, 49),
        ("home", 49, FIVE),
    ]
    assert [(span.kind, span.begin, span.end) for span in found.statuses] == [
        ("active", 0, 46),
        ("remission", 46, 437),
        ("relapsed", 437, FIVE),
    ]
    assert {(mark.kind, mark.day) for mark in found.marks} == {
        ("infection", 8),
        ("reinfusion", 37),
        ("relapse", 437),
    }
    assert (found.cause, found.end, found.cut) == ("", FIVE, 900)


def test_a_lane_ends_in_death_of_its_cause(made: Made) -> None:
    found = lane(made({"toxicity_days": 7.0, "late_infection": 50.0}))
    assert (found.cause, found.end) == ("toxicity", 39)
    assert found.places[-1] == ("aplasia", 37, 39)
    assert [mark.kind for mark in found.marks] == ["reinfusion"]


def test_who_never_responds_stays_active(made: Made) -> None:
    assert [span.kind for span in lane(made({"responds": False})).statuses] == ["active"]


def test_queues_for_slots_and_for_rooms_are_seen(made: Made) -> None:
    history = made({}, {}, clinic__apheresis_slots=1, clinic__isolation_rooms=1)
    queues = [(span.begin, span.end) for span in lane(history, 1).places if span.kind == "queueing"]
    assert queues == [(10, 12), (34, 49)]


def test_what_happens_after_the_horizon_is_not_drawn(made: Made) -> None:
    found = lane(made({"background_days": FIVE + 1, "relapse_days": FIVE}))
    assert (found.cause, found.relapse, found.status) == ("", math.inf, "remission")
    at_once = lane(made({"background_days": FIVE}))
    assert (at_once.cause, at_once.end) == ("background", FIVE)


def test_the_title_counts_deaths_by_cause_and_relapses(
    made: Made, words: Callable[[Figure], str], fits: Callable[[Figure], bool]
) -> None:
    history = made(
        {"relapse_days": 300.0, "lupus_days": 400.0},
        {"lupus_days": 20.0},
        {"infection_death": 15.0, "aplasia_infection": 8.0},
        {"relapse_days": 500.0},
        {},
        {"harvest_fails": True},
    )
    figure = swimmer_figure(
        first_courses(history, []), "A scenario", FIVE, data_cut=800.0, notes=["A caution."]
    )
    assert finding(figure) == "3 of the 6 patients die in 5 years: 2 of lupus, 1 of infection; 2 relapse"
    text = words(figure)
    for said in (
        *("Died: 3", "Alive after a relapse: 1", "Alive with active disease: 1", "Alive in remission: 1"),
        *("lupus, day 20", "infection, day 52", "A scenario", "A caution.", "withdrawn"),
        "unseen by the trial itself, as none of the deaths are",
    ):
        assert said in text.replace("\n", " ")
    assert fits(figure)


def test_patients_are_numbered_from_one_and_the_dead_come_first(made: Made) -> None:
    history = made({}, {"lupus_days": 40.0}, {"lupus_days": 20.0})
    figure = swimmer_figure(first_courses(history, []), "", FIVE, None)
    names = [text for text in figure.axes[0].texts if text.get_text().isdecimal()]
    assert [text.get_text() for text in sorted(names, key=lambda text: text.xy[1])] == ["3", "2", "1"]


def test_of_many_patients_the_first_60_since_the_warm_up_are_drawn(
    scenario_of: MakeScenario, play: Play, words: Callable[[Figure], str], fits: Callable[[Figure], bool]
) -> None:
    poisson = {
        "arrivals.pattern": "poisson",
        "arrivals.warm_up_days": 100.0,
        "clinic.isolation_rooms": 4,
        "follow_up.data_cut_days": "none",
    }
    history = play(scenario_of(poisson), range(2))
    came = history.enrolled[:, 1]
    counted = np.flatnonzero((came >= 100) & np.isfinite(came))
    figure = swimmer_figure(first_courses(history.only(slice(1, 2)), []), "", FIVE, None, opened=100.0)
    text = words(figure)
    assert f"The first 60 of {len(counted)} patients enrolled after the warm-up are shown." in text
    assert "of the first 60 patients" in finding(figure)
    shown = {int(line) for line in text.splitlines() if line.isdecimal() and int(line) > 5}
    assert set(counted[:60] + 1) - {30, 60, 90, 120, 150, 180} <= shown
    assert counted[60] + 1 not in shown
    assert fits(figure)


def test_over_a_range_the_title_is_a_band_and_who_dies_at_some_values_is_told_apart(
    scenario_of: MakeScenario, play: Play, words: Callable[[Figure], str]
) -> None:
    home = {"cohort.enters_at": "home", "active_disease.hazard_per_year": 0.2}
    high = play(scenario_of(home))
    low = play(scenario_of(home, {"active_disease.hazard_per_year": 0.05}))
    dead = [int(np.sum(history.death <= history.enrolled + FIVE)) for history in (low, high)]
    assert dead[0] < dead[1]
    figure = swimmer_figure(first_courses(high, [low, high]), "", FIVE, None)
    assert (
        finding(figure)
        == f"Between {dead[0]} and {dead[1]} of the 50 patients die in 5 years, over the range"
    )
    assert f"Died, but not over the whole range: {dead[1] - dead[0]}" in words(figure)
    assert f"Died over the whole range: {dead[0]}" in words(figure)
    assert len(figure.axes) == 1  # nobody is on the pathway: no days in detail


def test_nobody_to_show_is_said_in_words(made: Made) -> None:
    history = made({"enrolled": math.inf})
    assert (
        finding(swimmer_figure(first_courses(history, []), "", FIVE, None))
        == "No patients to show: nobody enrolled"
    )


def test_courses_part_where_they_first_differ(made: Made) -> None:
    plain, ill = lane(made({})), lane(made({"aplasia_infection": 4.0}))
    assert diverge(plain, ill) == 41
    assert diverge(plain, lane(made({}))) == math.inf
    assert diverge(plain, lane(made({"relapse_days": 500.0}))) == 537
    assert diverge(lane(made({"lupus_days": 41.0})), plain) == 41
    assert diverge(plain, None) == 0


def test_a_rounding_error_is_no_difference(made: Made) -> None:
    early, late = (made({"enrolled": day, "mobilisation_days": 10.7}) for day in (0.1, 2861.3))
    assert lane(early).places != lane(late).places
    assert diverge(lane(early), lane(late)) == math.inf


def test_the_paired_title_says_who_lives_and_who_dies(
    made: Made, words: Callable[[Figure], str], fits: Callable[[Figure], bool]
) -> None:
    sick, well = {"lupus_days": 20.0}, {}
    first = made(sick, well, well, {"lupus_days": 30.0}, well)
    second = made(well, sick, sick, sick)
    figure = paired(first, second, [0, 1, 2, 3, 4])
    assert finding(figure) == (
        "2 patients die with beta and live with alpha, 1 the other way round; "
        "1 dies with both, but at another time or of another cause, in up to 5 years"
    )
    text = words(figure)
    for said in (
        *("Dies with alpha, lives with beta: 1", "Lives with alpha, dies with beta: 2", "Dies with both: 1"),
        *("Enrolled with alpha only: 1", "not enrolled", "dies: lupus, day 30", "alive, in remission"),
    ):
        assert said in text
    assert fits(figure)


def test_only_the_patients_asked_for_are_drawn(made: Made, words: Callable[[Figure], str]) -> None:
    first, second = made({}, {}, {}), made({}, {"lupus_days": 20.0}, {"lupus_days": 25.0})
    text = words(paired(first, second, [2])).splitlines()
    assert "3" in text
    assert "2" not in text or text.count("2") == 1  # the axis of years
    assert text.count("alpha") == 1


def test_a_pair_is_striped_up_to_where_it_parts(made: Made, words: Callable[[Figure], str]) -> None:
    first, second = made({}), made({"aplasia_infection": 4.0})
    figure = paired(first, second, [0])
    striped = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert [patch.get_x() + patch.get_width() for patch in striped] == [41, 41]
    assert "Striped: the course is the same in both up to there." in words(figure)
    apart = paired(first, made({}, cohort__enters_at="home"), [0])
    assert "Striped" not in words(apart)


def test_what_two_courses_share_keeps_its_colour(made: Made) -> None:
    """A faded aplasia would be the colour of recovery in hospital."""
    figure = paired(made({}), made({"aplasia_infection": 4.0}), [0])
    for patch in figure.axes[0].patches:
        assert patch.get_alpha() in (None, 1.0)
        assert patch.get_hatch() is None or patch.get_facecolor()[3] == 0  # stripes cover nothing else


def test_who_does_not_fit_is_counted_all_the_same(made: Made, words: Callable[[Figure], str]) -> None:
    many = MOST_PAIRS + 3
    first, second = made(*[{}] * many), made(*[{"lupus_days": 20.0}] * many)
    figure = paired(first, second, range(many))
    assert finding(figure).startswith(f"{many} patients die with beta and live with alpha")
    text = words(figure)
    assert f"Lives with alpha, dies with beta: {many}, of whom {MOST_PAIRS} shown" in text
    assert f"{MOST_PAIRS} of the {many} patients whose fates differ are shown." in text
    assert text.splitlines().count("alpha") == MOST_PAIRS


def test_nobody_to_pair_is_said_in_words(made: Made) -> None:
    history = made({})
    figure = paired(history, history, [])
    assert finding(figure) == "No patient differs between alpha and beta"


def test_detail_shows_nine_in_ten_ways_to_discharge(made: Made) -> None:
    quick = [lane(made({}))] * 19
    slow = lane(made({"recovery_days": 170.0}))
    assert detail_days([*quick, slow]) == 60  # home on day 49
    assert detail_days([slow]) == 180
    assert detail_days([lane(made({}, cohort__enters_at="immunoablation"))]) == 30  # home on day 17
    assert detail_days([lane(made({"recovery_days": 75.0}))]) == 120  # home on day 104
    assert detail_days([lane(made({}, cohort__enters_at="home"))]) == 0
