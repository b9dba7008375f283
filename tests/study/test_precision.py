"""Replicating until figures are known well enough: a minimum, a cap, and the n that the interval asks for."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from drivers import no_figures, small_chunks

from sim.cli import run as command_line
from sim.scenario.problems import PrecisionWarning, RequestError
from sim.scenario.schema import Scenario
from sim.study.budget import Budget, Precision
from sim.study.experiment import Experiment, Pair
from sim.study.montecarlo import simulate, widest_half_width
from sim.study.tally import Tally

MakeScenario = Callable[..., Scenario]
OS5 = ("overall_survival", 5.0)
DFS5 = ("disease_free_survival", 5.0)
SMALL = ("--set", "cohort.patients=10", "--replications", "300")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_chunks(monkeypatch)
    no_figures(monkeypatch)


@pytest.fixture
def scenario(scenario_of: MakeScenario) -> Scenario:
    return scenario_of({"cohort.patients": 10})


def tally_of(plan: Experiment, budget: Budget) -> Tally:
    (tally,) = simulate([plan], budget)
    return tally


def half_width(tally: Tally, key: tuple[str, float]) -> float:
    estimate = tally.arms[0].estimate(key)
    return 50 * float(estimate.upper - estimate.lower)


def of_difference(tally: Tally, key: tuple[str, float]) -> float:
    (two,) = tally.pairs
    found, at = two.differences(), two.keys.index(key)
    return 50 * float(found.upper[at] - found.lower[at])


def test_it_goes_on_until_the_widest_interval_is_narrow_enough(scenario: Scenario) -> None:
    plan = Experiment((scenario,), 1, "arrays")
    tally = tally_of(plan, Budget(300, precision=Precision(0.7, (OS5, DFS5))))
    n = tally.replications
    assert half_width(tally, OS5) < half_width(tally, DFS5) <= 0.7
    assert widest_half_width(tally, (OS5, DFS5)) == (half_width(tally, DFS5), DFS5)
    # Not many more than are needed: the first 70% of them are not enough.
    fewer = tally_of(plan, Budget(round(0.7 * n)))
    assert half_width(fewer, DFS5) > 0.7
    # And they are the same as if that number had been asked for.
    plain = tally_of(plan, Budget(n))
    assert plain.arms[0].result_hash == tally.arms[0].result_hash
    assert plain.arms[0].endpoints().equals(tally.arms[0].endpoints())


def test_the_fewest_are_simulated_where_fewer_would_do(scenario: Scenario) -> None:
    tally = tally_of(Experiment((scenario,), 1, "arrays"), Budget(512, precision=Precision(50, (OS5,))))
    assert tally.replications == 512


def test_the_cap_is_kept_and_warned_of(scenario: Scenario) -> None:
    plan = Experiment((scenario,), 1, "arrays")
    with pytest.warns(PrecisionWarning, match=r"after 1,000 .*not 0\.001: the cap came first") as caught:
        tally = tally_of(plan, Budget(300, precision=Precision(0.001, (OS5, DFS5), at_most=1000)))
    assert tally.replications == 1000
    assert f"{half_width(tally, DFS5):.3g} percentage points" in str(caught[0].message)
    assert "Disease-free survival, 5 y" in str(caught[0].message)


def test_of_two_scenarios_the_paired_difference_counts(scenario: Scenario, scenario_of: MakeScenario) -> None:
    other = scenario_of({"cohort.patients": 10, "aplasia.infection.ward_relative_risk": 5})
    plan = Experiment((scenario, other), 1, "arrays", (Pair(0, 1, paired=True, fates=False),))
    tally = tally_of(plan, Budget(300, precision=Precision(0.15, (OS5,))))
    assert of_difference(tally, OS5) <= 0.15
    assert half_width(tally, OS5) > 0.15  # of one alone it takes more
    fewer = tally_of(plan, Budget(round(0.7 * tally.replications)))
    assert of_difference(fewer, OS5) > 0.15


def test_an_endpoint_that_nobody_reaches_is_never_precise(scenario_of: MakeScenario) -> None:
    at_home = scenario_of({"cohort.patients": 10, "cohort.enters_at": "home"})
    plan = Experiment((at_home,), 1, "arrays")
    with pytest.warns(PrecisionWarning, match="inf percentage points"):
        tally = tally_of(plan, Budget(300, precision=Precision(1, (OS5,), at_most=600)))
    assert tally.replications == 600


@pytest.mark.parametrize("widest", [1.0, 1.2, 3.0, 1e300, math.inf])
def test_every_round_goes_on_and_ends_at_the_cap(widest: float) -> None:
    for half in (1e-300, 0.9):
        precision = Precision(half, (OS5,), at_most=100_000)
        counts = [precision.first(300)]
        assert counts == [512]
        while (wanted := precision.next(counts[-1], widest)) is not None:
            counts.append(wanted)
        assert counts == sorted(set(counts))
        assert all(after <= 9 * before for before, after in itertools.pairwise(counts))
        assert counts[-1] == 100_000
        assert all(count % 256 == 0 for count in counts[:-1])
    assert Precision(widest, (OS5,)).next(512, widest) is None if widest < 100 else True


@pytest.mark.parametrize("half", [0, -1, math.nan, math.inf, 100])
def test_impossible_precisions_are_refused(half: float) -> None:
    with pytest.raises(RequestError, match=r"--precision: .* given; allowed: a half-width between 0 and 100"):
        Precision(half, (OS5,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--precision", "0"), ["--precision: 0 given", "between 0 and 100"]),
        (("--precision", "-2"), ["--precision: -2 given"]),
        (("--precision", "nan"), ["--precision: nan given"]),
        (("--precision", "inf"), ["--precision: inf given"]),
        (("--precision", "narrow"), ["--precision", "narrow given; allowed: a number"]),
        (("--precision", "1", "--at-most", "100"), ["--at-most: 100", "300 replications", "fewer"]),
        (("--precision", "1", "--at-most", "0"), ["--at-most", "0 given; allowed: a whole number from 1"]),
        (("--precision", "1", "--endpoint", "length_of_stay_days"), ["is no share", "overall_survival@5"]),
        (("--precision", "1", "--endpoint", "overall_survival@9"), ["--endpoint", "overall_survival@5"]),
        (("--at-most", "1000"), ["--at-most: it caps --precision, which is missing"]),
        (("--endpoint", "overall_survival@5"), ["--endpoint: it says what --precision is about"]),
        (("--workers", "2", "--cluster", "tcp://h:1"), ["--workers and --cluster: give one"]),
        (("--workers", "0"), ["--workers", "0 given; allowed: a whole number from 1"]),
    ],
)
def test_a_wrong_request_is_one_message_and_leaves_nothing(
    arguments: tuple[str, ...], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(["run", "chicago2006", *SMALL, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    assert printed.err.count("\n") == 1
    for words in said:
        assert words in printed.err
    assert list(Path().iterdir()) == []


def test_a_run_reaches_it_with_one_or_two_workers_or_resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sim.work.store import ChunkStore

    request = ("run", "chicago2006", *SMALL, "--precision", "0.8", "--endpoint", "overall_survival@5")
    assert command_line([*request, "--workers", "1", "--out", "one"]) == 0
    assert "PrecisionWarning" not in capsys.readouterr().err
    manifest = json.loads(Path("one/manifest.json").read_text())
    assert manifest["replications"] > 512
    assert manifest["precision"] == "95% half-width of 0.8 percentage points: overall_survival@5"
    assert manifest["engine"] == "arrays"
    table = pd.read_csv("one/endpoints.csv").set_index(["endpoint", "time_years"])
    assert (table["mc_upper"] - table["mc_lower"])[OS5] <= 0.016
    assert command_line([*request, "--workers", "2", "--out", "two"]) == 0

    saved, save = [0], ChunkStore.save

    def until_the_second_round(store: ChunkStore, *what: object) -> None:
        if saved[0] == 3:
            raise KeyboardInterrupt
        saved[0] += 1
        save(store, *what)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ChunkStore, "save", until_the_second_round)
        assert command_line([*request, "--workers", "1", "--out", "resumed"]) == 130
    assert command_line([*request, "--workers", "1", "--out", "resumed", "--resume"]) == 0
    for name in ("manifest.json", "endpoints.csv", "replications.parquet", "patients.parquet"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes(), name
        assert Path("one", name).read_bytes() == Path("resumed", name).read_bytes(), name


def test_compare_and_sweep_reach_it_in_the_difference(capsys: pytest.CaptureFixture[str]) -> None:
    precise = ("--precision", "0.3", "--endpoint", "overall_survival@5")
    assert command_line(["compare", "chicago2006", "no_isolation", *SMALL, *precise, "--out", "c"]) == 0
    compared = pd.read_csv("c/comparison.csv")
    at = compared[
        (compared["scenario"] == "no_isolation")
        & (compared["endpoint"] == "overall_survival")
        & (compared["time_years"] == 5)
    ]
    assert ((at["difference_upper"] - at["difference_lower"]) <= 0.006).all()
    assert len(at) == 1
    vary = ("--vary", "aplasia.infection.ward_relative_risk=1,2,20")
    assert command_line(["sweep", "chicago2006", *SMALL, *vary, *precise, "--out", "s"]) == 0
    points = pd.read_csv("s/points.csv")
    at = points[(points["endpoint"] == "overall_survival") & (points["time_years"] == 5)]
    assert ((at["difference_upper"] - at["difference_lower"]) <= 0.006).all()
    assert at["difference"].iloc[0] == 0
    reference, some, more = at["replications"].tolist()
    assert some < more == reference  # what differs more takes longer
    assert "PrecisionWarning" not in capsys.readouterr().err
    assert (
        command_line(["sweep", "chicago2006", *SMALL, *vary, "--precision", "0.01", "--at-most", "600"]) == 0
    )
    assert capsys.readouterr().err.count("Warning (PrecisionWarning): the difference of ") >= 1


def test_the_caller_of_the_library_gets_the_typed_warning(scenario: Scenario) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", PrecisionWarning)
        with pytest.raises(PrecisionWarning):
            tally_of(
                Experiment((scenario,), 1, "arrays"), Budget(300, precision=Precision(1e-3, (OS5,), 512))
            )
