"""Cohort files: what they inherit, what they say of each figure, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from sim.scenario.cohort import ObservedCohort, cohort_rows, load_cohort, load_cohorts
from sim.scenario.describe import warnings_about
from sim.scenario.evidence import ids_in
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.shipped import shipped_names
from sim.scenario.values import get_value

CohortOf: TypeAlias = Callable[[str], ObservedCohort]

ABOUT = 'kind = "cohort"\nbase = "chicago2006"\ntitle = "Mine"\nsource = "me"\n'
SURVIVAL = '[[observed]]\nendpoint = "overall_survival"\ntime_years = 5\nvalue = 0.8\nsource = "me"\n'
COUNT = '[[observed]]\nendpoint = "treatment_related_mortality"\nvalue = 0.04\nn = 50\nsource = "me"\n'
DISEASE_FREE = SURVIVAL.replace("overall", "disease_free")


@pytest.fixture
def cohort_of(tmp_path: Path) -> CohortOf:
    def write(text: str) -> ObservedCohort:
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return load_cohort(str(path))

    return write


@pytest.mark.parametrize("name", shipped_names("cohort"))
def test_shipped_cohorts_load_and_every_value_has_a_source(name: str) -> None:
    cohort = load_cohort(name)
    assert not list(warnings_about(cohort.loaded))
    assert ids_in(cohort.source)
    assert cohort.base in shipped_names()
    for figure in cohort.figures:
        assert ids_in(figure.source), figure
        assert figure.role == "fitted" or figure.differs, "what differs is said before it is missed"


def test_shipped_cohorts_say_where_they_overlap() -> None:
    roles = {cohort.name: {figure.role for figure in cohort.figures} for cohort in load_cohorts(())}
    # The trial's own centre, its registry, and what an assumption was made by.
    for name in ("traynor2000", "burt2018", "burt2018_all", "cibmtr2012", "alchi2013"):
        assert roles[name] == {"overlaps"}, name
    assert roles["jayne2004"] == {"fitted", "overlaps"}
    assert roles["burt2006"] == {"fitted"}
    assert roles["leng2017"] == roles["berlin2005"] == {"held_out"}


def test_the_later_course_of_jayne_is_that_of_chicago_and_the_early_one_its_own() -> None:
    cohort, chicago, europe = load_cohort("jayne2004"), load("chicago2006"), load("ebmt2004")
    late = (
        "relapse.shape",
        "relapse.scale_years",
        "relapse.start_day",
        "active_disease.hazard_per_year",
        "after_relapse.multiplier",
    )
    for key in cohort.loaded.origins:
        other = chicago if key in late else europe
        assert get_value(cohort.scenario, key) == get_value(other.scenario, key), key


def test_a_cohort_inherits_its_base_and_aims_at_nothing(cohort_of: CohortOf) -> None:
    cohort = cohort_of(ABOUT + "[cohort]\npatients = 9\n" + SURVIVAL)
    assert cohort.name == "mine"
    assert cohort.base == "chicago2006"
    assert cohort.scenario.cohort.patients == 9
    assert cohort.scenario.relapse == load("chicago2006").scenario.relapse
    assert cohort.scenario.target == []
    assert cohort.scenario.calibration.solve == []


def test_what_is_said_at_the_top_holds_for_figures_that_say_nothing(cohort_of: CohortOf) -> None:
    top = 'overlaps = "the centre"\ndiffers = "the drug"\n'
    own = COUNT.replace("n = 50", 'n = 50\noverlaps = "all"\ndiffers = "much"\nfitted = true')
    one, other = cohort_of(ABOUT + top + SURVIVAL + own).figures
    assert (one.role, one.overlaps, one.differs) == ("overlaps", "the centre", "the drug")
    assert (other.role, other.overlaps, other.differs) == ("fitted", "all", "much")
    (alone,) = cohort_of(ABOUT + SURVIVAL).figures
    assert (alone.role, alone.overlaps) == ("held_out", "")


def test_a_count_is_exact_and_other_figures_are_as_they_were_printed(cohort_of: CohortOf) -> None:
    counted, survival, exact = cohort_of(
        ABOUT
        + COUNT.replace("0.04", "0.06").replace("n = 50", "n = 49")
        + SURVIVAL
        + DISEASE_FREE.replace("value = 0.8", "value = 0.8\nrounded_to = 0.001")
    ).figures
    assert (counted.events, counted.value, counted.slack, counted.reading) == (3, 3 / 49, 0, "count")
    assert (survival.events, survival.value, survival.slack) == (None, 0.8, 0.005)
    assert (survival.reading, survival.limits) == ("kaplan_meier", None)
    assert exact.slack == 0.0005


def test_the_list_has_every_cohort() -> None:
    assert [row["name"] for row in cohort_rows()] == list(shipped_names("cohort"))
    assert list(cohort_rows()[0]) == ["name", "title", "base", "patients", "figures"]


WRONG = {
    "share as a percentage": (ABOUT + SURVIVAL.replace("0.8", "81"), ["value = 81", "from 0 to 1", "0.81"]),
    "negative": (ABOUT + SURVIVAL.replace("0.8", "-0.1"), ["value = -0.1"]),
    "not a number": (ABOUT + SURVIVAL.replace("0.8", '"0.8"'), ["value", "plainly: 0.8"]),
    "disease-free above alive": (
        ABOUT + SURVIVAL + DISEASE_FREE.replace("0.8", "0.9"),
        [
            "number 2, Disease-free survival, 5 y 0.9",
            "above [[observed]] number 1, Overall survival, 5 y 0.8",
        ],
    ),
    "beyond the horizon": (
        ABOUT + SURVIVAL.replace("= 5", "= 8"),
        ["time_years = 8", "follow_up.horizon_years, which is 5", "horizon_years = 8"],
    ),
    "beyond the data cut": (
        ABOUT + "[arrivals]\nwindow_days = 300\n[follow_up]\ndata_cut_days = 900\n" + SURVIVAL,
        ["time_years = 5", "day 900", "2.46 years"],
    ),
    "unknown endpoint": (
        ABOUT + SURVIVAL.replace("overall_survival", "overal_survival"),
        ['endpoint = "overal_survival"', "did you mean overall_survival?"],
    ),
    "no trial reports it": (
        ABOUT + COUNT.replace("treatment_related_mortality", "room_wait_days"),
        ["room_wait_days", "no trial reports it", "overall_survival"],
    ),
    "no time": (ABOUT + SURVIVAL.replace("time_years = 5\n", ""), ["time_years is missing"]),
    "a time too many": (ABOUT + COUNT + "time_years = 1\n", ["time_years = 1", "has no time"]),
    "a reading that it has not": (
        ABOUT + COUNT + 'reading = "kaplan_meier"\n',
        ['reading = "kaplan_meier"', 'read as "count"'],
    ),
    "an unknown reading": (ABOUT + COUNT + 'reading = "counted"\n', ["reading", 'mean "count"?']),
    "no such count": (ABOUT + COUNT.replace("0.04", "0.05"), ["0.05", "n = 50", "2 are 0.0400", "3 are"]),
    "more than there are": (ABOUT + COUNT.replace("n = 50", "n = 75"), ["n = 75", "which is 50"]),
    "outside its interval": (
        ABOUT + SURVIVAL + "lower = 0.85\nupper = 0.9\n",
        ["value = 0.8", "0.85 to 0.9"],
    ),
    "half an interval": (ABOUT + SURVIVAL + "lower = 0.7\n", ["both limits"]),
    "twice": (ABOUT + SURVIVAL + SURVIVAL, ["Overall survival, 5 y", "twice"]),
    "no figures": (ABOUT, ["no [[observed]]"]),
    "single brackets": (ABOUT + SURVIVAL.replace("[[", "[").replace("]]", "]"), ["[[observed]]"]),
    "misspelt": (ABOUT + SURVIVAL.replace("[[observed]]", "[[obsered]]"), ["obsered", "mean observed?"]),
    "unknown key": (ABOUT + COUNT + "patient = 3\n", ["patient = 3", "unknown key"]),
    "a wrong kind of text": (ABOUT + SURVIVAL + "overlaps = 3\n", ["overlaps = 3", "text in quotes"]),
    "no source": (ABOUT.replace('source = "me"\n', "") + SURVIVAL, ["source is missing"]),
    "no source of a figure": (ABOUT + SURVIVAL.replace('source = "me"\n', ""), ["number 1: source is miss"]),
    "no title": (ABOUT.replace('title = "Mine"\n', "") + SURVIVAL, ["title is missing"]),
    "a target": (
        ABOUT + SURVIVAL + SURVIVAL.replace("[[observed]]", "[[target]]"),
        ["target: not in a cohort", "[[observed]]"],
    ),
    "an open clinic": (
        ABOUT + '[arrivals]\npattern = "poisson"\nper_year = 9\n' + SURVIVAL,
        ["poisson", "number of patients"],
    ),
    "fitted and not marked": (
        ABOUT + SURVIVAL.replace('"me"', '"B10"'),
        ["overall_survival", "B10", "chicago2006 was fitted", "fitted = true"],
    ),
    "a parameter": (ABOUT + "[cohort]\nfemale = 2\n" + SURVIVAL, ["cohort.female = 2", "0 to 1"]),
    "a scenario": (ABOUT.replace('"cohort"', '"scenario"') + SURVIVAL, ["lupus-hsct run"]),
    "no kind": (ABOUT.replace('kind = "cohort"\n', "") + SURVIVAL, ['kind = "cohort"']),
}


@pytest.mark.parametrize("why", WRONG)
def test_what_is_wrong_is_said_in_one_message_that_names_the_file(why: str, cohort_of: CohortOf) -> None:
    text, said = WRONG[why]
    with pytest.raises(RequestError) as caught:
        cohort_of(text)
    message = str(caught.value)
    assert "mine.toml: " in message
    assert message.count("\n") == 0, message
    for words in said:
        assert words in message


def test_a_cohort_that_replaces_what_was_solved_is_not_fitted(cohort_of: CohortOf) -> None:
    text = ABOUT + "[relapse]\nscale_years = 5\n" + SURVIVAL.replace('"me"', '"B10"')
    assert cohort_of(text).figures[0].role == "held_out"


def test_names_of_the_wrong_kind_say_which_command_is_theirs() -> None:
    with pytest.raises(RequestError, match=r"alchi2013 is a cohort.*lupus-hsct validate alchi2013"):
        load("alchi2013")
    with pytest.raises(RequestError, match=r"chicago2006 is a scenario.*lupus-hsct run chicago2006"):
        load_cohort("chicago2006")
    with pytest.raises(RequestError, match='unknown cohort "alchi2012"; did you mean alchi2013'):
        load_cohort("alchi2012")
    with pytest.raises(RequestError, match="alchi2013: two cohorts"):
        load_cohorts(["alchi2013", "alchi2013"])
