"""The engine's answers: figures are the twin's and a simulation's, people add up, words can be acted on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from threading import Thread

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import sim
from sim.app.answer import DEATHS, FATES, AnswerShown, SideShown
from sim.app.engine import Engine
from sim.app.fates import FEW, MANY, counts_of, denominator, died
from sim.app.question import Question, question
from sim.app.table import change_text, figure_text
from sim.app.words import RateShown
from sim.outcomes.twin.expected import expected, expected_from_enrolment
from sim.scenario.endpoints import BY_NAME
from sim.scenario.load import Loaded
from sim.scenario.schema import DAYS_PER_YEAR
from sim.study.budget import Budget
from sim.study.compare import Side, compare
from sim.study.draws import draws_from
from sim.study.exact import scenarios_drawn
from sim.study.named_patients import name_patients
from sim.study.pairing import Change

WARD, FATAL, DELAY = (
    "aplasia.infection.ward_relative_risk", "aplasia.infection.case_fatality", "transplant.delay_days",
)  # fmt: skip


@cache
def shelf() -> Mapping[str, Loaded]:
    names = ("chicago2006", "no_isolation", "no_transplant", "ebmt2004", "open_clinic")
    return {name: sim.load_scenario(name) for name in names}


@cache
def engine() -> Engine:
    return Engine()


def asked(*pairs: tuple[str, str]) -> Question:
    return question(pairs, shelf())


@cache
def answered(*pairs: tuple[str, str], fine: bool = True) -> AnswerShown:
    return engine().answer(asked(*pairs), fine=fine)


QUESTIONS: Sequence[Sequence[tuple[str, str]]] = [
    [(FATAL, "0.3")],
    [(DELAY, "120"), ("relapse.shape", "0.8")],
    [("cohort.enters_at", "home")],
    [("of", "ebmt2004"), ("late_infection.until_day", "150")],
    [("follow_up.horizon_years", "3.5"), ("immunoablation.toxicity_per_day", "0.003")],
]


@pytest.mark.parametrize("pairs", QUESTIONS)
def test_every_figure_is_the_twins_and_people_add_up(pairs: Sequence[tuple[str, str]]) -> None:
    answer, rough, wanted = answered(*pairs), answered(*pairs, fine=False), asked(*pairs)
    assert answer.exact
    scenario = wanted.changed.scenario
    exact = expected(scenario) | expected_from_enrolment(scenario)
    assert answer.changed.figures.keys() <= exact.keys()
    for key, value in answer.changed.figures.items():
        assert value == pytest.approx(exact[key], abs=1e-8), key
        assert rough.changed.figures[key] == pytest.approx(exact[key], abs=1e-5), key
    for side in (answer.base, answer.changed):
        assert {*side.shares} == {*side.counts} <= {*FATES}
        assert sum(side.shares.values()) == pytest.approx(1, abs=1e-12)
        assert sum(side.counts.values()) == answer.per
        alive = side.figures["overall_survival_enrolled", answer.years]
        assert 1 - died(side.shares) == pytest.approx(alive, abs=1e-9)
        assert side.alive[-1] == pytest.approx(alive, abs=1e-5)
        assert side.alive[0] == pytest.approx(1, abs=1e-12)
        assert side.years[-1] == answer.years
    on_curve = [(year, alive) for year, alive in zip(answer.changed.years, answer.changed.alive, strict=True)
                if ("overall_survival_enrolled", float(year)) in exact]  # fmt: skip
    for year, alive in on_curve:
        assert alive == pytest.approx(exact["overall_survival_enrolled", float(year)], abs=3e-4)


def test_every_figure_is_a_simulations() -> None:
    """10,000 virtual trials of 50 patients, within 4 standard errors of each figure."""
    pairs = [(FATAL, "0.3"), (DELAY, "120")]
    answer, wanted = answered(*pairs), asked(*pairs)
    sides = {"base": Side(wanted.base.scenario), "changed": Side(wanted.changed.scenario)}
    table = compare(sides, Budget(replications=10_000, engine="arrays")).comparison
    checked = 0
    for name, side in (("base", answer.base), ("changed", answer.changed)):
        for row in table[table["scenario"] == name].itertuples():
            key = (str(row.endpoint), None if math.isnan(row.time_years) else float(row.time_years))
            if key in side.figures:
                error = max(4 * float(row.mc_se), 1e-6)
                assert side.figures[key] == pytest.approx(float(row.estimate), abs=error), key
                checked += 1
    assert checked > 35


def test_fates_are_those_of_a_simulation() -> None:
    """In remission, otherwise alive and still on the way, of 12,800 simulated patients, within 4 errors."""
    pairs = [(DELAY, "700"), ("response.non_response", "0.2")]
    answer, scenario = answered(*pairs), asked(*pairs).changed.scenario
    from sim.study.montecarlo import replicate

    (history,) = replicate(scenario, range(256), 1, "arrays")
    day = history.enrolled + answer.years * DAYS_PER_YEAR
    alive, way = history.death > day, (history.aplasia > day) & (history.withdrawn > day)
    well = alive & ~way & history.responds & (history.relapse > day) & (history.aplasia <= day)
    for fate, seen in (("remission", well), ("waiting", alive & way)):
        share = answer.changed.shares.get(fate, 0.0)
        error = math.sqrt(max(share * (1 - share), 1e-4) / seen.size)
        assert share == pytest.approx(seen.mean(), abs=4 * error), fate
    late = answered((DELAY, "2500")).changed
    assert late.shares["waiting"] == pytest.approx(1 - died(late.shares))
    assert "remission" not in late.shares


def test_nothing_changed_is_one_side_and_says_so() -> None:
    for pairs in ([], [(DELAY, "0")], [("follow_up.horizon_years", "3")]):
        answer = answered(*pairs)
        assert answer.changed is answer.base
        assert answer.words[0].startswith("Nothing is changed")
        assert not answer.lanes
        assert {row.difference for row in answer.rows} == {""}
    assert answered(("follow_up.horizon_years", "3")).years == 3


def test_incomparable_sides_have_no_lanes_and_nobody_instead() -> None:
    answer = answered(("cohort.female", "0.3"))
    text = " ".join(answer.words)
    assert not answer.lanes
    assert not {"more", "fewer", "instead", "every"} & {*text.replace(":", "").replace(".", "").split()}
    assert "no effect of treatment: cohort.female is 0.83 in the reference and 0.3 in the other" in text
    assert any("can't be compared as treatment and alternative" in each for each in answer.cautions)
    assert any("extrapolates: stated is 0.7 to 0.92" in each for each in answer.cautions)


def test_lanes_are_who_lives_or_dies_instead_in_that_trial() -> None:
    wanted = asked((FATAL, "0.5"), ("trial", "3"))
    answer = engine().answer(wanted)
    named = name_patients(wanted.base.scenario, wanted.changed.scenario, 3, 1)
    assert {lane.patient for lane in answer.lanes} == {*named.of(Change.DIES), *named.of(Change.LIVES)}
    assert answer.lanes
    assert answer.trial_size == 50
    for lane in answer.lanes:
        ends = [
            side[-1][2] in ("infection", "toxicity", "lupus", "background")
            for side in (lane.before, lane.after)
        ]
        assert sorted(ends) == [False, True]
        for side in (lane.before, lane.after):
            assert all(begin <= end for begin, end, _ in side)
            assert all(one[1] == other[0] for one, other in pairwise(side))
            assert side[0][0] == 0
            assert side[-1][1] <= answer.years * DAYS_PER_YEAR


PEOPLE = st.lists(st.integers(0, 10_000), min_size=len(FATES), max_size=len(FATES))


@given(PEOPLE, PEOPLE, st.sampled_from([FEW, MANY]))
@example([1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], FEW)
@example([5, 5, 5, 5, 5, 175], [5, 5, 5, 5, 6, 174], FEW)
def test_people_add_up_and_are_within_one_of_their_share(one: list[int], other: list[int], per: int) -> None:
    one[0] += not sum(one)
    other[0] += not sum(other)
    first, second = (dict(zip(FATES, np.array(each) / sum(each), strict=True)) for each in (one, other))
    base = side_of(first, counts_of(first, per))
    for shares, counts in ((first, base.counts), (second, counts_of(second, per, base))):
        assert sum(counts.values()) == per
        assert min(counts.values()) >= 0
        for fate, count in counts.items():
            assert abs(count - per * shares[fate]) < 1 + 1e-9
        assert abs(died(counts) - per * died(shares)) < 1
    assert counts_of(first, per, base) == base.counts


def side_of(shares: Mapping[str, float], counts: Mapping[str, int]) -> SideShown:
    return SideShown("", shares, counts, np.zeros(1), np.ones(1), {})


def test_an_icon_that_need_not_move_stays() -> None:
    base = {"remission": 0.4951, "active": 0.3049, "treatment": 0.0349, "lupus": 0.1451, "background": 0.02}
    side = side_of(base, counts_of(base, FEW))
    nudged = base | {"treatment": 0.0353, "lupus": 0.1447}
    assert counts_of(nudged, FEW) != side.counts
    assert counts_of(nudged, FEW, side) == side.counts


def test_who_is_in_one_trial_alone_lives_nowhere_instead() -> None:
    answer = answered(("cohort.patients", "100"), ("cohort.enters_at", "home"))
    assert answer.trial_size == 100
    assert answer.lanes
    assert max(lane.patient for lane in answer.lanes) <= 50
    large = answered(("cohort.patients", "3000"), ("cohort.enters_at", "home"))
    assert not large.lanes
    assert "No patients are named: a trial of 3,000 is too large to be told one by one." in large.cautions


@pytest.mark.parametrize(
    ("treatment", "now", "per"),
    [(0.02, 0.02, FEW), (0.02, 0.04, FEW), (0.02, 0.024, MANY), (0.004, 0.02, MANY), (0.02, 0.004, MANY),
     (0.02, 0.0201, FEW), (0.0001, 0.02, FEW), (0.0, 0.0, FEW)],
)  # fmt: skip
def test_a_thousand_where_a_hundred_would_hide_it(treatment: float, now: float, per: int) -> None:
    rest = {"lupus": 0.1, "background": 0.02}
    assert denominator({"treatment": treatment, **rest}, {"treatment": now, **rest}) == per


def test_a_change_is_told_in_people() -> None:
    assert RateShown("all", 2, 3, 100, 0.012).more == "1 more"
    assert RateShown("all", 20, 17, 100, -0.031).more == "3 fewer"
    assert RateShown("all", 2, 2, 100, 0.004).more == "4 of 1,000 more"
    assert RateShown("all", 2, 2, 100, -0.0004).more == "less than 1 of 1,000 fewer"
    assert RateShown("all", 2, 3, 100, -0.0004).more == "less than 1 of 1,000 fewer"  # icons do not decide
    assert RateShown("all", 2, 2, 100, 0.0).more == "no change"


def test_words_have_both_framings_the_years_and_the_number_needed_last() -> None:
    words = answered((FATAL, "0.3")).words
    assert words[0] == (
        "Within 5 years of the decision 19 of 100 die as it is, and 21 with aplasia infection case fatality "
        "0.3: 2 more. 81 of 100 do not as it is, and 79 with the change."
    )
    assert (
        "2 of 100 die of infection or toxicity as it is, and 4 with the change: 2 more. 98 of 100 do not"
        in words[1]
    )
    assert (
        words[-1] == "The number needed, over 5 years: for every 57 patients with the change, one more dies."
    )
    assert all("5\N{NO-BREAK SPACE}years" in each or "5 years" in each for each in words)
    small = answered((WARD, "1.05"))
    assert "less than 1 of 1,000 more" in small.words[0]
    assert not small.words[-1].startswith("The number needed")


def test_no_figure_that_is_not_nothing_is_written_as_nothing() -> None:
    share = BY_NAME["treatment_related_mortality"]
    assert figure_text(share, 0.0) == "0%"
    assert figure_text(share, 0.000476) == "0.0476%"
    assert figure_text(share, 0.8101) == "81.0%"
    assert change_text(share, 0.0) == "none"
    assert change_text(share, 1e-6) == "less than 0.001 points"
    assert change_text(share, -0.0177) == "\N{MINUS SIGN}1.77 points"


def test_cautions_say_what_an_answer_rests_on() -> None:
    def about(*pairs: tuple[str, str]) -> str:
        return " ".join(answered(*pairs).cautions)

    assert not answered().cautions
    assert "was fitted so that the model gives the published figures" in about((FATAL, "0.2"))
    assert "extrapolates: stated is 0.00191 to 0.275 (prior 95%)" in about((FATAL, "0.3"))
    assert "Relapse shape is an assumption as it is (B37" in about(("relapse.shape", "0.7"))
    assert "not to be read beyond 10 years" in about(("follow_up.horizon_years", "12"))
    assert "rests on one death" in about(("cohort.enters_at", "home"))
    assert "Read the range, not the point" in about(("of", "no_isolation"))
    assert "The hazard of active disease is constant" in about((DELAY, "90"))
    assert answered((DELAY, "90")).changes == [("transplant delay", "0 days", "90 days")]


def test_under_a_posterior_there_are_bands_ranges_and_limits() -> None:
    wanted = asked((WARD, "5"))
    answer, at_point = engine().posterior(wanted), answered((WARD, "5"))
    alive = ("overall_survival_enrolled", 5.0)
    from sim.scenario.shipped import shipped_posteriors

    draws = draws_from(shipped_posteriors()["chicago2006"], 96, 1)
    under = scenarios_drawn(Side(wanted.changed.scenario, draws.held_in(wanted.changed)), draws)
    low, high = np.quantile([expected_from_enrolment(each)[alive] for each in under[::8]], (0.1, 0.9))
    years, lower, upper = answer.more["band"]["changed"]
    assert (lower <= upper).all()
    assert (years == answer.changed.years).all()
    assert lower[-1] < low < high < upper[-1]
    first = answer.rows[0]
    assert "; change \N{MINUS SIGN}" in first.posterior
    assert first.trial.endswith("%")
    assert [(row.base, row.changed) for row in answer.rows] == [
        (row.base, row.changed) for row in at_point.rows
    ]
    assert "posterior's 95%" in answer.words[-2]
    assert answer.words[-1].startswith("The number needed")
    assert answer.more["scope"][0].startswith("Posterior 95%: what the calibration leaves open about")
    open_sign = engine().posterior(asked(("relapse.shape", "0.8"), (DELAY, "90"))).words
    assert open_sign[-1] == "No number needed is told, because it is open whether more or fewer die."
    other = engine().posterior(asked(("of", "ebmt2004")))
    assert "band" not in other.more
    assert other.more["scope"][0].startswith("No posterior is shown")
    assert other.rows[0].trial


def test_little_is_kept_and_many_may_ask_at_once() -> None:
    own, found = Engine(), []
    values = [str(round(0.5 + number / 100, 3)) for number in range(6)]

    def ask() -> None:
        found.append([own.answer(asked((WARD, value)), fine=False).changed.figures for value in values])

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2]
    for number in range(300):
        own._kept[str(number), 1.0] = own._kept[next(iter(own._kept))]
    own.answer(asked((WARD, "3")), fine=False)
    assert len(own._kept) <= 256
    assert {*DEATHS} <= {*FATES}


def test_a_change_of_a_mean_is_never_written_as_a_power_of_ten() -> None:
    infections, years = BY_NAME["infections_per_patient"], BY_NAME["restricted_mean_survival_enrolled"]
    assert change_text(infections, 2.7e-5) == "less than 0.001"
    assert change_text(years, -4.1e-4) == "less than 0.001 years"
    assert change_text(years, -0.0112) == "\N{MINUS SIGN}0.0112 years"
