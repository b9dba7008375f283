"""Write reference.md and glossary.md from the code's own registries: ``python docs/make_reference.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.centre.columns import COLUMNS
from sim.centre.words import vocabulary
from sim.scenario.describe import schema_rows, value_text
from sim.scenario.endpoints import ENDPOINTS, TIMES_YEARS
from sim.scenario.evidence import cite
from sim.scenario.registry import FAMILY_TEXT
from sim.scenario.study_file import schema_rows_of_studies
from sim.show.page import words

FILE = Path(__file__).with_name("reference.md")
GLOSSARY = Path(__file__).with_name("glossary.md")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def reference() -> str:
    """Return the whole page."""
    parameters = [
        (
            f"`{row['key']}`",
            row["allowed"].replace(f": {FAMILY_TEXT}", ""),
            row["unit"],
            "" if row["default"] is None else f"`{value_text(row['default'])}`",
            row["meaning"],
            row["source"],
            row["plausible"],
        )
        for row in schema_rows()
    ]
    endpoints = [
        (
            f"`{endpoint.name}`",
            endpoint.label,
            endpoint.unit or ("fraction" if endpoint.kind == "share" else ""),
            endpoint.denominator,
            endpoint.definition
            + (f"; read at {', '.join(f'{t:g}' for t in TIMES_YEARS)} y" if endpoint.timed else ""),
        )
        for endpoint in ENDPOINTS
    ]
    studies = [
        (f"`{row['table']}`" if row["table"] else "", f"`{row['key']}`", row["meaning"],
         f"`{row['default']}`" if row["default"] else "")
        for row in schema_rows_of_studies()
    ]  # fmt: skip
    known = vocabulary()
    columns = [(f"`{name}`", meaning, ", ".join(known["columns"][name])) for name, meaning in COLUMNS.items()]
    told = [
        (f"`{meaning}`", ", ".join(listed))
        for kind in ("causes", "sex")
        for meaning, listed in known[kind].items()
    ]
    absent = known["missing"]
    sources = " ".join(row["source"] for row in schema_rows())
    return "\n".join(
        [
            "# Reference",
            "",
            "Written by `python docs/make_reference.py` from the code's registries; do not edit.",
            "",
            "## Parameters of a scenario file",
            "",
            *table(("key", "allowed", "unit", "default", "meaning", "source", "published range"), parameters),
            "",
            "Distributions: " + FAMILY_TEXT + ", in the unit of the key.",
            "",
            "Evidence named above:",
            "",
            *(f"- {reference}" for reference in cite(sources).split("; ")),
            "",
            "## Endpoints",
            "",
            *table(("name", "label", "unit", "of", "definition"), endpoints),
            "",
            "## Study files",
            "",
            "What they are for is told in [studies.md](studies.md).",
            "",
            *table(("table", "key", "meaning", "default"), studies),
            "",
            "## Tables of your own patients",
            "",
            "One row a patient. Headers and words count without case, accents and punctuation, headers also "
            'without "date of", "day of" and articles, and without a unit in brackets. A header that is not '
            'listed is named: `--column died="end of life"`.',
            "",
            *table(("column", "meaning", "headers"), columns),
            "",
            "Words for the cause of death, and for the sex:",
            "",
            *table(("value", "words"), told),
            "",
            f"Nothing is told by an empty cell, and by {', '.join(f'`{word}`' for word in absent if word)}.",
            "",
        ]
    )


def glossary() -> str:
    """Return the page of words, which every report holds too."""
    told = [f"**{word}**: {meaning}\n" for word, meaning in words("answers", "patients").items()]
    head = (
        "Written by `python docs/make_reference.py` from `sim/show/templates/glossary.toml`; do not edit.\n"
    )
    return "\n".join(["# Words\n", head, *told])


if __name__ == "__main__":
    GLOSSARY.write_text(glossary(), "utf-8")
    FILE.write_text(reference(), "utf-8")
