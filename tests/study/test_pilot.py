"""What a pilot tells of the effort: against what studies then reach, and against variances that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.commands.plan import StudyPlan, plan_of
from sim.scenario.study_file import LoadedStudy, checked_study, study_text
from sim.study import pilot as pilots
from sim.study.by_draw import ByDraw
from sim.study.pilot import pilot

KEY = ("overall_survival_enrolled", 5.0)
ASKED: dict[str, Any] = {
    "kind": "study",
    "title": "Ward",
    "base": "chicago2006",
    "arm": [{"name": "isolation"}, {"name": "ward", "set": {"aplasia.infection.ward_relative_risk": 2.0}}],
    "measure": {"endpoints": ["overall_survival_enrolled@5", "treatment_related_mortality"]},
    "effort": {"engine": "simulated", "replications": 1000},
}


def planned(tmp_path: Path, **effort: Any) -> StudyPlan:
    study = checked_study({**ASKED, "effort": {**ASKED["effort"], **effort}})
    return plan_of(LoadedStudy(study, "ward", "ward", tmp_path), {})


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.UndefinedFigureWarning")
def test_a_study_reaches_what_its_pilot_told(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    told = {each.key: each for each in pilot(plan.spots, plan.shown, plan.budget)}
    path = tmp_path / "ward.toml"
    path.write_text(study_text(checked_study(ASKED)), "utf-8")
    done = sim.study(path, out=None)
    rows = done.points[done.points["point"] == 2]
    for key, each in told.items():
        row = rows[(rows["endpoint"] == key[0]) & (rows["time_years"].fillna(-1) == (key[1] or -1))].iloc[0]
        reached = (row["difference_upper"] - row["difference_lower"]) / 2
        # From 256 trials of rare changes an SD errs by a fifth; the rule of three widens the other.
        assert each.half_width == pytest.approx(reached, rel=0.6)


def test_more_trials_narrow_it_as_told(tmp_path: Path) -> None:
    few, many = planned(tmp_path), planned(tmp_path, replications=4000)
    one, other = (pilot(plan.spots, plan.shown, plan.budget)[0] for plan in (few, many))
    assert one.half_width == pytest.approx(2 * other.half_width)
    assert one.trials == other.trials == pytest.approx(1000 * (one.half_width / one.goal) ** 2, abs=1)


def test_without_monte_carlo_error_there_is_nothing_to_advise(tmp_path: Path) -> None:
    plan = planned(tmp_path, engine="exact", replications=None)
    assert pilot(plan.spots, plan.shown, plan.budget) == []


@pytest.mark.parametrize(("between", "within"), [(0.01, 0.3), (0.02, 0.05), (0.0, 0.2)])
def test_variances_between_and_within_draws(tmp_path: Path, between: float, within: float) -> None:
    """Draws are made whose two variances are known: what is told of them is right within its error."""
    plan = planned(tmp_path, replications=64, posterior="chicago2006", draws=200)
    spot, draws, n = plan.spots[1], 4000, 256
    normal = np.random.default_rng(5).normal(size=(2, draws))
    noise = np.full(draws, within / math.sqrt(n))
    changes = np.stack([0 * normal[0], 0.05 + between * normal[0] + noise * normal[1]])
    errors = np.stack([0 * noise, noise])
    read = ByDraw(0.8 + changes, changes, errors, n, errors)
    told = pilots._effort(KEY, spot, read, replace(plan.budget))
    variance = between**2 + within**2 / 64
    # The SD of a variance of 4,000 draws is 2.2% of it; of the part between them that of both kinds together.
    slack = 4 * math.sqrt(2 / draws) * (between**2 + within**2 / n)
    assert (told.half_width / 1.96) ** 2 * 200 == pytest.approx(variance, abs=slack)
    assert told.draws == pytest.approx((1.96 / told.goal) ** 2 * variance, rel=0.1)
    assert told.reliability == pytest.approx(between**2 / variance, abs=slack / variance)
    if between:
        assert told.reliable_trials == pytest.approx(9 * within**2 / between**2, rel=0.35)
