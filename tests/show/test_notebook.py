"""Pictures drawn into axes of a notebook, from tables in memory."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import sim
from sim.outcomes.courses import WHAT, days_of
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.work.results import Results


@pytest.fixture
def results(endpoints: pd.DataFrame, curves: pd.DataFrame, scenario: Callable[..., Scenario]) -> Results:
    one = scenario()
    tables = {"endpoints": endpoints, "curves": curves}
    for name, time, kinds in (
        ("incidence", "time_years", ("reinfused", "enrolled")),
        ("places", "time_days", ("place", "disease", "way")),
    ):
        parts = []
        for of in kinds:
            days = days_of(of, one) / (365.25 if time == "time_years" else 1.0)
            for what in WHAT[of]:
                share = np.full(days.size, 1 / len(WHAT[of]))
                limits = {"share": share, "mc_lower": share - 0.01, "mc_upper": share + 0.01}
                parts.append(pd.DataFrame({"of": of, "what": what, time: days, **limits}))
        tables[name] = pd.concat(parts, ignore_index=True)
    counted = {"replications": 10, "patients": 500, "draws": 0}
    manifest = {"command": "run", "scenario": "mine", "draws": None, "posterior": None, "counted": counted}
    return Results({**manifest, "resolved": one.model_dump(exclude_none=True)}, tables)


def test_several_pictures_share_a_page_of_the_host(results: Results, words: Callable[[Figure], str]) -> None:
    page = Figure(figsize=(9, 9))
    axes = page.subplots(3, 2).ravel()
    with mpl.rc_context({"font.size": 21.0}):
        draw = (sim.plot.survival, sim.plot.deaths, sim.plot.remission, sim.plot.disease, sim.plot.treatment)
        for each, axis in zip(draw, axes, strict=False):
            assert each(results, axis) is axis
        assert mpl.rcParams["font.size"] == 21.0
    lines = [line for line in axes[0].lines if len(line.get_xdata()) > 10]
    survival = results.tables["curves"]
    for name in ("overall_survival", "disease_free_survival"):
        curve = survival.loc[survival["endpoint"] == name, "estimate"].to_numpy()
        assert any(np.array_equal(np.asarray(line.get_ydata()), curve) for line in lines)
    said = words(page)
    for word in ("Years since reinfusion", "Lupus", "Death without relapse", "In remission", "Aplasia"):
        assert word in said
    assert not axes[5].has_data()


def test_without_axes_the_whole_page_is_drawn(results: Results) -> None:
    page = sim.plot.survival(results)
    assert isinstance(page, Figure)
    assert page.get_suptitle() == sim.plot.figure(results, "survival").get_suptitle()
    assert page.get_suptitle()


@pytest.mark.filterwarnings("ignore::sim.scenario.problems.TypedWarning")
def test_a_figure_that_is_not_there_is_refused_with_those_that_are(results: Results) -> None:
    with pytest.raises(RequestError, match="no figure 'rooms'; it may have survival, cal"):
        sim.plot.figure(results, "rooms")
    sweep = sim.sweep("chicago2006", {"cohort.patients": [5]}, replications=2)
    for ask in (sim.plot.survival, sim.plot.deaths, sim.plot.treatment):
        with pytest.raises(RequestError, match=r"this study has no figure '\w+'; it may have arms"):
            ask(sweep, Figure().subplots())
    pair = sim.compare("chicago2006", "no_isolation", replications=2)
    with pytest.raises(RequestError, match="ax: survival of a compare is a page of its own; leave ax out"):
        sim.plot.survival(pair, Figure().subplots())
