from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sim.scenario.endpoints import BY_NAME
from sim.scenario.schema import Scenario
from sim.show.kit.formats import Row
from sim.show.kit.grid import Column, Grid
from sim.show.run_tables import defined, over_range, published, targets

Build = Callable[..., Scenario]


def printed(grid: Grid, width: int) -> list[str]:
    """Print as into a pipe of some width."""
    out = io.StringIO()
    Console(file=out, width=width).print(grid.terminal())
    return [line.rstrip() for line in out.getvalue().splitlines()]


def cells(grid: Grid) -> dict[str, list[str]]:
    """Return the cells of each row by its label."""
    return {row[0]: list(row[1:]) for row in grid.rows}


def test_what_nobody_published_does_not_stand_under_published(
    endpoints: pd.DataFrame, scenario: Build
) -> None:
    asked = endpoints.assign(
        target_source=endpoints["target_source"].mask(endpoints["target"].notna(), "question")
    )
    for table in (published(asked, scenario()), targets([("x", asked, scenario())])):
        assert table.title == "Target and simulated"
        assert "published" not in {column.heading for column in table.columns}
    assert targets([("x", endpoints, scenario())]).title == "Published and simulated"


def test_targets_stand_beside_the_simulated_figures(endpoints: pd.DataFrame, scenario: Build) -> None:
    table = published(endpoints, scenario())
    assert [" ".join(column.heading.split()) for column in table.columns] == [
        "endpoint",
        "published",
        "simulated",
        "Monte Carlo error",
        "range of one trial",
    ]
    assert cells(table) == {
        "Treatment-related mortality": ["2% (1 of 50)", "2.1%", "1.9 to 2.2%", "0 to 6%"],
        "Transplant-related mortality": ["0.5% assumed", "0.46%", "0.37 to 0.55%", "0 to 4%"],
        "Death before reinfusion": ["4% (2 of 50)", "3.9%", "3.7 to 4.1%", "0 to 8%"],
        "Overall survival, reinfused, 5 y": ["84%", "84.3%", "83.8 to 84.7%", "58 to 98%\n1.6% undefined"],
        "Disease-free survival, 5 y": ["50%", "51.1%", "50.5 to 51.7%", "21 to 76%\n8.2% undefined"],
        "Mean follow-up (years)": ["2.42 unverified", "2.43", "2.41 to 2.45", "2.0 to 2.9"],
    }


def test_the_full_table_has_every_endpoint_once_and_targets_first(
    endpoints: pd.DataFrame, scenario: Build
) -> None:
    table = published(endpoints, scenario(), full=True)
    shown = cells(table)
    told = [name for name in endpoints["endpoint"] if not BY_NAME[name].queue]
    assert len(shown) == len(table.rows) == len(told)
    assert list(shown)[:6] == list(cells(published(endpoints, scenario())))
    assert shown["Stay in the isolation room (days)"] == ["", "17.18", "17.16 to 17.21", ""]
    assert shown["No response, 5 y"][1] == "0%"
    assert table.ends == {5}
    assert [row.end_section for row in table.terminal().rows].index(True) == 5


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_nothing_is_cut_short_at_any_width(endpoints: pd.DataFrame, scenario: Build, width: int) -> None:
    table = published(endpoints, scenario(), full=True)
    lines = printed(table, width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    letters = sorted("".join("".join(row) for row in ([k, *v] for k, v in cells(table).items())).split())
    wanted = sorted("".join(letters))
    body = "".join(lines[2:])
    assert all(body.count(letter) >= wanted.count(letter) for letter in set(wanted))


def test_at_80_columns_no_word_or_number_is_broken(endpoints: pd.DataFrame, scenario: Build) -> None:
    text = "\n".join(printed(published(endpoints, scenario(), full=True), 80))
    for words in ("2% (1 of 50)", "0.5% assumed", "50.5 to 51.7%", "8.2% undefined", "Transplant-related"):
        assert words in text


def test_wide_output_has_one_line_a_target(endpoints: pd.DataFrame, scenario: Build) -> None:
    lines = printed(published(endpoints, scenario()), 200)
    (line,) = [line for line in lines if line.startswith("Treatment-related mortality")]
    assert " ".join(line.split()) == "Treatment-related mortality 2% (1 of 50) 2.1% 1.9 to 2.2% 0 to 6%"


def test_notes_say_which_uncertainty_is_which(endpoints: pd.DataFrame, scenario: Build) -> None:
    def notes(table: pd.DataFrame) -> str:
        return " ".join(published(table, scenario()).notes)

    assert "Monte Carlo error: the 95% interval of the simulated figure" in notes(endpoints)
    assert "Range of one trial: what 95% of virtual trials" in notes(endpoints)
    assert "Undefined: nobody is at risk" in notes(endpoints)
    assert "Undefined" not in notes(endpoints.assign(trial_undefined=0.0))


def test_without_targets_the_main_endpoints_are_shown_at_the_horizon(
    endpoints: pd.DataFrame, scenario: Build
) -> None:
    none = endpoints.assign(target=np.nan, target_source="")
    table = published(none, scenario(target=()))
    assert list(cells(table)) == [
        "Overall survival, all enrolled, 5 y",
        "Treatment-related mortality",
        "Death before reinfusion",
        "Overall survival, reinfused, 5 y",
        "Disease-free survival, 5 y",
    ]
    told = [name for name in endpoints["endpoint"] if not BY_NAME[name].queue]
    assert len(published(none, scenario(target=()), full=True).rows) == len(told)


def test_nobody_at_risk_is_said_and_no_figure_shown(
    endpoints: pd.DataFrame, scenario: Build, blank: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    shown = cells(published(blank(endpoints), scenario()))
    assert shown["Overall survival, reinfused, 5 y"] == ["84%", "nobody at risk", "", "100% undefined"]
    assert "nan" not in "".join(printed(published(blank(endpoints), scenario(), full=True), 200))


def test_one_replication_shows_means_without_error(endpoints: pd.DataFrame, scenario: Build) -> None:
    means = endpoints["endpoint"] == "mean_follow_up"
    one = endpoints.copy()
    one.loc[means, ["mc_se", "mc_lower", "mc_upper"]] = np.nan
    assert cells(published(one, scenario()))["Mean follow-up (years)"][1:3] == ["2.43", ""]


def test_an_estimate_in_one_cell_has_its_interval(endpoints: pd.DataFrame) -> None:
    row = endpoints[endpoints["endpoint"] == "treatment_related_mortality"].iloc[0]
    assert Row(row).estimate_text == "2.1% (1.9 to 2.2%)"
    drawn = pd.concat(
        [row, pd.Series({"posterior_lower": 0.01, "posterior_upper": 0.06, "posterior_se": 0.02})]
    )
    assert Row(drawn).estimate_text == "2.1% (1.9 to 2.2%; posterior 1 to 6%)"
    row = row.copy()
    row[["estimate", "mc_lower", "mc_upper"]] = np.nan
    row["note"] = "nobody_at_risk"
    assert Row(row).estimate_text == "nobody at risk"


KEY = "active_disease.hazard_per_year"


def ranged(endpoints: pd.DataFrame) -> pd.DataFrame:
    """Return the table of endpoints at two values: at the second, survival is 10 points lower."""
    columns = ("reference", "difference", "difference_lower", "difference_upper")
    endpoints = endpoints.assign(**dict(zip(columns, (False, -0.1, -0.11, -0.09), strict=True)))
    lower = endpoints.copy()
    numbers = ["estimate", "mc_lower", "mc_upper"]
    lower.loc[lower["endpoint"] == "overall_survival", numbers] -= 0.1
    return pd.concat([endpoints.assign(**{KEY: 0.1}), lower.assign(**{KEY: 0.2})], ignore_index=True)


def with_range(scenario: Scenario) -> Scenario:
    shown = [{"key": KEY, "values": [0.1, 0.2], "source": "B03"}]
    return Scenario.model_validate({**scenario.model_dump(), "range": shown})


def test_over_a_range_each_figure_has_its_band_beside_it(endpoints: pd.DataFrame, scenario: Build) -> None:
    table = published(endpoints, with_range(scenario()), ranged(endpoints))
    assert " ".join(table.columns[3].heading.split()) == "over the range"
    bands = {label: row[2] for label, row in cells(table).items()}
    assert bands["Overall survival, reinfused, 5 y"] == "between 74.3% and 84.3%"
    assert bands["Disease-free survival, 5 y"] == "51.1%"
    notes = " ".join(table.notes)
    assert f"Over the range: {KEY} from 0.1 to 0.2 (B03)" in notes
    assert f"The other columns hold at {KEY} = 0.15." in notes


def test_the_range_has_a_row_for_each_value_and_one_for_all(endpoints: pd.DataFrame, scenario: Build) -> None:
    shown = cells(over_range(ranged(endpoints), with_range(scenario())))
    assert list(shown) == ["0.1", "0.2", "over the whole range"]
    alive = [row[3].splitlines() for row in shown.values()]
    change = "\N{MINUS SIGN}10 (\N{MINUS SIGN}11 to \N{MINUS SIGN}9)"
    assert alive == [["84.3%", change], ["74.3%", change], ["between 74.3% and 84.3%"]]


def test_who_is_never_transplanted_is_read_from_enrolment(
    endpoints: pd.DataFrame, scenario_of: Callable[..., Scenario]
) -> None:
    home = scenario_of({"cohort.enters_at": "home"})
    shown = cells(published(endpoints.assign(target=np.nan), home))
    assert list(shown) == [
        "Overall survival, all enrolled, 5 y",
        "Years lived, all enrolled, 5 y",
        "Death from lupus, 5 y",
    ]


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ({}, 0),
        ({"clinic.apheresis_slots": 2}, 4),
        ({"clinic.isolation_rooms": 2}, 8),
        ({"clinic.apheresis_slots": 2, "clinic.isolation_rooms": 2}, 11),
    ],
)
def test_waits_are_told_where_places_are_scarce_and_only_there(
    endpoints: pd.DataFrame, scenario_of: Callable[..., Scenario], places: dict[str, int], told: int
) -> None:
    """Beside targets too: who limits the places of a trial wants to know what it does."""
    scenario = scenario_of(places)
    for table in (endpoints, endpoints.assign(target=np.nan)):
        shown = list(cells(published(table, scenario)))
        queues = [each for each in shown if "ait" in each]
        assert len(queues) == told
        assert ("Died waiting for a room" in queues) == ("clinic.isolation_rooms" in places)
        assert ("Died waiting for an apheresis slot" in queues) == ("clinic.apheresis_slots" in places)
    full = " ".join(cells(published(endpoints, scenario, full=True)))
    assert ("Wait for a room, median" in full) == ("clinic.isolation_rooms" in places)
    page = [row[0] for row in defined(endpoints, scenario, waits=True).rows]
    assert len(page) == told


def test_waits_at_the_closing_of_a_clinic_are_warned_of(
    endpoints: pd.DataFrame, scenario_of: Callable[..., Scenario]
) -> None:
    poisson = {"arrivals.pattern": "poisson", "arrivals.per_year": 40, "arrivals.years": 1}
    for places, warned in ((2, True), ("unlimited", False)):
        scenario = scenario_of(poisson, {"clinic.isolation_rooms": places})
        notes = " ".join(published(endpoints, scenario).notes)
        assert ("arrivals end with the time that is counted" in notes) == warned


def test_what_others_named_is_no_markup_of_the_terminal() -> None:
    grid = Grid("", (Column("[bold]way"), Column("b", number=True)), [("[[alternative]] x", "1\n2")])
    lines = printed(grid, 80)
    assert lines[0].startswith("[bold]way")
    assert lines[2].startswith("[[alternative]] x")
    assert lines[3].strip() == "2"


def test_a_name_over_a_column_keeps_its_letters_on_a_page() -> None:
    assert Column("Monte Carlo\nerror").lines == ["Monte Carlo", "error"]
    assert Column("published").lines == ["Published"]
    assert Column("relapse.shape", name=True).lines == ["relapse.shape"]
