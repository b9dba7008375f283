"""What is kept of several draws of a posterior: no draw stands for another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sim.scenario.endpoints import BY_NAME
from sim.scenario.schema import Scenario
from sim.study.chunks import CURVE_POINTS, curve_names
from sim.study.estimates import CROSS_MOMENTS, MOMENTS, cross_moments, differences, moments
from sim.study.experiment import Pair
from sim.study.pairing import FATES_CHANGED
from sim.study.tally import ArmTally, PairTally
from sim.work.task import Result


@pytest.fixture
def scenario(scenario_of: Callable[..., Scenario]) -> Scenario:
    return scenario_of()


def test_which_draw_gave_which_figures_is_in_the_hash(scenario: Scenario) -> None:
    def hashed(*digests: int) -> str:
        tally = ArmTally(scenario, len(digests))
        for draw, digest in enumerate(digests):
            curves = np.zeros((len(curve_names(scenario)), CURVE_POINTS, len(MOMENTS)))
            sums = np.zeros((1, len(tally.keys), len(MOMENTS)))
            tally.add({"sums": sums, "curves": curves, "digests": np.array([digest])}, draw)
        return tally.result_hash

    assert hashed(1, 2) == hashed(1, 2) != hashed(2, 1)


@pytest.fixture
def pair(scenario: Scenario) -> PairTally:
    return PairTally(Pair(0, 1, paired=True, fates=True), ArmTally(scenario, 2), ArmTally(scenario, 2))


def chunk(pair: PairTally, *, decided: int = -1, differs: int | None = None) -> Result:
    """A chunk in which one endpoint differs, if any, and somebody's fate from some replication on."""
    changes = np.zeros((len(FATES_CHANGED), len(MOMENTS)))
    same = np.arange(len(pair.keys)) != differs
    cross = np.zeros((1, len(pair.keys), len(CROSS_MOMENTS)))
    return {"cross": cross, "identical": same, "changes": changes, "decided": np.array(decided)}


def test_each_draw_has_sums_of_its_own(scenario: Scenario) -> None:
    arms = ArmTally(scenario, 2), ArmTally(scenario, 2)
    pair = PairTally(Pair(0, 1, paired=True, fates=True), *arms)
    rng, count, crosses = np.random.default_rng(1), len(pair.keys), []
    for draw, share in enumerate((0.2, 0.4)):
        totals = rng.binomial(50, share, (2, count, 30)).astype(float)
        totals[1] += totals[0]
        sides = [(total, np.full((count, 30), 100.0)) for total in totals]
        crosses.append(cross_moments(*sides))
        for arm, side in zip(arms, sides, strict=True):
            curves = np.zeros((len(curve_names(scenario)), CURVE_POINTS, len(MOMENTS)))
            arm.add({"sums": moments(*side)[None], "curves": curves, "digests": np.array([draw])}, draw)
        changes = np.tile(moments(np.full(3, 100 * share), np.full(3, 100.0)), (len(FATES_CHANGED), 1))
        pair.add({**chunk(pair, differs=3), "cross": crosses[-1][None], "changes": changes}, draw)
    share = [BY_NAME[name].kind == "share" for name, _ in pair.keys]
    expected = differences(
        arms[0].sums, arms[1].sums, np.array(crosses), np.zeros((2, count), np.bool_), share
    )
    at = [3]  # the others are the same, it was said
    for found, wanted in zip(pair.differences(), expected, strict=True):
        assert found[at].tolist() == wanted[at].tolist()
    changed = pair.changes()
    assert changed is not None
    assert changed.value == pytest.approx(0.3)
    assert changed.posterior_lower == pytest.approx(0.205)
    assert changed.posterior_upper == pytest.approx(0.395)


@pytest.mark.parametrize("draw", [0, 1])
def test_what_differs_under_one_draw_is_not_identical(pair: PairTally, draw: int) -> None:
    pair.add(chunk(pair), 1 - draw)
    pair.add(chunk(pair, differs=3), draw)
    assert np.flatnonzero(~pair.identical()).tolist() == [3]


def test_the_trial_in_which_somebody_lives_or_dies_instead_is_the_first_of_the_first_draw(
    pair: PairTally,
) -> None:
    pair.add(chunk(pair), 0)
    pair.add(chunk(pair, decided=5), 1)
    assert pair.first_decided is None  # who is named is simulated under the first draw
    pair.add(chunk(pair, decided=300), 0)
    pair.add(chunk(pair, decided=600), 0)
    assert pair.first_decided == 300
