"""The likelihood of single histories: by hand, by its sum over all histories, and beside the exact twin."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from sim.centre.likelihood import HistoryLikelihood
from sim.centre.patients import OwnPatients
from sim.outcomes.twin.expected import expected
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
from sim.scenario.values import with_values

NEVER = math.nan
FIXED_APLASIA = {"aplasia.duration_days": {"dist": "fixed", "value": 10.0}}
# Every part of the model at work: nothing falls out of a sum because it is 0.
FULL = {
    "response.non_response": 0.2,
    "after_relapse.remission_per_year": 0.3,
    "background.extra_per_year.remission": 0.02,
    "background.extra_per_year.relapsed": 0.05,
    "immunoablation.toxicity_per_day": 0.0005,
    "harvest.marrow.failure": 0.0,
}


def chicago(**changes: object) -> Scenario:
    return with_values(load("chicago2006").scenario, changes)


def chances(patients: OwnPatients, scenario: Scenario) -> np.ndarray:
    return np.exp(HistoryLikelihood(patients, scenario).each([scenario])[0])


def test_one_history_by_hand() -> None:
    """Reinfused on day 70, relapse on day 370 and death of lupus on day 570, a woman of 30."""
    scenario = chicago(**FIXED_APLASIA)
    patients = OwnPatients.of(
        [570.0],
        transplanted=[70.0],
        relapsed=[370.0],
        died=[570.0],
        cause=["lupus"],
        age=[30.0],
        female=[1.0],
    )
    h = scenario.active_disease.hazard_per_year / DAYS_PER_YEAR
    infected = 1 - math.exp(-4 * scenario.mobilisation.infection.hazard_per_day)
    fatal = scenario.mobilisation.infection.case_fatality
    tox, stay = scenario.immunoablation.toxicity_per_day, 5.0
    marrow = 1 - 0.2 * _short_of_cells(scenario)
    reached = math.exp(-70 * h) * (1 - fatal * infected) * marrow * math.exp(-tox * stay)
    aplasia, late = scenario.aplasia.infection, scenario.late_infection
    spared = 1 - aplasia.case_fatality * (1 - math.exp(-aplasia.hazard_per_day * 10))
    spared *= 1 - aplasia.case_fatality * (1 - math.exp(-late.hazard_per_day * (93 - 10)))
    spared *= math.exp(-10 * tox) * math.exp(-10 * h)
    relapse = scenario.relapse
    scale = relapse.scale_years * DAYS_PER_YEAR
    free = [math.exp(-(((t - relapse.start_day) / scale) ** relapse.shape)) for t in (299.5, 300.5)]
    dying = scenario.after_relapse.multiplier * h
    lived = math.exp(-200 * dying) * dying
    background = _background(scenario, 30.0, 570 / DAYS_PER_YEAR)
    by_hand = reached * spared * (free[0] - free[1]) * lived * background
    assert chances(patients, scenario)[0] == pytest.approx(by_hand, rel=1e-9)


def _short_of_cells(scenario: Scenario) -> float:
    """Return the share of harvests that need marrow, as the twin's withdrawals tell it."""
    immortal = {"active_disease.hazard_per_year": 0.0, "background.life_table": "none"}
    safe = with_values(scenario, {**immortal, "mobilisation.infection.case_fatality": 0.0})
    return expected(safe)["harvest_failure", None] / scenario.harvest.marrow.failure


def _background(scenario: Scenario, age: float, years: float) -> float:
    from sim.scenario.life_table import background_hazards

    women = background_hazards(scenario.background)[1]
    return math.exp(-sum(women[int(age) + k] * min(1.0, years - k) for k in range(math.ceil(years))))


def test_who_dies_on_the_way_by_hand() -> None:
    """Of lupus on day 200: the hazard, and nothing fatal before; of the treatment: its chance in all."""
    scenario = chicago()
    patients = OwnPatients.of(
        [200.0, 30.0, 200.0], died=[200.0, 30.0, NEVER], cause=["lupus", "treatment", ""], age=[30.0] * 3,
        female=[1.0] * 3,
    )  # fmt: skip
    h = scenario.active_disease.hazard_per_year / DAYS_PER_YEAR
    fatal = scenario.mobilisation.infection.case_fatality
    fatal *= 1 - math.exp(-4 * scenario.mobilisation.infection.hazard_per_day)
    toxic = (1 - fatal) * (1 - 0.2 * _short_of_cells(scenario))
    toxic *= 1 - math.exp(-5 * scenario.immunoablation.toxicity_per_day)
    late, soon = (_background(scenario, 30.0, day / DAYS_PER_YEAR) for day in (200, 30))
    got = chances(patients, scenario)
    alive = math.exp(-200 * h) * (1 - fatal) * late
    assert got[0] == pytest.approx(h * alive, rel=1e-9)
    assert got[2] == pytest.approx(alive, rel=1e-9)
    assert got[1] == pytest.approx((fatal + toxic) * math.exp(-30 * h) * soon, rel=1e-9)


def _causes(day: float) -> tuple[str, ...]:
    """Return the causes of death that are told apart on a day after reinfusion."""
    return ("treatment", "lupus", "other") if day <= 100 else ("lupus", "other")


@pytest.mark.parametrize("recorded", [True, False], ids=["relapses", "none recorded"])
@pytest.mark.parametrize("changes", [{}, FULL], ids=["chicago", "everything"])
def test_the_chances_of_all_histories_add_to_one(changes: dict[str, object], recorded: bool) -> None:
    """Over relapse and death on every day of 160, all causes, from reinfusion on.

    Days are whole and hazards change within one: what neglects that errs by parts of a thousand of a day's
    hazard.
    """
    scenario, end = chicago(**{**changes, "harvest.marrow.failure": 0.0}), 160
    at = 70.0
    days = np.arange(0, end + 1)
    ends = [(NEVER, day, cause) for day in days for cause in _causes(day)]
    ends.append((NEVER, NEVER, ""))
    if recorded:
        late = [(r, d, c) for r, d in product(days[60:], days) if d >= r for c in _causes(d)]
        ends += [*((float(r), float(d), c) for r, d, c in late), *((float(r), NEVER, "") for r in days[60:])]
    relapsed, died, cause = (np.array(part) for part in zip(*ends, strict=True))
    last = np.where(np.isnan(died), end + 0.5, died)
    size = len(ends)
    patients = OwnPatients.of(
        at + last, transplanted=np.full(size, at), relapsed=at + relapsed, died=at + died, cause=cause,
        age=np.full(size, 30.0), female=np.ones(size), relapse_recorded=recorded, from_transplant=False,
    )  # fmt: skip
    got = chances(patients, scenario)
    # Half a day lies before reinfusion, and half a day is left of the day of relapse.
    weight = np.where((died == 0) | (died == relapsed), 0.5, 1.0)
    weight = np.where((cause == "treatment"), 1.0, weight)
    reached = chances(OwnPatients.of([at], transplanted=[at], age=[30.0], female=[1.0]), scenario)[0]
    assert (got * weight).sum() / reached == pytest.approx(1.0, abs=3e-4)


def test_impossible_histories_are_named_by_row() -> None:
    patients = OwnPatients.of(
        [500.0, 500.0, 600.0], transplanted=[70.0] * 3, relapsed=[90.0, NEVER, 300.0],
        died=[NEVER, 500.0, NEVER], cause=["", "lupus", ""], rows=(2, 3, 4),
    )  # fmt: skip
    with pytest.raises(RequestError) as refused:
        HistoryLikelihood(patients, chicago()).refuse_impossible(chicago())
    told = str(refused.value).splitlines()
    assert len(told) == 3
    assert told[1].startswith("row 2: relapse 20 days after transplant")
    assert told[2].startswith("row 3: died of lupus 430 days after transplant without a relapse")


def test_a_table_that_tells_no_deaths_is_refused() -> None:
    patients = OwnPatients.of([500.0], transplanted=[0.0], relapsed_or_died=[400.0], deaths_recorded=False)
    with pytest.raises(RequestError, match="relapse or death together"):
        HistoryLikelihood(patients, chicago())


def test_a_queue_for_rooms_moves_no_likelihood() -> None:
    """Rooms decide about waits alone, which are taken as they were: a limit moves no likelihood."""
    patients = OwnPatients.of([900.0], transplanted=[200.0], age=[30.0], female=[1.0])
    limited = chicago(**{"clinic.isolation_rooms": 1})
    assert chances(patients, limited)[0] == chances(patients, chicago())[0]
