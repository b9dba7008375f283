"""The figures that count replications and patients: what they draw is what the run's tables say."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from sim.clinic.states import Place
from sim.commands.run import run as simulated
from sim.outcomes.one_trial import Patients, report_trial
from sim.outcomes.survival import kaplan_meier
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.show.figures.areas import places
from sim.show.figures.pathway import pathway_data, pathway_figure
from sim.show.figures.replications import (
    convergence_data,
    convergence_figure,
    mortality_data,
    mortality_figure,
    shown_keys,
)
from sim.show.figures.trial import trial_data, trial_figure
from sim.show.kit.scenario_words import headlines
from sim.show.kit.style import save
from sim.show.plots import Drawn
from sim.show.plots import draw as draw_all
from sim.show.run_tables import published
from sim.show.trial_data import first_trials, one_trial
from sim.work.results import Results, read_results

REPLICATIONS = 100
Told = tuple[Scenario, Results]
Words = Callable[[Figure], str]


def run_of(name: str, *changes: str, replications: int = REPLICATIONS) -> Told:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = simulated(name, set=changes, replications=replications)
    return results.scenario, results


@pytest.fixture(scope="module")
def chicago() -> Told:
    return run_of("chicago2006")


@pytest.fixture(scope="module")
def drawn(chicago: Told) -> dict[str, Drawn]:
    return {each.name: each for each in draw_all(chicago[1])}


def finding(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def estimates(run: Results, name: str) -> pd.Series:
    endpoints = run.tables["endpoints"]
    return pd.Series(endpoints[endpoints["endpoint"] == name].iloc[-1])


CASES = {
    "chicago2006": (),
    "ebmt2004": (),
    "open_clinic": ("arrivals.years=0.4",),
    "no_isolation": (),
    "no_transplant": (),
    "nobody_is_reinfused": ("active_disease.hazard_per_year=1e6",),
    "cut_at_once": ("arrivals.window_days=0", "follow_up.data_cut_days=3"),
    "one_patient": ("cohort.patients=1",),
    "short": ("follow_up.horizon_years=0.2",),
    "long": ("follow_up.horizon_years=40",),
    "long_title": (),
}


@pytest.mark.parametrize("case", CASES)
def test_every_figure_fits_on_its_page_and_says_something(
    case: str, tmp_path: Path, fits: Callable[[Figure], bool], words: Words
) -> None:
    name = case if "0" in case or case.startswith(("open", "no_")) else "chicago2006"
    changes = CASES[case]
    if case == "long_title":
        path = tmp_path / "mine.toml"
        path.write_text(
            f"kind = 'scenario'\nbase = 'chicago2006'\ntitle = '{'A $long$ <title> ' * 12}'\n", "utf-8"
        )
        name = str(path)
    scenario, run = run_of(name, *changes, replications=4)
    figures = list(draw_all(run))
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)
    assert {"swimmer", "pathway"} <= set(names)
    for found in figures:
        assert finding(found.figure), found.name
        assert fits(found.figure), found.name
        assert scenario.title.split()[0] in words(found.figure), found.name


def test_the_running_estimate_ends_where_the_endpoints_are(chicago: Told) -> None:
    scenario, run = chicago
    keys = shown_keys(scenario, headlines(scenario))
    assert keys == [
        ("treatment_related_mortality", None),
        ("pre_transplant_mortality", None),
        ("overall_survival", 5.0),
        ("disease_free_survival", 5.0),
    ]
    data = convergence_data(run.tables["replications"], keys)
    for name, curve in data.groupby("endpoint"):
        last, row = curve.iloc[-1], estimates(run, str(name))
        assert last["replications"] == REPLICATIONS
        assert last["estimate"] == pytest.approx(row["estimate"], rel=1e-12)
        assert (last["mc_upper"] - last["mc_lower"]) / 2 == pytest.approx(1.959964 * row["mc_se"], rel=1e-6)
        early = run.tables["replications"].iloc[: int(curve["replications"].iloc[3])]
        key = next(key for key in keys if key[0] == name)
        column = str(name) if key[1] is None else f"{name}@{key[1]:g}"
        of = "n_reinfused" if key[1] else "n_enrolled"
        assert curve["estimate"].iloc[3] == pytest.approx(early[column].sum() / early[of].sum(), rel=1e-12)
    figure = convergence_figure(data, scenario)
    assert finding(figure).startswith(
        "After 100 virtual trials the Monte Carlo error of the figures is down to"
    )


def test_deaths_of_single_trials_are_counted_and_the_published_count_is_marked(
    chicago: Told, words: Words
) -> None:
    scenario, run = chicago
    data = mortality_data(run.tables["replications"])
    for name, rows in data.groupby("endpoint"):
        assert rows["trials"].sum() == REPLICATIONS
        assert rows["share"].sum() == pytest.approx(1.0)
        total = float((rows["deaths"] * rows["trials"]).sum())
        reported = run.tables["replications"][f"trial_{name}"] * run.tables["replications"]["n_enrolled"]
        assert total == pytest.approx(reported.sum())
    figure = mortality_figure(data, scenario)
    said = words(figure)
    assert "published: 1 of 50 (B08)" in said
    assert "published: 2 of 50 (B03)" in said
    ones = data[(data["endpoint"] == "treatment_related_mortality") & (data["deaths"] == 1)]
    assert finding(figure).startswith(f"{100 * ones['share'].iloc[0]:.1f}% of virtual trials of 50 see 1 ")


@pytest.mark.parametrize("around", [20_000, 400, 30])
def test_deaths_in_trials_of_any_size_fit_into_some_dozens_of_bars(around: int) -> None:
    deaths = np.random.default_rng(1).poisson(around, 500)
    rows = pd.DataFrame({"n_enrolled": 1_000_000.0, "trial_treatment_related_mortality": deaths / 1e6})
    rows["trial_pre_transplant_mortality"] = np.nan
    scenario = load("chicago2006", ["cohort.patients=1000000"]).scenario
    (axis,) = mortality_figure(mortality_data(rows), scenario).axes
    heights = [bar.get_height() for bar in axis.patches]
    assert len(heights) <= 130
    assert sum(heights) == pytest.approx(1.0, abs=0.005)  # nothing that is seen is left out
    middle = sum(bar.get_height() * (bar.get_x() + bar.get_width() / 2) for bar in axis.patches)
    assert middle == pytest.approx(deaths.mean(), rel=0.005)


def test_a_published_count_of_other_patients_is_not_marked(words: Words) -> None:
    scenario, run = run_of("chicago2006", "cohort.patients=10")
    data = mortality_data(run.tables["replications"])
    assert "ublished" not in words(mortality_figure(data, scenario))  # a what-if answers to none
    figure = mortality_figure(data, scenario.model_copy(update={"what_if": None}))
    assert "published:" not in words(figure)
    assert "Published counts are not marked" in words(figure)
    assert finding(figure).startswith(
        "The median virtual trial of 10 sees 0 treatment-related deaths, and 95% see 0"
    )


def test_incidences_end_where_the_endpoints_are(chicago: Told, drawn: dict[str, Drawn], words: Words) -> None:
    _, run = chicago
    data = run.tables["incidence"]
    assert list(data.columns) == ["of", "what", "time_years", "share", "mc_lower", "mc_upper"]
    last = data[data["time_years"] == 5.0].set_index("what")
    for name in ("relapse_incidence", "no_response", "death_without_relapse", "disease_free_survival"):
        assert last.loc[name, "share"] == pytest.approx(estimates(run, name)["estimate"], abs=1e-12)
    figure = drawn["incidence"].figure
    assert "Relapse" in words(figure)
    assert "most deaths are of lupus" in finding(figure)
    widest = 100 * ((data["mc_upper"] - data["mc_lower"]) / 2).max()
    assert (
        "Areas: the whole courses of 5,000 patients of the first 100 virtual trials, nobody censored; "
        f"their 95% Monte Carlo error is at most \u00b1{widest:.2g} points."
    ) in words(figure).replace("\n", " ")


def test_places_say_when_patients_are_reinfused_and_how_they_end(chicago: Told) -> None:
    scenario, run = chicago
    patients = first_trials(run.table("patients"), scenario)
    assert patients is not None
    data = run.tables["places"]
    shares = data[data["of"] != "way"]
    assert shares.groupby(["of", "time_days"])["share"].sum().to_numpy() == pytest.approx(1.0)
    days = data[data["of"] == "place"]
    assert days[days["time_days"] == 0].set_index("what").loc["mobilising", "share"] == 1.0
    end = data[(data["of"] == "disease") & (data["time_days"] == data["time_days"].max())].set_index("what")
    waits = (patients.reinfusion - patients.enrolled)[np.isfinite(patients.reinfusion)]
    figure = places(run)
    treatment = next(axis for axis in figure.axes if axis.get_xlabel().startswith("Days"))
    assert treatment.get_xlim() == (0, 150)
    said = finding(figure)
    assert f"by day {np.median(waits):.0f};" in said
    assert f"{100 * end.loc['remission', 'share']:.0f}% of the enrolled are in remission" in said


def test_who_waits_for_apheresis_is_shown_apart(words: Words) -> None:
    _, run = run_of("open_clinic", "clinic.apheresis_slots=1", "arrivals.years=0.4", replications=20)
    said = words(places(run))
    assert "Waiting for apheresis" in said
    assert "20 virtual clinics" in said.replace("\n", " ")


def test_the_first_trial_is_drawn_as_the_estimator_gives_it(chicago: Told, words: Words) -> None:
    scenario, run = chicago
    first = one_trial(run.table("patients"), scenario)
    assert first is not None
    report = report_trial(first)
    data = trial_data(report)
    rows = data[data["endpoint"] == "overall_survival"]
    cut = scenario.follow_up.data_cut_days
    assert isinstance(cut, float)
    started = np.isfinite(first.reinfusion) & (first.reinfusion < cut)
    years = (np.minimum(first.death, cut)[started] - first.reinfusion[started]) / 365.25
    expected = kaplan_meier(years, (first.death <= cut)[started])
    assert rows["survival"].to_numpy() == pytest.approx(expected.survival)
    assert rows["at_risk"].iloc[0] == started.sum()
    said = run.tables["replications"].iloc[0]["trial_overall_survival@5"]
    figure = trial_figure(report, scenario)
    assert f"{100 * said:.1f}% alive" in finding(figure)
    assert "At risk" in words(figure)
    assert str(int(started.sum())) in words(figure).split()


def test_the_diagram_names_every_place_that_is_reached(chicago: Told, words: Words) -> None:
    scenario, run = chicago
    patients = first_trials(run.table("patients"), scenario)
    assert patients is not None
    stays = pathway_data(patients)
    said = words(pathway_figure(scenario, stays)).lower()
    for place in Place:
        assert place.value.replace("_", " ") in said
    for word in (
        "apheresis slot: without limit",
        "isolation room: without limit",
        "withdrawn",
        "death",
        "reinfu",
    ):
        assert word in said
    data = stays.set_index("place")
    assert data.loc["aplasia", "reached"] == np.isfinite(patients.reinfusion).mean()
    assert data.loc["immunoablation", "mean_days"] == pytest.approx(5.0, abs=0.1)
    assert data.loc["mobilising", "reached"] == 1.0


def test_the_diagram_of_a_registry_begins_at_the_queue(words: Words) -> None:
    scenario = load("ebmt2004", ["clinic.isolation_rooms=2"]).scenario
    said = words(pathway_figure(scenario, None))
    assert "Mobilising" not in said
    assert "apheresis" not in said
    assert "isolation room: 2 of them, first come, first served" in said
    home = load("no_transplant").scenario
    assert finding(pathway_figure(home, None)) == "No pathway: patients are at home from enrolment"


def test_numbers_at_risk_stand_under_survival(chicago: Told, drawn: dict[str, Drawn], words: Words) -> None:
    scenario, run = chicago
    survival = drawn["survival"]
    assert survival.table is not None
    said = words(survival.figure)
    for row in survival.table.itertuples():
        assert f"{row.median} ({row.lower}-{row.upper})" in said
    sizes = [
        int((Patients(rows, scenario).reinfusion < 3105).sum()) for _, rows in _trials(run.table("patients"))
    ]
    begun = survival.table[
        (survival.table["endpoint"] == "overall_survival") & (survival.table["time_years"] == 0)
    ]
    assert begun["median"].iloc[0] == np.quantile(sizes, 0.5, method="inverted_cdf")


def _trials(rows: pd.DataFrame | None) -> Iterator[tuple[int, pd.DataFrame]]:
    assert rows is not None
    yield from ((int(str(number)), trial) for number, trial in rows.groupby("replication"))


def test_a_clinic_without_data_cut_speaks_of_none(words: Words) -> None:
    scenario, run = run_of("open_clinic", "arrivals.years=0.4", replications=20)
    by_name = {figure.name: figure for figure in draw_all(run)}
    for name, figure in by_name.items():
        said = " ".join(words(figure.figure).split())
        assert "data cut" not in said, name
        assert "virtual trials" not in said or name in ("convergence", "swimmer"), name
    said = " ".join(words(by_name["survival"].figure).split())
    assert re.search("the range of one clinic with [0-9.]+ years? of arrivals, 95% of", said)
    rooms = " ".join(words(by_name["rooms"].figure).split())
    assert "95% Monte Carlo error" in rooms
    table = Console(width=100)
    with table.capture() as printed:
        table.print(published(run.tables["endpoints"], scenario).terminal())
    assert "data cut" not in printed.get()
    assert "Range of one clinic" in printed.get()


def test_every_figure_has_its_data_as_a_table(chicago: Told, drawn: dict[str, Drawn]) -> None:
    _, run = chicago
    elsewhere = {
        "calibration": "endpoints",
        "incidence": "incidence",
        "places": "places",
        "swimmer": "swimmer",
    }
    assert {name for name, each in drawn.items() if each.table is None} == set(elsewhere)
    assert all(run.table(name) is not None for name in elsewhere.values())
    assert len(run.tables["swimmer"]) == 50
    deaths = drawn["mortality"].table
    assert deaths is not None
    assert (deaths["mc_lower"] <= deaths["share"]).all()
    assert (deaths["share"] <= deaths["mc_upper"]).all()


@pytest.mark.parametrize("name", ["swimmer", "rooms", "places"])
def test_a_folder_draws_what_was_drawn_from_memory(name: str, tmp_path: Path) -> None:
    changes = ("arrivals.years=0.4", "clinic.apheresis_slots=1")
    _, held = run_of("open_clinic", *changes, replications=4)
    folder = tmp_path / "folder"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulated("open_clinic", set=changes, replications=4, out=folder, figures="none")
    drawn_from = {"memory": held, "folder": read_results(folder)}
    found = []
    for where, results in drawn_from.items():
        ((_, figure, _),) = draw_all(results, name)
        found.append([path.read_bytes() for path in save(figure, tmp_path, where, ("svg",))])
    assert found[0] == found[1]
