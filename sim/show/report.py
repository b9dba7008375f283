"""``report.html``: one page that holds all of a run, made from the files of its folder alone.

Nothing on it runs, and nothing is fetched: figures stand in it as SVG, the one style sheet is named by its
hash in the Content-Security-Policy, and the only addresses are links to DOIs, which only the reader follows.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape
from pydantic import ValidationError

from sim.outcomes.one_trial import TrialReport, report_trial
from sim.scenario.endpoints import BY_NAME, Key
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario, TrialArrivals
from sim.show import report_tables as tables
from sim.show.checklist import REFERENCE, Facts, checklist, evidence_in_use
from sim.show.kit.inline_svg import Inlined, Styles, inline
from sim.show.kit.scenario_words import headlines, one_range, replication
from sim.show.kit.table import range_bands
from sim.show.plots import PLOTS, row_of
from sim.show.trial_data import one_trial
from sim.study.checks import Check
from sim.study.run import Run, read_run
from sim.study.verification import verify

FILE = "report.html"
_DOI = re.compile(r"doi:(10\.\d{4,}/[^\s;,]*[^\s;,.)])")
_TEMPLATES = jinja2.PackageLoader("sim.show", "templates")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the page."""

    name: str
    heading: str
    description: str
    data: tuple[str, ...]
    picture: Inlined

    @property
    def markup(self) -> Markup:
        """The SVG, in which everything is escaped already."""
        return Markup(self.picture.markup)  # noqa: S704 (written by inline_svg, element by element)


@dataclass(frozen=True)
class Report:
    """What the page says."""

    run: Run
    scenario: Scenario
    figures: list[Figure]
    styles: Styles
    checks: list[Check]
    trial: TrialReport | None

    @property
    def lead(self) -> Figure | None:
        """The figure with the finding: over a range where the scenario has one, else of survival."""
        names = ("range", *(f.name for f in self.figures if f.name.startswith("range_")), "rooms", "survival")
        by_name = {figure.name: figure for figure in self.figures}
        found = next((by_name[name] for name in names if name in by_name), None)
        return found or (self.figures[0] if self.figures else None)

    @property
    def finding(self) -> str:
        """The finding in one sentence: what the lead figure says, and over a range between which figures."""
        if self.lead is None:
            return ""
        points = self.run.points
        if points is not None and self.scenario.cohort.enters_at != "home":
            found = range_bands(points)
            said = [f"{_spoken(key)} is {found[key]}" for key in headlines(self.scenario) if key in found]
            if said:
                return f"Over the range, {', and '.join(said)}."
        return f"{self.lead.picture.title.rstrip('.')}."


def _spoken(key: Key) -> str:
    """Name an endpoint within a sentence."""
    name, time = key
    text = BY_NAME[name].label.lower()
    return text if time is None else f"{text} at {time:g} years"


def report_study(folder: Path, *, force: bool = False) -> tuple[Path, Report]:
    """Write the report of a run folder, and return where it is and what it says.

    Raises
    ------
    RequestError
        It is no complete run folder of this format, or another report is there and `force` is not given.
    """
    report = make_report(read_run(folder))
    page, path = render(report), folder / FILE
    if path.exists() and not force and path.read_bytes() != page.encode():
        raise RequestError(f"{path} is there and differs; replace it with --force")
    path.write_bytes(page.encode())
    return path, report


def make_report(run: Run) -> Report:
    """Gather all that the page of a run says; refusals as in `report_study`."""
    folder = run.folder
    try:
        scenario = Scenario.model_validate(run.manifest["resolved"])
        styles = Styles()
        drawn = run.manifest["posterior"] is not None
        figures = list(_figures(folder, styles, drawn=drawn))
        seed, patients = int(run.manifest["seed"]), run.patients
        # What is known without simulation holds under one set of values, not on average over many.
        tables_of_run = (run.endpoints, run.replications, patients, run.littles_law)
        checks = [] if drawn else verify(scenario, seed, *tables_of_run)
        trial = _first_trial(patients, scenario)
    except (KeyError, ValidationError) as error:
        raise RequestError(
            f"{folder} is no run folder of this version: {_first_line(error)}; run the scenario again"
        ) from error
    if not figures:
        raise RequestError(f"{folder} is incomplete: figures/ holds no figure of a run; run it again")
    return Report(run, scenario, figures, styles, checks, trial)


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()[0]
    return f"{text} is missing" if isinstance(error, KeyError) else text


def _first_trial(patients: pd.DataFrame | None, scenario: Scenario) -> TrialReport | None:
    """Report the first trial, where there is one: an open clinic is none, and who stay at home are none."""
    if scenario.cohort.enters_at == "home" or not isinstance(scenario.arrivals, TrialArrivals):
        return None
    first = one_trial(patients, scenario)
    return None if first is None else report_trial(first)


def _figures(folder: Path, styles: Styles, *, drawn: bool) -> Iterator[Figure]:
    found = {path.stem: path for path in sorted((folder / "figures").glob("*.svg"))}
    rows = {name: row for name in found if (row := row_of("run", name)) is not None}
    for name, words in sorted(rows.items(), key=lambda each: PLOTS["run"].index(each[1])):
        data = tuple(each for each in words.data if (folder / each).is_file())
        description = f"{words.description} {words.drawn if drawn else ''}".rstrip()
        picture = inline(found[name], name, description, styles)
        yield Figure(name, words.heading, description, data, picture)


def page_environment() -> jinja2.Environment:
    """Return what renders pages: everything is escaped, and nothing that is undefined passes."""
    return jinja2.Environment(
        loader=_TEMPLATES,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(report: Report) -> str:
    """Return the page; the same report gives the same bytes."""
    environment = page_environment()
    environment.filters["with_dois"] = with_dois
    environment.filters["one_range"] = one_range
    environment.filters["breakable"] = breakable
    sheet = environment.get_template("report.css").render(classes=Markup(report.styles.sheet))  # noqa: S704
    facts, censored = Facts(report.scenario, report.run.manifest), report.run.censored
    # Escaping would change the sheet, and with it its hash; its parts are checked where they are made.
    style = Markup(f"\n{sheet}")  # noqa: S704
    return environment.get_template("report.html").render(
        style=style,
        style_hash=style_hash(str(style)),
        report=report,
        scenario=report.scenario,
        manifest=report.run.manifest,
        targets=tables.targets(report.run.endpoints, report.scenario),
        words=replication(report.scenario),
        headlines=tables.headlines(report.run.endpoints, report.scenario),
        endpoints=tables.endpoints(report.run.endpoints),
        censored=() if censored is None else tables.censored(censored),
        censored_finding="" if censored is None else tables.censored_finding(censored),
        trial=None if report.trial is None else tables.trial(report.trial),
        parameters=tables.parameters(report.run.manifest),
        evidence=tables.evidence(evidence_in_use(facts.rows, report.scenario)),
        checks=tables.checks(report.checks),
        checklist=checklist(facts),
        checklist_reference=REFERENCE,
        files=tables.files(report.run.folder, drawn=report.run.manifest["posterior"] is not None),
    )


def style_hash(style: str) -> str:
    """Return the hash by which a page's policy names its one style sheet."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def with_dois(text: str) -> Markup:
    """Return a text with its DOIs as links; everything in it is escaped."""
    parts = _DOI.split(text)
    pieces = [
        Markup('<a href="https://doi.org/{0}" rel="noreferrer">doi:{0}</a>').format(part)
        if number % 2
        else escape(part)
        for number, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def breakable(key: str) -> Markup:
    """Return a parameter's key that can go on in the next line after each of its parts."""
    return Markup("<wbr>").join(re.split(r"(?<=[._])", key))


def summary(path: Path, report: Report) -> list[dict[str, Any]]:
    """Return what the page holds as one row."""
    items = checklist(Facts(report.scenario, report.run.manifest))
    return [
        {
            "report": path.as_posix(),
            "bytes": path.stat().st_size,
            "finding": report.finding,
            "figures": [figure.name for figure in report.figures],
            "checks": len(report.checks),
            "checks_failed": sum(not check.passed for check in report.checks),
            "checklist_items": len(items),
            "checklist_unanswered": [item.number for item in items if item.status != "answered"],
        }
    ]
