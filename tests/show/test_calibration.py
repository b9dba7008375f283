"""A calibration for people: figures whose titles are findings, a page that tells the story, and its card."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_calibration import coverage_of, found_of, profiles_of, search_of
from matplotlib.figure import Figure
from pages import Page

from sim.calibrate import tables as calibration_tables
from sim.calibrate.point import PointFit, solve_point
from sim.calibrate.tables import ACTIVE, MULTIPLIER, prior_table
from sim.cli import run as command_line
from sim.commands import calibrate as calibration
from sim.scenario.load import Loaded, load
from sim.show.calibration_card import card, card_text
from sim.show.calibration_shown import Shown, correlation, log_spread_left, short_name
from sim.show.calibration_words import extrapolation_text, rough_text
from sim.show.figures.alternatives import alternatives_figure
from sim.show.figures.parameters import pairs_figure, parameters_figure, profiles_figure
from sim.show.figures.posterior_checks import alone_figure, coverage_figure, search_figure
from sim.show.figures.repeats import repeats_figure
from sim.show.figures.survival import no_transplant_figure, predicted_figure
from sim.show.figures.targets import targets_figure
from sim.show.kit.style import save
from sim.show.page import make_page, render
from sim.show.plots import PLOTS as ALL_PLOTS
from sim.work.results import Results, read_results

PLOTS = ALL_PLOTS["calibrate"]

WARNING = extrapolation_text(load("chicago2006").scenario)
TITLE = 'Trials <script>alert("1")</script> & <b>beds</b>'
Made = Callable[..., Results]
WHOLE = {"effective_size": 200, "points": 1024}


@pytest.fixture(scope="session")
def fit() -> PointFit:
    return solve_point(load("chicago2006").scenario)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    path = tmp_path_factory.mktemp("hostile") / "mine.toml"
    path.write_text(f"kind = 'scenario'\nbase = 'chicago2006'\ntitle = '{TITLE}'\n", "utf-8")
    return load(str(path))


@pytest.fixture(scope="session")
def calibrated(fit: PointFit, hostile: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Write the folder of a calibration whose search is made up."""

    def write(
        name: str, figures: str = "svg", *, checked: bool = True, limited: bool = False, **asked: Any
    ) -> Results:
        own = replace(fit, scenario=fit.scenario.model_copy(update={"title": TITLE}))
        found = found_of(own, checked=checked, limited=limited)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calibration, "find", lambda *_: found)
            patch.setattr(calibration_tables, "profiles", profiles_of)
            out = tmp_path_factory.mktemp("calibrated") / name
            return calibration.calibrate(hostile, out=out, figures=figures, **asked)

    return write


@pytest.fixture(scope="session")
def whole(calibrated: Made) -> Results:
    return calibrated("whole", "svg,png", **WHOLE, simulation=1000, coverage=60)


@pytest.fixture(scope="session")
def shown(whole: Results) -> Shown:
    return Shown.of(whole)


@pytest.fixture(scope="session")
def text(whole: Results) -> str:
    return (whole.folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="session")
def page(text: str) -> Page:
    return Page(text)


def title_of(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_every_figure_is_there_as_svg_and_png_with_its_data(whole: Results) -> None:
    figures = whole.folder / "figures"
    for plot in PLOTS:
        for ending in ("svg", "png"):
            assert (figures / f"{plot.name}.{ending}").stat().st_size > 1000, plot.name
        for name in plot.data:
            assert (whole.folder / name).is_file(), name
    assert {path.stem for path in figures.glob("*.svg")} == {plot.name for plot in PLOTS}


def test_all_that_is_drawn_lies_on_the_page(whole: Results, fits: Callable[[Figure], bool]) -> None:
    for plot in PLOTS:
        figure = plot.draw(whole)
        assert isinstance(figure, Figure)
        assert fits(figure), plot.name


def test_targets_count_what_the_posterior_holds(shown: Shown) -> None:
    predictions = shown.tables["predictions"]
    assert title_of(targets_figure(predictions, shown.scenario)) == (
        "All 4 published shares lie in the posterior's 95%, which leaves overall survival of the "
        "reinfused at 5 years between 67 and 92%"
    )
    moved = predictions.copy()
    at = moved["endpoint"] == "disease_free_survival"
    moved.loc[at, ["posterior_lower", "posterior_upper"]] = (0.51, 0.9)
    title = title_of(targets_figure(moved, shown.scenario))
    assert title.startswith("3 of 4 published shares lie in the posterior's 95%")
    assert title.endswith("disease-free survival at 5 years between 51 and 90%")


def test_survival_and_repeats_say_their_intervals(shown: Shown) -> None:
    tables = shown.tables
    assert title_of(predicted_figure(tables["curves"], tables["predictions"], shown.scenario)) == (
        "Of the reinfused, the posterior leaves 67 to 92% alive and 40 to 55% disease-free at 5 years"
    )
    reported = shown.reported
    low, high = np.nanquantile(reported["trial_overall_survival@5"], (0.025, 0.975))
    title = title_of(repeats_figure(reported, tables["at_point"], shown.scenario))
    assert (
        f"overall survival of the reinfused at 5 years of {100 * low:.0f} to {100 * high:.0f}% (95%)" in title
    )
    tight = tables["at_point"].assign(**{"trial_overall_survival@5": 0.8})
    assert title_of(repeats_figure(reported, tight, shown.scenario)).endswith("by chance alone, 80 to 80%")


def test_the_marked_share_of_repeats_counts_half_of_the_equal_ones(
    shown: Shown, words: Callable[[Figure], str]
) -> None:
    name = "trial_treatment_related_mortality"
    trials = shown.reported.head(4).assign(**{name: [0.0, 0.02, 0.02, 0.04]})
    said = words(repeats_figure(trials, shown.tables["at_point"], shown.scenario))
    assert "published 2%; 50% report less" in said
    trials[name] = [0.0, 0.0, 0.0, 0.02]
    assert "published 2%; 88% report less" in words(
        repeats_figure(trials, shown.tables["at_point"], shown.scenario)
    )


def test_the_prior_drawn_is_a_density_with_the_priors_own_quantiles(shown: Shown) -> None:
    for key, prior in shown.own["priors"].groupby("key"):
        mass = np.trapezoid(prior["density"], prior["value"])
        # Cut off at 3.2 normal scores to either side: all but 0.14%; the rest is the rule of trapezia.
        assert mass == pytest.approx(0.9986, abs=2e-3), key
        row = shown.tables["parameters"].set_index("key").loc[key]
        middle = prior.loc[prior["score"].abs().idxmin(), "value"]
        assert middle == pytest.approx(row["prior_median"], rel=1e-9)
    assert len(prior_table(search_of(shown.scenario).free)) == len(shown.own["priors"])


def test_parameters_and_profiles_name_what_stays_open(shown: Shown) -> None:
    table = shown.tables["parameters"]
    free = [key for key, left in zip(table["key"], table["variance_left"], strict=True) if left >= 0.8]
    assert 0 < len(free) < len(table)
    title = title_of(parameters_figure(shown))
    assert title.startswith(
        f"The trial's figures tell something of {len(table) - len(free)} of {len(table)} "
    )
    for key in table["key"]:
        assert (short_name(key).lower() in title.lower()) == (key in free), key
    title = title_of(profiles_figure(shown))
    assert title.startswith("The figures alone limit 1 of 6 parameters; within its prior, not ")
    assert "fatal mobilisation infections" not in title
    profiles = shown.tables["profiles"].assign(flat=False)
    limited = replace(shown, tables={**shown.tables, "profiles": profiles})
    assert title_of(profiles_figure(limited)) == "The trial's figures limit all 6 parameters"


def test_a_profiles_limits_are_where_it_crosses_the_cut_off(
    shown: Shown, words: Callable[[Figure], str]
) -> None:
    """The first falls as -z^2: by 1.92 at 1.386 normal scores to either side."""
    priors = shown.own["priors"]
    own = priors[priors["key"] == "mobilisation.infection.case_fatality"]
    low, high = np.interp((-1.386, 1.386), own["score"], own["value"])
    found = re.search(r"([\d.]+)% to ([\d.]+)%", words(profiles_figure(shown)))
    assert found
    # Linear between points of the grid, and two digits.
    assert float(found[1]) == pytest.approx(100 * low, rel=0.05)
    assert float(found[2]) == pytest.approx(100 * high, rel=0.05)


def test_pairs_say_how_the_lupus_hazards_trade_off(shown: Shown) -> None:
    found = correlation(shown, ACTIVE, MULTIPLIER)
    assert found < -0.2
    left = log_spread_left(shown).set_index("name")["left"]
    figure = pairs_figure(shown)
    minus = "\N{MINUS SIGN}"
    assert title_of(figure) == (
        f"Lupus hazard and multiplier trade off (correlation {minus}{-found:.2f}): {left['product']:.0%} "
        f"of the prior's variance is left of their product, {left[ACTIVE]:.0%} and "
        f"{left[MULTIPLIER]:.0%} of each"
    )
    # In scores the product has variance a'Ca with a = (0.7, 0.5), of 0.74 beforehand.
    expected = (0.49 * 0.55 + 0.25 * 0.87 - 2 * 0.35 * 0.3) / 0.74
    assert left["product"] == pytest.approx(expected, abs=4 * expected * np.sqrt(2 / 450))
    assert len(figure.axes) == 15 + 1
    assert shown.draws is not None
    turned = shown.draws.assign(**{MULTIPLIER: shown.draws[ACTIVE] * 5})
    assert "go together (correlation +1.00)" in title_of(pairs_figure(replace(shown, draws=turned)))


def test_the_search_says_whether_it_got_there(shown: Shown) -> None:
    search = shown.tables["search"]
    assert "(200 reached)" in title_of(search_figure(search, shown, 200))
    assert "(5,000 not reached)" in title_of(search_figure(search, shown, 5000))


def test_simulation_alone_is_judged_by_its_errors(shown: Shown) -> None:
    alone = shown.tables["simulation_alone"].assign(z_mean=0.4, z_sd=-1.1)
    assert title_of(alone_figure(alone, shown)) == (
        "150 virtual trials alone give the same posterior: no mean or SD is 3 standard errors off"
    )
    alone.loc[0, "z_sd"] = -3.4
    assert "differ in 1 of 22 means and SDs" in title_of(alone_figure(alone, shown))
    few = title_of(alone_figure(alone, replace(shown, kept=20)))
    assert few == "Only 20 virtual trials were kept: too few to check the posterior by"


def test_coverage_says_whether_the_negative_control_fails(shown: Shown) -> None:
    tables = shown.tables
    title = title_of(coverage_figure(tables["coverage"], tables["ranks"], shown))
    assert title == (
        "In 60 virtual trials 90% intervals keep their word for all 8 quantities; the control fails for "
        "8, at worst 70% covered"
    )
    search = search_of(shown.scenario)
    unseen = coverage_of(search, control=0.9)
    assert title_of(coverage_figure(unseen.table, unseen.ranks, shown)).endswith(
        "the negative control is not seen to fail: too few trials to tell"
    )
    broken = tables["coverage"].copy()
    broken.loc[0, "as_said"] = False
    assert "keep their word for 7 of 8" in title_of(coverage_figure(broken, tables["ranks"], shown))


def test_alternatives_say_what_is_ruled_out_and_what_moves(shown: Shown) -> None:
    weights, moved = shown.tables["alternatives"], shown.tables["moved"]
    title = title_of(alternatives_figure(weights, moved, shown.scenario))
    assert title.startswith("The figures rule none of 2 ways to see the trial out")
    unlikely = weights.assign(posterior_weight=[0.999, 0.001])
    still = moved.assign(moved_sd=0.01)
    assert title_of(alternatives_figure(unlikely, still, shown.scenario)) == (
        "The figures speak against \u201crecovery <i>slower</i>\u201d; no answer moves by more than 0.0 SD"
    )


def test_without_a_transplant_there_is_a_band_and_no_line_inside_it(
    shown: Shown, words: Callable[[Figure], str]
) -> None:
    band = shown.own["no_transplant"]
    figure = no_transplant_figure(band, shown.scenario, WARNING)
    last = band[band["time_years"] == 5.0]
    low, high = 100 * last["lower"].min(), 100 * last["upper"].max()
    assert f"from {low:.0f} to {high:.0f}% alive" in title_of(figure)
    assert title_of(figure).endswith("an extrapolation")
    assert WARNING in words(figure)
    (axis,) = figure.axes
    ends = {round(float(line.get_ydata()[-1]), 9) for line in axis.lines}
    assert ends == {round(float(each), 9) for each in [*last["lower"], *last["upper"]]}
    answers = shown.tables["answers"].set_index("answer")
    for row in last.itertuples():  # the band ends where the answers say
        assert answers.loc[row.answer, ["lower", "upper"]].tolist() == pytest.approx([row.lower, row.upper])


def test_what_others_wrote_shows_as_text(page: Page) -> None:
    assert TITLE in page.text
    assert "".join(page.texts["title"]) == f"{TITLE}: calibration"
    assert "recovery <i>slower</i>" in page.text
    for tag in ("script", "b", "img", "i", "iframe", "object", "embed", "form", "base"):
        assert page.all(tag) == [], tag


def test_nothing_on_the_page_is_fetched_or_runs(page: Page, text: str) -> None:
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcset", "data", "action", "style"), (tag, name)
            if name in ("href", "xlink:href"):
                start = "https://doi.org/10." if tag == "a" and value and value[0] != "#" else "#"
                assert str(value).startswith("data:," if tag == "link" else start), value
    (policy,) = (
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert re.findall(r"https?://(?!doi\.org/10\.)[^\s\"<]*", text) == []


def test_the_page_can_be_read_without_eyes_and_without_a_mouse(page: Page) -> None:
    plots = [svg for svg in page.all("svg") if svg.get("class") == "plot"]
    assert len(plots) == len(PLOTS)
    assert all(svg["role"] == "img" and len(str(svg["aria-label"])) > 60 for svg in plots)
    frames = [div for div in page.all("div") if div.get("class") in ("frame", "table")]
    assert all(div["tabindex"] == "0" and div["role"] == "group" and div["aria-label"] for div in frames)
    assert len(page.all("caption")) == len(page.all("table")) >= 10
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("href", "aria-labelledby"):
            value = attributes.get(name)
            if value and (name == "aria-labelledby" or value.startswith("#")):
                assert value.removeprefix("#") in ids, value


def test_the_page_tells_the_story_in_order(page: Page, whole: Results, shown: Shown) -> None:
    told = [str(section["id"]) for section in page.all("section")]
    assert told == [
        "published", "point", "open", "identified", "alternatives", "predictions", "repeats", "trust",
        "no-transplant", "scenario", "evidence", "card", "provenance",
        "words",
    ]  # fmt: skip
    assert WARNING in page.text
    for target in shown.scenario.target:
        assert target.source in page.text
    for path in whole.folder.iterdir():
        if path.is_file() and path.name != "report.html":
            assert path.name in page.text, path.name


def test_the_same_calibration_gives_the_same_bytes(whole: Results, text: str, tmp_path: Path) -> None:
    assert whole.folder is not None
    again = read_results(whole.folder)
    assert card_text(Shown.of(again), again.manifest) == (whole.folder / "card.json").read_text("utf-8")
    assert render(make_page(again)) == text
    for plot in PLOTS:
        if plot.name in ("pairs", "repeats"):
            for path in save(plot.draw(again), tmp_path, plot.name):
                assert path.read_bytes() == (whole.folder / "figures" / path.name).read_bytes()


def test_the_card_answers_all_seven_questions_and_agrees_with_the_manifest(whole: Results) -> None:
    told = json.loads((whole.folder / "card.json").read_text("utf-8"))
    manifest = json.loads((whole.folder / "manifest.json").read_text("utf-8"))
    steps = told["steps"]
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert all(step["said"] and not step["missing"] for step in steps)
    for name in ("scenario", "scenario_hash", "software"):
        assert told[name] == manifest[name]
    posterior = manifest["posterior"]
    parameters, targets = steps[0]["parameters"], steps[1]["targets"]
    assert [row["key"] for row in parameters if row["free"]] == posterior["free"]
    assert {row["key"]: row["point"] for row in parameters if row["solved"]} == {
        key: pytest.approx(value) for key, value in manifest["solved"].items()
    }
    priors = {prior["key"]: prior["source"] for prior in manifest["resolved"]["prior"]}
    assert {row["key"]: row["source"] for row in parameters if row["free"]} == priors
    resolved = manifest["resolved"]["target"]
    assert [(row["value"], row["n"], row["source"], row["fitted"]) for row in targets] == [
        (row["value"], row.get("n"), row["source"], row["fitted"]) for row in resolved
    ]
    assert steps[1]["counts"] == posterior["counts"]
    assert steps[2]["tolerance"] == posterior["tolerance"]
    for name in ("points", "stages", "virtual_trials"):
        assert steps[3][name] == posterior[name]
    assert steps[3]["seed"] == told["seed"] == manifest["plan"]["seed"]
    for name in ("effective_size", "largest_weight", "log_evidence"):
        assert steps[4][name] == posterior[name]
    assert len(steps[4]["directions"]) == 6
    assert len(steps[4]["coverage"]) == 16
    assert steps[4]["coverage_trials"] == posterior["coverage_trials"]
    assert steps[5]["effective_size_asked"] == manifest["plan"]["size"]
    assert steps[5]["reached"] is True
    assert [row["name"] for row in steps[6]["alternatives"]] == ["as_it_is", "slow"]
    said = " ".join(text for step in steps for text in step["said"])
    assert "lupus-hsct validate" in said
    assert "Compared with, and never fitted: Apheresis sessions" in said
    assert "seconds" not in json.dumps(told)


def test_what_was_not_done_is_missing_and_not_invented(calibrated: Made) -> None:
    done = calibrated("bare", **WHOLE, alternatives=False, checked=False)
    figures = {path.stem for path in (done.folder / "figures").glob("*.svg")}
    assert not figures & {"alternatives", "simulation_alone", "coverage"}
    page = Page((done.folder / "report.html").read_text("utf-8"))
    for words in ("--simulation N", "--coverage N", "--no-alternatives"):
        assert words in page.text
    steps = json.loads((done.folder / "card.json").read_text("utf-8"))["steps"]
    assert steps[4]["coverage"] == steps[4]["simulation_alone"] == steps[6]["alternatives"] == []
    assert len(steps[4]["missing"]) == 2
    assert len(steps[6]["missing"]) == 1


def test_where_a_queue_may_bind_there_is_no_point_no_search_and_no_profile(calibrated: Made) -> None:
    done = calibrated("queue", simulation=1000, checked=False, limited=True)
    figures = {path.stem for path in (done.folder / "figures").glob("*.svg")}
    assert figures == {"targets", "survival", "parameters", "pairs", "repeats", "no_transplant"}
    text = (done.folder / "report.html").read_text("utf-8")
    page = Page(text)
    assert "can't solve for a point" in page.text
    steps = json.loads((done.folder / "card.json").read_text("utf-8"))["steps"]
    assert "a point solution" in steps[0]["missing"][0]
    assert "150 are kept" in " ".join(steps[3]["said"])
    assert "as given" in text
    assert "the exact twin, times" not in page.text


def test_a_point_alone_has_a_page_and_a_card_without_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "point"
    assert command_line(["calibrate", "chicago2006", "--point", "--out", str(out)]) == 0
    assert not list((out / "figures").glob("*"))
    page = Page((out / "report.html").read_text("utf-8"))
    assert "The exact twin meets all 6 fitted targets at the point." in page.text
    told = [section["id"] for section in page.all("section")]
    assert told == ["published", "point", "scenario", "evidence", "card", "provenance", "words"]
    steps = json.loads((out / "card.json").read_text("utf-8"))["steps"]
    assert all("--point" in " ".join(step["missing"]) for step in steps if step["step"] != 2)
    capsys.readouterr()
    assert command_line(["report", str(out)]) == 0  # of the folder alone it is the same
    assert "The exact twin meets all 6 fitted targets at the point." in capsys.readouterr().out


def test_few_draws_are_called_rough(whole: Results) -> None:
    manifest = json.loads((whole.folder / "manifest.json").read_text("utf-8"))
    assert rough_text(manifest) == ""
    manifest["posterior"]["effective_size"] = 12.3
    assert "an effective sample size of 12; below 400 fewer than ten draws" in rough_text(manifest)
    assert rough_text({"posterior": None}) == ""


def test_without_alternatives_in_the_scenario_none_are_missed_by_choice(shown: Shown, whole: Results) -> None:
    manifest = json.loads((whole.folder / "manifest.json").read_text("utf-8"))
    tables = {name: table for name, table in shown.tables.items() if name not in ("alternatives", "moved")}
    scenario = shown.scenario.model_copy(update={"alternative": []})
    bare = replace(shown, tables=tables, scenario=scenario)
    assert card(bare, manifest)[6].missing == (
        "other ways to see the trial: the scenario states no [[alternative]]",
    )
    resolved = {**manifest["resolved"], "alternative": []}
    page = Page(render(make_page(Results({**manifest, "resolved": resolved}, tables))))
    assert "the scenario states no [[alternative]]" in page.text
    assert not [svg for svg in page.all("svg") if svg.get("class") == "plot"]


def test_few_draws_are_shown_themselves_and_no_shape_is_made_of_them(shown: Shown) -> None:
    assert shown.draws is not None
    few = replace(shown, draws=shown.draws.head(20).assign(weight=0.05))
    assert title_of(parameters_figure(few)).startswith("Only 20 effective draws: too few to tell")
    figure = pairs_figure(few)
    assert title_of(figure) == "Only 20 effective draws: too few to tell which parameters trade off"
    assert all(len(axis.collections[0].get_offsets()) == 20 for axis in figure.axes[:15])


def test_one_free_parameter_has_no_pairs(shown: Shown) -> None:
    assert shown.draws is not None
    one = replace(shown, draws=shown.draws[["weight", ACTIVE]])
    assert title_of(pairs_figure(one)) == "There is no pair of free parameters"
    two = replace(shown, draws=shown.draws[["weight", ACTIVE, "relapse.shape"]])
    assert title_of(pairs_figure(two)).startswith("The strongest correlation, ")
    assert log_spread_left(two).empty
    assert isinstance(log_spread_left(two), pd.DataFrame)
