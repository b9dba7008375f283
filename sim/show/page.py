"""``report.html``: one page that holds all of a study, made from its manifest, tables and figures alone.

Nothing on it runs, and nothing is fetched: figures stand in it as SVG, the one style sheet is named by its
hash in the Content-Security-Policy, and the only addresses are links to DOIs, which only the reader follows.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, reduce
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from sim.scenario.problems import RequestError
from sim.show import strata
from sim.show.contents import CONTENTS, Contents
from sim.show.kit.inline_svg import Inlined, Styles, inline
from sim.show.kit.posterior_words import scope
from sim.show.kit.prose import declared, environment
from sim.show.kit.scenario_words import head
from sim.show.plots import PLOTS, row_of
from sim.show.sources import files
from sim.work.results import Results, read_results

FILE = "report.html"
_DOI = re.compile(r"doi:(10\.\d{4,}/[^\s;,]*[^\s;,.)])")


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure on a page: its words, and its SVG."""

    name: str
    heading: str
    description: str
    data: tuple[str, ...]
    inlined: Inlined

    @property
    def markup(self) -> Markup:
        """The SVG, in which everything is escaped already."""
        return Markup(self.inlined.markup)  # noqa: S704 (written by inline_svg, element by element)

    @property
    def title(self) -> str:
        """What the figure says, as a sentence."""
        return f"{self.inlined.title.rstrip('.')}."


@dataclass(frozen=True)
class Page:
    """What a page says."""

    results: Results
    contents: Contents
    pictures: list[Picture] = field(repr=False)
    styles: Styles = field(repr=False)

    def named(self, *names: str) -> list[Picture]:
        """Return the figures of these names that there are."""
        return [picture for name in names for picture in self.pictures if picture.name == name]

    def ending(self, ending: str) -> list[Picture]:
        """Return the figures whose names end so."""
        return [picture for picture in self.pictures if picture.name.endswith(ending)]

    @property
    def lead(self) -> Picture | None:
        """The figure with the finding."""
        by_name = {picture.name: picture for picture in self.pictures}
        rows = (row_of(self.results.kind, name) for name in by_name)
        of_row = {row.name: by_name[name] for name, row in zip(by_name, rows, strict=True) if row is not None}
        found = (by_name.get(name) or of_row.get(name) for name in self.contents.leads)
        return next((each for each in found if each is not None), self.pictures[0] if self.pictures else None)

    @property
    def others(self) -> list[Picture]:
        """The figures that stand neither over all others nor in a section of their own."""
        lead = self.lead
        elsewhere = self.contents.elsewhere
        return [each for each in self.pictures if each is not lead and each.name not in elsewhere]

    @property
    def title(self) -> str:
        """The head line, or the one that was asked for; of several scenarios with what was changed."""
        given, own = head(self.results), self.contents.title
        return given if "title" in self.results.manifest else "; ".join(filter(None, (own, given)))

    @property
    def finding(self) -> str:
        """The finding in one sentence."""
        if self.contents.finding:
            return self.contents.finding
        if self.lead is None:
            return self.contents.without_pictures
        return f"{self.contents.opening} {self.lead.title}".lstrip()

    @property
    def seed(self) -> int | None:
        """From which all luck comes; None where there is none."""
        manifest = self.results.manifest
        if not {"seed", "plan"} & manifest.keys():
            return None
        return int(manifest["seed"] if "seed" in manifest else manifest["plan"]["seed"])

    @property
    def hashes(self) -> Iterator[tuple[str, str]]:
        """What proves that two studies are the same: of results and scenarios, with what each is of."""
        manifest = self.results.manifest
        several = manifest.get("scenarios", manifest.get("cohorts", ()))
        for of, what in (("result_hash", "Hash of the results"), ("scenario_hash", "Hash of the scenario")):
            if of in manifest:
                yield what, manifest[of]
            for each in several:
                yield f"{what}, {each.get('scenario', each.get('cohort'))}", each[of]


def make_page(results: Results) -> Page:
    """Gather all that the page of a study says."""
    styles = Styles()
    return Page(results, CONTENTS[results.kind](results), list(_pictures(results, styles)), styles)


def _pictures(results: Results, styles: Styles) -> Iterator[Picture]:
    """Yield the figures that are in the folder, in the order of the registry."""
    if results.folder is None:
        return
    order = [plot.name for plot in PLOTS[results.kind]]
    found = [(path, row_of(results.kind, path.stem)) for path in (results.folder / "figures").glob("*.svg")]
    known = [(order.index(row.name), path, row) for path, row in found if row is not None]
    for _, path, row in sorted(known, key=lambda each: each[:2]):
        data = tuple(file for file in row.data if (results.folder / file).is_file())
        description = f"{row.description} {row.drawn if results.draws else ''}".rstrip()
        inlined = inline(path, path.stem, description, styles)
        yield Picture(path.stem, row.heading, description, data, inlined)


@cache
def _filling() -> Environment:
    """Return the templates with two more filters; once, for each compiles its templates anew."""
    made = environment(html=True).overlay()
    made.filters = {**made.filters, "with_dois": with_dois, "breakable": breakable}
    return made


def render(page: Page) -> str:
    """Return the page; the same study gives the same bytes."""
    filling = _filling()
    sheet = filling.get_template("page.css").render(classes=Markup(page.styles.sheet))  # noqa: S704
    told = page.results.table("strata") is not None
    # Escaping would change the sheet, and with it its hash; its parts are checked where they are made.
    style = Markup(f"\n{sheet}")  # noqa: S704
    return filling.get_template(f"{page.results.kind}.html").render(
        page=page,
        manifest={"draws": None, "posterior": None, "precision": None, **page.results.manifest},
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(str(style).encode()).digest()).decode(),
        sections=[],  # filled as they are told
        files=files(page.results),
        glossary=words(*_wanted(page.results)),
        drawn_of=scope(page.results.manifest),
        strata=strata.grid(page.results) if told else None,
        strata_said=strata.sentences_of(page.results) if told else (),
        **page.contents.facts,
    )


def write_page(results: Results, folder: Path) -> Page:
    """Write the page of a study into a folder, and what else is made of it for programs."""
    page = make_page(results)
    for name, text in page.contents.beside.items():  # first: the page names the files that there are
        (folder / name).write_bytes(text.encode())
    (folder / FILE).write_bytes(render(page).encode())
    return page


def report_study(folder: Path, *, force: bool = False) -> tuple[Path, Page]:
    """Write the report of a folder of any kind, and return where it is and what it says.

    Raises
    ------
    RequestError
        It is no complete folder of this format, or another report is there and `force` is not given.
    """
    page, path = make_page(read_results(folder)), folder / FILE
    text = render(page).encode()
    if path.exists() and not force and path.read_bytes() != text:
        raise RequestError(f"{path} is there and differs; replace it with --force")
    path.write_bytes(text)
    return path, page


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


def summary(path: Path, page: Page) -> dict[str, Any]:
    """Return what the page holds as one row."""
    return {
        "report": path.as_posix(),
        "bytes": path.stat().st_size,
        "kind": page.results.kind,
        "finding": page.finding,
        "figures": [picture.name for picture in page.pictures],
        **page.contents.counted,
    }


def _wanted(results: Results) -> Iterator[str]:
    """Yield of what else a page has words: of answers to what-if questions, of patients of one's own."""
    if results.kind in ("study", "compare"):
        yield "answers"
    if {"patients", "own"} & results.manifest.keys():
        yield "patients"


def words(*more: str) -> dict[str, str]:
    """Return what words mean: those of every page, and of some of the glossary's tables."""
    declared_words = declared("glossary")
    tables = {name: each for name, each in declared_words.items() if isinstance(each, dict)}
    own = {word: text for word, text in declared_words.items() if word not in tables}
    return reduce(lambda told, name: told | tables[name], more, own)
