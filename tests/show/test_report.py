"""The report: one page that shows all, fetches nothing, runs nothing, and is the same every time."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
from base64 import b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from drivers import seal
from pages import Page

from sim.cli import run as command_line
from sim.scenario.endpoints import ENDPOINTS
from sim.scenario.problems import RequestError
from sim.show.checklist import checklist, sets_it
from sim.show.kit.grid import Grid
from sim.show.kit.inline_svg import Styles, inline
from sim.show.page import report_study, with_dois
from sim.show.terminal import told
from sim.work.files import SEALS
from sim.work.results import read_results

TITLE = 'Wards <script>alert("1")</script> & <b>beds</b>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a scenario with a hostile title."""
    path = tmp_path_factory.mktemp("report")
    scenario = path / "mine.toml"
    scenario.write_text(
        f"kind = 'scenario'\nbase = 'chicago2006'\ntitle = '{TITLE}'\ncaution = '<img src=x "
        "onerror=y>'\n[clinic]\nisolation_rooms = 3\n[sources]\n'clinic.isolation_rooms' = "
        "'<i>assumption</i>'\n",
        "utf-8",
    )
    request = ("run", str(scenario), "--replications", "100", "--figures", "svg", "--out", str(path / "run"))
    assert command_line(list(request)) == 0
    return path / "run"


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_what_is_written_by_others_shows_as_text(page: Page) -> None:
    assert TITLE in page.text
    assert "".join(page.texts["title"]) == TITLE
    assert "<img src=x onerror=y>" in page.text
    assert "<i>assumption</i>" in page.text
    for tag in ("script", "b", "img", "i", "iframe", "object", "embed", "form", "base"):
        assert page.all(tag) == [], tag


def test_nothing_is_fetched_and_nothing_runs(page: Page, text: str) -> None:
    allowed = {"a", "use", "link"}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcset", "data", "action", "style"), (tag, name)
            if name in ("href", "xlink:href"):
                assert tag in allowed
                start = "https://doi.org/10." if tag == "a" and value and value[0] != "#" else "#"
                assert str(value).startswith("data:," if tag == "link" else start), value
    assert len([a for a in page.all("a") if str(a["href"]).startswith("https://doi.org/")]) >= 5
    assert all(found.startswith("(#") for found in re.findall(r"url(\(.)", text.replace("'", "")))
    assert "@import" not in text


def test_the_policy_forbids_everything_but_the_one_style_sheet(page: Page, text: str) -> None:
    (policy,) = (
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "<" not in style
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_it_can_be_read_without_eyes_and_without_a_mouse(page: Page) -> None:
    (html,) = page.all("html")
    assert html["lang"] == "en"
    plots = [svg for svg in page.all("svg") if svg.get("class") == "plot"]
    assert len(plots) >= 4
    for svg in plots:
        assert svg["role"] == "img"
        assert len(str(svg["aria-label"])) > 60
    assert len(page.all("figcaption")) == len(page.all("figure")) == len(plots)
    frames = [div for div in page.all("div") if div.get("class") in ("frame", "table")]
    assert all(div["tabindex"] == "0" and div["role"] == "group" and div["aria-label"] for div in frames)
    assert len(page.all("caption")) == len(page.all("table")) >= 6
    assert all(head.get("scope") in ("col", "row", "rowgroup") for head in page.all("th"))
    assert len(page.all("details")) == len(page.all("summary")) >= 4
    assert next(a for a in page.all("a") if a.get("class") == "skip")["href"] == "#content"
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_ids_are_unique_and_links_inside_lead_somewhere(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("href", "aria-labelledby"):
            value = attributes.get(name)
            if value and (name == "aria-labelledby" or value.startswith("#")):
                assert value.removeprefix("#") in ids, value
        clip = attributes.get("clip-path")
        assert clip is None or clip.removeprefix("url(#").removesuffix(")") in ids


def test_all_is_there(page: Page, folder: Path) -> None:
    assert page.text.count("Missing:") >= 3
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    for row in manifest["parameters"]:
        assert row["key"] in page.text
    for endpoint in ENDPOINTS:
        told = endpoint.queue != "slot"  # slots are without limit here
        assert (endpoint.label in page.text) == told
        assert (endpoint.definition in page.text) == told
    for words in (
        "Monte Carlo error",
        "Range of one trial",
        "exact twin",
        manifest["result_hash"],
    ):
        assert words in page.text


def test_own_values_are_set_off_and_every_verdict_has_its_colour(text: str, folder: Path) -> None:
    rows = read_results(folder).manifest["parameters"]
    shaded = re.findall(r'<tr class="shaded"><th scope="row"><code>(.*?)</code>', text)
    assert [key.replace("<wbr>", "") for key in shaded] == [row["key"] for row in rows if sets_it(row)]
    verdicts = re.findall(r'<span class="(yes|no)">(agrees|DIFFERS)</span>', text)
    assert len(verdicts) == len(read_results(folder).tables["checks"]) > 0
    assert {look == "yes" for look, said in verdicts if said == "agrees"} == {True}


def test_two_reports_are_the_same_bytes(folder: Path, text: str, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    (copy / "report.html").unlink()
    assert command_line(["report", str(copy)]) == 0
    assert (copy / "report.html").read_text("utf-8") == text


def test_a_report_that_differs_is_replaced_only_by_force(
    folder: Path, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    assert command_line(["report", str(copy)]) == 0  # the same: nothing to replace
    (copy / "report.html").write_text("mine", "utf-8")
    assert command_line(["report", str(copy)]) == 2
    assert "is there and differs; replace it with --force" in capsys.readouterr().err
    assert (copy / "report.html").read_text("utf-8") == "mine"
    assert command_line(["report", str(copy), "--force", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["checks_failed"] == 0
    assert row["checks"] == 8  # closed forms, and Little's law of both queues and both stations
    assert row["bytes"] == len(text.encode())
    assert (copy / "report.html").read_text("utf-8") == text


def damaged(folder: Path, what: str) -> None:
    """Make of a run folder one that can't be reported."""
    manifest = folder / "manifest.json"
    told = json.loads(manifest.read_text("utf-8"))
    if what == "no run folder":
        manifest.unlink()
    elif what == "another format":
        manifest.write_text(json.dumps({**told, "format": 1}), "utf-8")
    elif what == "another kind":
        manifest.write_text(json.dumps({**told, "command": "sweep"}), "utf-8")
        seal(folder)
    elif what == "no text":
        manifest.write_text("{", "utf-8")
    elif what == "another scenario":
        told["resolved"]["cohort"]["patients"] = "many"
        manifest.write_text(json.dumps(told), "utf-8")
        seal(folder)
    elif what == "no picture":
        (folder / "figures" / "survival.svg").write_text("<svg", "utf-8")
    elif what.startswith("junk in "):
        (folder / what.removeprefix("junk in ")).write_text("junk\n", "utf-8")
        seal(folder)
    else:
        (folder / what).unlink()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no run folder", "is no folder of a study; name one that"),
        ("another format", "is in format 1, and this version reads format"),
        ("another kind", "holds a sweep, as another version made it; run it again"),
        ("no text", "manifest.json can't be read"),
        ("another scenario", "is damaged or of another version (ValidationError"),
        ("no picture", "survival.svg is no SVG"),
        ("endpoints.csv", "endpoints.csv is missing"),
        ("junk in endpoints.csv", "is damaged or of another version ("),
        ("junk in patients.parquet", "patients.parquet is no table"),
        ("replications.parquet", "replications.parquet is missing, or not as the study wrote it"),
    ],
)
def test_what_can_not_be_reported_is_one_clear_message(
    what: str, said: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    (copy / "report.html").unlink()
    damaged(copy, what)
    assert command_line(["report", str(copy)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (copy / "report.html").exists()


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["report", str(tmp_path / "none")]) == 2
    assert "is no folder of a study" in capsys.readouterr().err


def test_without_patients_the_rest_is_reported(tmp_path: Path) -> None:
    request = ("run", "chicago2006", "--replications", "5", "--patients", "0", "--out", str(tmp_path / "run"))
    assert command_line(list(request)) == 0
    page = Page((tmp_path / "run" / "report.html").read_text("utf-8"))
    assert "What virtual trial 1 would have printed" not in page.text
    assert "Published and simulated" in page.text


@pytest.mark.parametrize("name", ["open_clinic", "no_isolation", "no_transplant", "ebmt2004"])
def test_every_shipped_scenario_has_a_report_that_opens_with_its_finding(name: str, tmp_path: Path) -> None:
    smaller = ["--set", "arrivals.years=0.3"] if name == "open_clinic" else []
    request = [
        "run",
        name,
        "--replications",
        "10",
        *smaller,
        "--figures",
        "svg",
        "--out",
        str(tmp_path / "run"),
    ]
    assert command_line(request) == 0
    _, report = report_study(tmp_path / "run")
    assert report.lead is not None
    expected = {"open_clinic": "rooms", "ebmt2004": "survival"}.get(name, "range")
    assert report.lead.name == expected
    page = Page((tmp_path / "run" / "report.html").read_text("utf-8"))
    assert report.finding in page.text
    if name == "no_isolation":
        share = r"(between [\d.]+%? and )?[\d.]+%"
        of_all, mortality, survival = (
            f"survival of all enrolled at 5 years is {share}",
            f"treatment-related mortality is {share}",
            f"survival of the reinfused at 5 years is {share}",
        )
        said = rf"Over the range, {of_all}, {mortality}, {survival}\."
        assert re.fullmatch(said, report.finding)
    figures = [figure["id"] for figure in page.all("figure")]
    assert sorted(figures) == sorted(f"figure-{picture.name}" for picture in report.pictures)


def test_without_pictures_the_page_says_its_finding_in_numbers(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    for path in (copy / "figures").glob("*.svg"):
        path.unlink()
    _, report = report_study(copy, force=True)
    assert report.pictures == []
    assert re.fullmatch(
        r"Survival of all enrolled at 5 years is [^,]*, treatment-related mortality is [^,]*, "
        r"survival of the reinfused at 5 years is .*%\)\.",
        report.finding,
    )
    page = Page((copy / "report.html").read_text("utf-8"))
    assert report.finding in page.text
    assert page.all("figure") == []
    assert "The folder holds none as SVG" in page.text
    assert "the one above" not in page.text


STUDIES = {
    "sweep": ("chicago2006", "--vary", "relapse.shape=0.5,0.7", "--vary", "cohort.patients=10,20"),
    "compare": ("chicago2006", "no_isolation", "no_transplant"),
    "validate": ("burt2018", "leng2017"),
}


@pytest.fixture(scope="module", params=STUDIES)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A small study of each other kind but a calibration."""
    folder = tmp_path_factory.mktemp("studies") / request.param
    asked = (request.param, *STUDIES[request.param], "--replications", "10", "--figures", "svg")
    assert command_line([*asked, "--out", str(folder)]) == 0
    return request.param, folder


def test_every_kind_has_a_page_with_finding_figures_tables_sources_and_provenance(
    study: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    kind, folder = study
    written = (folder / "report.html").read_bytes()
    assert command_line(["report", str(folder), "--json"]) == 0  # of the folder alone it is the same
    assert (folder / "report.html").read_bytes() == written
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["kind"] == {"sweep": "study"}.get(kind, kind)
    page = Page(written.decode())
    assert row["finding"] in page.text
    svgs = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert {str(figure["id"]) for figure in page.all("figure")} == {f"figure-{name}" for name in svgs}
    assert len(row["figures"]) == len(svgs) > 0
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    entries = manifest.get("scenarios") or manifest.get("cohorts") or [manifest]
    hashes = [each[of] for each in entries for of in ("scenario_hash", "result_hash") if of in each]
    assert all(each in page.text for each in hashes)
    for path in folder.iterdir():
        if path.is_file() and path.name != "report.html":
            assert path.name in page.text, path.name
    changed = [parameter["key"] for each in entries for parameter in each["parameters"] if sets_it(parameter)]
    assert changed
    assert all(key in page.text for key in [*changed, *manifest.get("vary", ())])
    ids = [str(attributes["id"]) for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(str(a["href"])[1:] in ids for a in page.all("a") if str(a["href"]).startswith("#"))
    assert len(page.all("caption")) == len(page.all("table")) >= 4
    assert "None" not in page.text
    assert not re.search(r"\bnan\b", page.text)


def test_the_terminal_says_what_the_page_says(
    study: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = study
    page = Page((folder / "report.html").read_text("utf-8"))
    shown = " ".join(page.text.split())
    blocks = list(told(read_results(folder)))
    tables = [block for block in blocks if isinstance(block, Grid)]
    assert tables
    for grid in tables:
        for text in (cell for row in grid.rows for cell in row):
            assert " ".join(text.replace("\n", "; ").split()) in shown
        for note in grid.notes:
            assert " ".join(note.split()) in shown
    for block in blocks:
        for line in block if isinstance(block, list) else ():
            assert " ".join(line.split()) in shown


def svg(inner: str) -> bytes:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="0 0 9 9">{inner}</svg>'.encode()


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>",
        "<foreignObject><p>x</p></foreignObject>",
        '<image xlink:href="http://example.org/x.png"/>',
        '<style>@import "x"</style>',
        '<g onclick="x()"/>',
        '<use xlink:href="other.svg#x"/>',
        '<path style="fill: url(http://example.org/x)"/>',
        '<path style="fill: red} body {display: none"/>',
        '<path fill="url(http://example.org/x)"/>',
        '<rect clip-path="url(x.svg#y)"/>',
    ],
)
def test_what_runs_or_fetches_is_left_out_of_a_figure(inner: str, tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_bytes(svg(inner))
    styles = Styles()
    markup = inline(path, "x", "A picture", styles).markup
    for word in ("script", "foreignObject", "image", "@import", "onclick", "other", "http", "body", "x.svg"):
        assert word not in markup + styles.sheet


def test_equal_styles_share_a_class_and_ids_are_the_figures_own(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_bytes(
        svg('<defs><path id="p"/></defs><g style="fill: red"><use xlink:href="#p" style="fill: red"/></g>')
    )
    styles = Styles()
    one, two = (inline(path, name, "", styles).markup for name in ("one", "two"))
    assert styles.sheet == ".s0{fill: red}"
    assert 'id="one-p"' in one
    assert 'href="#two-p"' in two


def test_dois_become_links_and_all_else_is_escaped() -> None:
    linked = with_dois(
        "<b> JAMA 2006;295:527. doi:10.1001/jama.295.5.527, more doi:10.1016/S0140-6736(00)02627-1"
    )
    assert linked.startswith("&lt;b&gt; JAMA")
    assert '<a href="https://doi.org/10.1001/jama.295.5.527" rel="noreferrer">' in linked
    assert "10.1016/S0140-6736(00)02627-1</a>" in linked


def test_nothing_is_made_up_for_the_checklist(folder: Path) -> None:
    """An item without an answer stays without one: here a scenario without purpose, of chosen size."""
    _, report = report_study(folder, force=True)
    scenario, manifest = report.results.scenario, report.results.manifest
    bare = scenario.model_copy(update={"purpose": "", "caution": ""})
    items = {item.number: item for item in checklist(bare, manifest)}
    assert list(items) == [
        *("1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5.1", "2.5.2", "2.5.3", "2.5.4", "2.5.5"),
        *("3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "4.3", "5.1", "5.2", "5.3", "5.4", "6.1"),
    ]
    assert items["1.1"].status == "unanswered"
    assert items["3.3"].status == items["4.3"].status == items["6.1"].status == "in part"
    assert items["2.5.4"].status == "answered"
    told: dict[str, Any] = {**manifest, "precision": "95% half-width of 1 percentage points"}
    items = {item.number: item for item in checklist(scenario, told)}
    assert items["4.3"].status == "answered"


def test_what_others_wrote_is_no_line_of_the_checklist(folder: Path) -> None:
    _, report = report_study(folder, force=True)
    scenario, manifest = report.results.scenario, report.results.manifest
    sly = scenario.model_copy(update={"purpose": "To be sly\n- nothing\n# 9 | is | missing"})
    items = {item.number: item for item in checklist(sly, manifest)}
    assert "9" not in items
    assert items["1.1"].said[0].text == "To be sly - nothing # 9 | is | missing"
    assert items["1.1"].missing == ()


def test_an_altered_table_is_refused_by_everything_that_reads(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    endpoints = copy / "endpoints.csv"
    lines = endpoints.read_text("utf-8").splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("overall_survival,5.0,"))
    name, time, _, *rest = lines[at].split(",")
    lines[at] = ",".join([name, time, "0.99", *rest])
    endpoints.write_text("\n".join(lines) + "\n", "utf-8")
    assert command_line(["report", str(copy), "--force"]) == 2
    said = capsys.readouterr().err
    assert "endpoints.csv is missing, or not as the study wrote it" in said
    with pytest.raises(RequestError, match=r"endpoints\.csv is missing, or not"):
        read_results(copy)
    assert (copy / "report.html").read_bytes() == (folder / "report.html").read_bytes()


@pytest.mark.parametrize("name", ["report.html", "endpoints.csv", "figures", "figures/survival.svg"])
def test_nothing_is_read_or_written_through_a_link(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, outside = Path(shutil.copytree(folder, tmp_path / "run")), tmp_path / "outside"
    (copy / name).rename(outside)
    (copy / name).symlink_to(outside)
    before = outside.read_bytes() if outside.is_file() else sorted(outside.iterdir())
    assert command_line(["report", str(copy), "--force", "--figures", "svg"]) == 2
    assert f"{copy / name} is a link" in capsys.readouterr().err
    assert before == (outside.read_bytes() if outside.is_file() else sorted(outside.iterdir()))


TURNS = int(os.environ.get("LUPUS_HSCT_TURNS", "12"))
JUNK = (None, True, -1, 1e308, "", "nan", "../../..", [], {}, [[]], {"a": None})


def mutated(value: Any, rng: random.Random) -> Any:
    """Return a nested value of which one place, anywhere, is another, is gone, or is there twice."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        copy = value.copy()
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if rng.random() < 0.2:
            del copy[key]
        else:
            copy[key] = mutated(value[key], rng)
        return copy
    return rng.choice(JUNK)


def test_no_altered_manifest_or_table_leads_to_a_traceback(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused at once where the hashes tell; sealed again, refused with one message, or shown."""
    copy, rng = Path(shutil.copytree(folder, tmp_path / "run")), random.Random(31)  # noqa: S311
    shutil.rmtree(copy / "figures")
    manifest, files = copy / "manifest.json", {path: path.read_bytes() for path in copy.glob("*.*")}
    told = json.loads(manifest.read_text("utf-8"))
    told["hashes"] = {name: found for name, found in told["hashes"].items() if "/" not in name}
    plain = {name: told[name] for name in told if name not in SEALS}
    statuses = []
    for turn in range(TURNS):
        for path, content in files.items():
            path.write_bytes(content)
        key = rng.choice(list(plain))
        other = {**plain, key: mutated(plain[key], rng)}
        manifest.write_text(json.dumps({**other, "hashes": told["hashes"]}), "utf-8")
        if turn % 3 == 2:
            manifest.write_text(json.dumps(told), "utf-8")
            table = rng.choice([path for path in files if path.suffix in (".csv", ".parquet")])
            content = bytearray(files[table])
            at = rng.randrange(len(content))
            content[at : at + rng.choice((1, 40))] = rng.choice((b"", b",", b"\n", b"\xff", b"nan"))
            table.write_bytes(content)
        if turn % 5:  # else the hashes tell
            seal(copy)
        statuses.append(command_line(["report", str(copy), "--force"]))
        said = capsys.readouterr().err
        assert statuses[-1] in (0, 2), (turn, said)
        assert statuses[-1] == 0 or len(said.splitlines()) == 1, (turn, said)
        assert turn % 5 or "not as the study wrote it" in said or "is in format" in said
    assert {0, 2} == set(statuses)


@pytest.mark.parametrize("text", ["3", "[" * 100_000, '{"format": {}}', '"', "\0"])
def test_a_manifest_that_is_none_is_one_message(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.json").write_text(text, "utf-8")
    assert command_line(["report", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
