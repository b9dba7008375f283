"""What a gap comes with: parts that add up, exactly and under common luck, whatever their order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sim.outcomes.twin.expected import expected_figure
from sim.scenario.differences import COUNTED_FROM, values_of
from sim.scenario.endpoints import Key
from sim.scenario.load import load, scenario_hash
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.values import with_values
from sim.study.budget import Budget
from sim.study.estimates import Z95, newcombe
from sim.study.explain import ELSE, Explained, explain, groups_of, mixture, mixtures, who_dies
from sim.study.named_patients import name_patients
from sim.study.pairing import Change
from sim.study.shapley import shapley

MORTALITY: Key = ("treatment_related_mortality", None)
ALIVE: Key = ("overall_survival_enrolled", 5.0)
RISK, FATALITY = "aplasia.infection.ward_relative_risk", "aplasia.infection.case_fatality"
LUPUS = "active_disease.hazard_per_year"
TOXICITY, ROOMS = "immunoablation.toxicity_per_day", "clinic.isolation_rooms"
WORSE = {RISK: 3.0, FATALITY: 0.3, LUPUS: 0.3, TOXICITY: 0.002}


def chicago() -> Scenario:
    return load("chicago2006").scenario


def explained(one: Scenario, other: Scenario, key: Key, budget: Budget | None = None) -> Explained:
    groups = groups_of(one, other)
    return explain(mixtures(one, other, groups), groups, key, budget or Budget())


def test_a_product_is_parted_as_by_hand() -> None:
    a, b, more_a, more_b = 2.0, 5.0, 3.0, 11.0
    parts = shapley(np.array([a * b, more_a * b, a * more_b, more_a * more_b]))
    by_hand = [(more_a - a) * (more_b + b) / 2, (more_b - b) * (more_a + a) / 2]
    assert parts == pytest.approx(by_hand, rel=1e-15)


def test_the_model_parts_a_product_as_by_hand() -> None:
    """Deaths of infection in aplasia alone are nearly the product of its risk and its case fatality."""
    only = {TOXICITY: 0.0, LUPUS: 0.0, "late_infection.hazard_per_day": 0.0, RISK: 0.001, FATALITY: 0.001}
    one = with_values(chicago(), {**only, "mobilisation.infection.case_fatality": 0.0})
    other = with_values(one, {RISK: 0.003, FATALITY: 0.004})
    groups = groups_of(one, other, {"risk": [RISK], "fatality": [FATALITY]})
    found = explain(mixtures(one, other, groups), groups, MORTALITY, Budget())
    table = found.table().set_index("group")["part"]
    scale = float(found.figures[0]) / (0.001 * 0.001)
    # The infected are not quite the hazard times the days: to some parts of 10,000.
    assert table["risk"] == pytest.approx(scale * 0.002 * (0.004 + 0.001) / 2, rel=1e-3)
    assert table["fatality"] == pytest.approx(scale * 0.003 * (0.003 + 0.001) / 2, rel=1e-3)
    (pair,) = found.pairs.itertuples()
    assert pair.interaction == pytest.approx(scale * 0.002 * 0.003, rel=1e-3)  # more than half of the gap
    assert found.last - found.first == pytest.approx([pair.interaction] * 2, rel=1e-9)


@pytest.mark.parametrize("key", [MORTALITY, ALIVE], ids=["mortality", "survival"])
def test_parts_add_up_by_the_twin(key: Key) -> None:
    one, other = chicago(), load("ebmt2004").scenario
    found = explained(one, other, key)
    ends = expected_figure([one, other], key)
    assert found.exact
    assert found.gap == pytest.approx(ends[1] - ends[0], abs=1e-12)
    assert found.parts.sum() == pytest.approx(found.gap, abs=1e-9)
    assert not found.errors.any()


@pytest.mark.parametrize(
    ("name", "aplasia"), [("ebmt2004", 8.13), ("ebmt2004_split_4_3", 4.49), ("ebmt2004_split_0_7", 11.65)]
)
def test_the_split_that_is_assumed_decides_what_the_gap_comes_with(name: str, aplasia: float) -> None:
    other = load(name).scenario
    found = explained(chicago(), other, MORTALITY)
    parts = found.table().set_index("group")["part"]
    assert found.figures[-1] == pytest.approx(7 / 53, abs=1e-9)  # every split gives the published count
    assert parts.sum() == pytest.approx(found.gap, abs=1e-9)
    assert 100 * parts["aplasia and its infections"] == pytest.approx(aplasia, abs=0.01)
    # Deaths in mobilisation, 1.5 of 100, are not seen by who counts from immunoablation.
    assert -1.5 < 100 * parts[COUNTED_FROM] < -0.8


def test_under_common_luck_parts_add_up_and_agree_with_the_twin() -> None:
    one, other = chicago(), with_values(chicago(), WORSE)
    exact = explained(one, other, MORTALITY)
    drawn = explained(one, other, MORTALITY, Budget(1000, engine="arrays"))
    assert not drawn.exact
    assert drawn.parts.sum() == pytest.approx(drawn.gap, abs=1e-15)
    assert drawn.gap == drawn.figures[-1] - drawn.figures[0]
    # Each part lies within four of its standard errors; the intervals hold the rule of three too.
    off = np.abs(drawn.parts - exact.parts)
    assert (off < 4 * drawn.errors[1:] / Z95).all()
    # And they are no wider than they have to be: those of two independent runs would be.
    alone = Z95 * np.sqrt(2 * drawn.figures[-1] / 50_000)
    assert drawn.errors[0] < alone


def test_errors_are_those_of_repeats() -> None:
    """Over 24 repeats the SD of a part is its standard error: within 40%, 2.7 SEs of an SD of 24."""
    one, other = chicago(), with_values(chicago(), {FATALITY: 0.4, LUPUS: 0.4})
    repeats = [explained(one, other, ALIVE, Budget(64, seed, engine="arrays")) for seed in range(24)]
    sd = np.std([each.parts for each in repeats], axis=0, ddof=1)
    least = 3 / (64 * 50)
    errors = np.mean([np.sqrt(each.errors[1:] ** 2 - least**2) for each in repeats], axis=0) / Z95
    assert sd / errors == pytest.approx(np.ones(len(sd)), abs=0.4)


def test_in_a_limited_clinic_rooms_have_a_part() -> None:
    one = with_values(load("open_clinic").scenario, {"arrivals.years": 1.0})
    other = with_values(one, {ROOMS: 3, FATALITY: 0.4})
    found = explained(one, other, ALIVE, Budget(64))
    table = found.table().set_index("group")
    assert found.parts.sum() == pytest.approx(found.gap, abs=1e-15)
    assert table.loc["clinic", "mc_upper"] < 0


def test_a_scenario_like_the_reference_explains_nothing() -> None:
    found = explained(chicago(), chicago(), MORTALITY)
    assert (found.gap, len(found.groups), len(found.table())) == (0.0, 0, 0)


def test_the_order_of_groups_does_not_matter() -> None:
    one, other = chicago(), with_values(chicago(), WORSE)
    asked = {"infection": ["aplasia.infection"], "lupus": [LUPUS]}
    again = dict(reversed(asked.items()))
    tables = []
    for each in (asked, again):
        groups = groups_of(one, other, each)
        tables.append(explain(mixtures(one, other, groups), groups, MORTALITY, Budget()).table())
    pd.testing.assert_frame_equal(*tables)
    assert set(tables[0]["group"]) == {"infection", "lupus", ELSE}  # toxicity is in none of them
    assert tables[0].set_index("group").loc["infection", "keys"] == f"{RISK} {FATALITY}"


def test_all_values_of_the_other_make_the_other() -> None:
    for ours, theirs in (
        ("chicago2006", "ebmt2004"),
        ("ebmt2004", "chicago2006"),
        ("chicago2006", "open_clinic"),
    ):
        one, other = load(ours).scenario, load(theirs).scenario
        (whole,) = mixtures(one, other, groups_of(one, other))[-1:]
        assert scenario_hash(whole) == scenario_hash(other)
        assert values_of(whole) == values_of(other)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"a": ["aplasia.infectoin"]}, "did you mean aplasia.infection"),
        ({"a": ["aplasia"], "b": [FATALITY]}, f"{FATALITY} in b is in a already"),
        ({f"g{n}": [key] for n, key in enumerate(WORSE)}, ""),
    ],
)
def test_groups_that_can_not_be_are_refused(asked: dict[str, list[str]], words: str) -> None:
    other = with_values(chicago(), WORSE)
    if not words:
        assert list(groups_of(chicago(), other, asked)) == ["g2", "g3", "g0", "g1"]
        return
    with pytest.raises(RequestError, match=words):
        groups_of(chicago(), other, asked)


def test_too_many_groups_are_refused_with_the_remedy() -> None:
    keys = [key for key, value in values_of(chicago()).items() if isinstance(value, float) and 0 < value < 1]
    other = with_values(
        chicago(), {key: value * 0.9 for key, value in values_of(chicago()).items() if key in keys}
    )
    asked = {key: [key] for key in keys}
    assert len(asked) > 12
    with pytest.raises(RequestError, match=r"Put several into one: groups = \{"):
        groups_of(chicago(), other, asked)


def test_what_excludes_each_other_must_be_one_group() -> None:
    late = with_values(chicago(), {"transplant.delay_days": 100.0})
    home = load("no_transplant").scenario
    with pytest.raises(RequestError, match=r"transplant\.delay_days.*put what excludes each other into one"):
        groups_of(late, home)
    together = {"when": ["transplant", "cohort.enters_at"]}
    assert list(groups_of(late, home, together)) == ["when"]
    assert mixture(late, home, groups_of(late, home, together)["when"]).cohort.enters_at == "home"


def test_whose_fate_changes_because_of_what_adds_up() -> None:
    one, other = chicago(), with_values(chicago(), WORSE)
    groups = groups_of(one, other)
    found = who_dies(mixtures(one, other, groups), groups, 1, 1, "arrays")
    sums = found.groupby(["patient", "change"])["part"].sum()
    assert len(sums) > 4
    for (_, change), total in sums.items():
        assert total == pytest.approx(1 if change == "dies" else -1, abs=1e-15)
    named = name_patients(one, other, 1, 1, "arrays")
    assert sorted(sums.index.get_level_values("patient")) == sorted(
        [*named.of(Change.DIES), *named.of(Change.LIVES)]
    )


def test_an_interval_of_a_difference_is_newcombes() -> None:
    """His table II: 56/70 less 48/80, and 9/10 less 3/10, by method 10."""
    assert newcombe(48, 80, 56, 70) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(3, 10, 9, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
