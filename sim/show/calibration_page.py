"""``calibration.html``: the story of a calibration on one page, and its card.

It is a page like the report: nothing on it runs, nothing is fetched, and the same calibration gives the same
bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sim.show import calibration_page_tables as cells
from sim.show.calibration_card import CARD, REFERENCE, Step, card, card_text, directions_text, rough_text
from sim.show.calibration_shown import Shown
from sim.show.calibration_words import extrapolation_text
from sim.show.kit.inline_svg import Styles, inline
from sim.show.plots import PLOTS
from sim.show.report import Figure, page_environment, style_hash, with_dois
from sim.show.report_tables import Cells
from sim.work.folder import MANIFEST, TIMINGS

FILE = "calibration.html"

_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("published", "What was published", ()),
    ("point", "The point", ()),
    ("open", "What the trial leaves open", ("targets", "parameters")),
    ("identified", "What is identified, and what is not", ("pairs", "profiles")),
    ("alternatives", "Other ways to see the trial", ("alternatives",)),
    ("predictions", "Predictions", ("survival",)),
    ("repeats", "What a repeat would report", ("repeats",)),
    ("trust", "Can it be trusted?", ("search", "simulation_alone", "coverage")),
    ("no-transplant", "Without a transplant", ("no_transplant",)),
    ("card", "Calibration card", ()),
    ("provenance", "Provenance", ()),
)
"""Id, title and figures of every section."""

_FILES = {
    "solved.toml": "the scenario at the point: lupus-hsct run",
    "solved.csv": "the solved values",
    "residuals.csv": "every equation at the point: target, and target less exact twin",
    "jacobian.csv": "how every figure moves with every solved parameter",
    "posterior.csv": "weighted joint draws; the first row is the point: --posterior",
    "parameters.csv": "prior and posterior of every free parameter",
    "answers.csv": "posterior of survival, hazards, and survival without a transplant",
    "estimates.csv": "what the trial's survival estimates can tell",
    "predictions.csv": "every endpoint over the posterior",
    "curves.csv": "survival curves over the posterior",
    "directions.csv": "directions of the parameter space, from the best known to the least",
    "profiles.csv": "profile likelihoods",
    "search.csv": "how the search settled",
    "repeats.parquet": "what virtual trials report over the posterior",
    "at_point.csv": "what virtual trials report at the point",
    "alternatives.csv": "other ways to see the trial, and their posterior weights",
    "moved.csv": "how far each moves every answer",
    "simulation_alone.csv": "the posterior by simulation alone beside the other",
    "coverage.csv": "how often posteriors of virtual trials hold the truth",
    "ranks.csv": "the truth's rank in each of these posteriors",
    CARD: "this page's card, for programs",
    MANIFEST: "every value with its source, the plan, versions",
    TIMINGS: "all that may differ between identical calibrations",
}


@dataclass(frozen=True)
class Section:
    """One section of the page."""

    id: str
    title: str
    figures: list[Figure]


@dataclass(frozen=True)
class Page:
    """What the page says."""

    shown: Shown
    manifest: Mapping[str, Any]
    sections: list[Section]
    styles: Styles
    steps: list[Step]
    files: list[Cells]

    @property
    def finding(self) -> str:
        """The finding in one sentence: what the posterior leaves open, else that the point is solved."""
        by_name = {figure.name: figure for section in self.sections for figure in section.figures}
        for name in ("survival", "parameters"):
            if name in by_name:
                return f"{by_name[name].picture.title.rstrip('.')}."
        return (
            f"The exact twin meets all {len(self.shown.scenario.fitted_targets)} fitted targets at the point."
        )

    @property
    def short(self) -> list[tuple[str, str]]:
        """Every figure's finding with the id of its section, in the order of the page."""
        return [
            (f"figure-{figure.name}", f"{figure.picture.title.rstrip('.')}.")
            for section in self.sections
            for figure in section.figures
        ]


def write_page(shown: Shown, manifest: Mapping[str, Any], folder: Path) -> None:
    """Write card and page of a calibration into its folder."""
    (folder / CARD).write_text(card_text(shown, manifest), "utf-8")
    page = make_page(shown, manifest, folder)
    (folder / FILE).write_bytes(render(page).encode())


def make_page(shown: Shown, manifest: Mapping[str, Any], folder: Path) -> Page:
    """Gather all that the page says, of the figures that are in the folder."""
    styles = Styles()
    figures = {
        plot.name: Figure(
            plot.name, plot.heading, plot.description, plot.data,
            inline(folder / "figures" / f"{plot.name}.svg", plot.name, plot.description, styles),
        )
        for plot in PLOTS["calibrate"]
        if (folder / "figures" / f"{plot.name}.svg").is_file()
    }  # fmt: skip
    sections = [
        Section(name, title, [figures[each] for each in names if each in figures])
        for name, title, names in _SECTIONS
        if shown.draws is not None or not names
    ]
    files: list[Cells] = [
        (name, what) for name, what in _FILES.items()
        if name == TIMINGS or (folder / name).is_file()
    ]  # fmt: skip
    return Page(shown, manifest, sections, styles, card(shown, manifest), files)


def render(page: Page) -> str:
    """Return the page; the same calibration gives the same bytes."""
    environment = page_environment()
    environment.filters["with_dois"] = with_dois
    sheet = environment.get_template("report.css").render(classes=Markup(page.styles.sheet))  # noqa: S704
    # Escaping would change the sheet, and with it its hash; its parts are checked where they are made.
    style = Markup(f"\n{sheet}")  # noqa: S704
    shown, tables = page.shown, page.shown.tables
    return environment.get_template("calibration.html").render(
        style=style,
        style_hash=style_hash(str(style)),
        page=page,
        scenario=shown.scenario,
        manifest=page.manifest,
        posterior=page.manifest["posterior"],
        published=cells.published(shown),
        evidence=cells.evidence(shown),
        solved=cells.solved(tables.get("solved")),
        equations=cells.equations(tables.get("residuals")),
        parameters=cells.parameters(tables.get("parameters")),
        priors=cells.priors(tables.get("parameters")),
        answers=cells.answers(tables.get("answers")),
        estimates=cells.estimates(tables.get("estimates")),
        directions=cells.directions(shown),
        directions_text=directions_text(tables["directions"]) if "directions" in tables else "",
        ridge=cells.ridge_text(shown),
        alternatives=cells.alternatives(tables.get("alternatives")),
        moved=cells.moved(tables.get("moved"), tables.get("alternatives")),
        alone=cells.alone(tables.get("simulation_alone")),
        coverage=cells.coverage(tables.get("coverage")),
        missing={step.number: step.missing for step in page.steps},
        rough=rough_text(page.manifest),
        extrapolation=extrapolation_text(page.shown.scenario),
        reference=REFERENCE,
    )
