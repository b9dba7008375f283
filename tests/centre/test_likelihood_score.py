"""At the truth the score of simulated patients is 0 on average: the likelihood is that of the simulator.

The score is the derivative of a patient's log-likelihood by the logarithm of a parameter; its sum over n
patients, divided by the root of the sum of squares, is standard normal. A parameter whose part in the
likelihood were wrong by a tenth of what 3,000 patients can tell of it three times over is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_patients import patients_of

from sim.centre.likelihood import HistoryLikelihood
from sim.centre.patients import OwnPatients
from sim.scenario.load import load
from sim.scenario.values import get_value, with_values

MOST = 4.0  # standard errors: of all scores together 1 in 400 suites
_STEP = 1e-3
CHICAGO = [
    "mobilisation.infection.case_fatality", "active_disease.hazard_per_year",
    "aplasia.infection.case_fatality", "relapse.scale_years", "relapse.shape", "after_relapse.multiplier",
]  # fmt: skip
FULL = {
    "response.non_response": 0.2, "after_relapse.remission_per_year": 0.3,
    "background.extra_per_year.remission": 0.02, "background.extra_per_year.relapsed": 0.05,
    "immunoablation.toxicity_per_day": 0.0005, "aplasia.infection.case_fatality": 0.2,
    "mobilisation.infection.case_fatality": 0.15,
}  # fmt: skip


def as_they_are(patients: OwnPatients) -> OwnPatients:
    return patients


def without_relapses(patients: OwnPatients) -> OwnPatients:
    return replace(patients, relapse_recorded=False, relapsed=np.full(len(patients), np.nan))


def of_unknown_age(patients: OwnPatients) -> OwnPatients:
    unknown = np.full(len(patients), np.nan)
    return replace(patients, age=unknown, female=unknown)


def of_unknown_cause(patients: OwnPatients) -> OwnPatients:
    return replace(patients, cause=np.where(patients.dead, "unknown", ""))


@pytest.mark.parametrize(
    ("name", "changes", "cut_days", "seen", "keys"),
    [
        ("chicago2006", {}, 3105.0, as_they_are, CHICAGO),
        ("chicago2006", FULL, 3105.0, as_they_are, [*CHICAGO, *FULL]),
        ("chicago2006", FULL, 3105.0, without_relapses, [*CHICAGO, *FULL]),
        ("chicago2006", FULL, 3105.0, of_unknown_age, ["background.extra_per_year.remission"]),
        ("chicago2006", {}, 3105.0, of_unknown_cause, CHICAGO),
        ("ebmt2004", {}, 2379.0, as_they_are, [*CHICAGO[1:4], "response.non_response", *CHICAGO[5:]]),
    ],
    ids=["chicago", "everything", "no relapses", "no ages", "no causes", "registry"],
)
def test_the_score_at_the_truth_is_zero_on_average(
    name: str,
    changes: dict[str, float],
    cut_days: float,
    seen: Callable[[OwnPatients], OwnPatients],
    keys: list[str],
) -> None:
    patients = seen(patients_of(name, cut_days=cut_days, **{"cohort.patients": 3000, **changes}))
    scenario = with_values(load(name).scenario, changes)
    likelihood = HistoryLikelihood(patients, scenario)
    for key in dict.fromkeys(keys):
        value = get_value(scenario, key)
        ends = [with_values(scenario, {key: value * (1 + step)}) for step in (_STEP, -_STEP)]
        above, below = likelihood.each(ends)
        scores = (above - below) / (2 * _STEP)
        z = scores.sum() / np.sqrt((scores**2).sum())
        assert abs(z) < MOST, f"{key}: {z:.2f}"


def test_a_wrong_hazard_is_seen() -> None:
    """Patients whose lupus kills half as often again than the scenario says: the check above can fail."""
    key = "active_disease.hazard_per_year"
    scenario = load("chicago2006").scenario
    value = get_value(scenario, key)
    patients = patients_of("chicago2006", **{"cohort.patients": 3000, key: 1.5 * value})
    likelihood = HistoryLikelihood(patients, scenario)
    ends = [with_values(scenario, {key: value * (1 + step)}) for step in (_STEP, -_STEP)]
    scores = np.subtract(*likelihood.each(ends)) / (2 * _STEP)
    assert scores.sum() / np.sqrt((scores**2).sum()) > MOST
