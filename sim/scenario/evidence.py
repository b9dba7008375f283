"""What is known: the published figures that parameters and targets rest on, and where they were published."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TypeAlias

_REFERENCE = re.compile(r"\b(?:1[89]|20)\d\d\b|\bdoi\b|https?:", re.IGNORECASE)
"""By what a reference in words is told: a year, or an address."""
_ID = re.compile(r"\b([A-Z])(\d\d)(?:-([A-Z])(\d\d))?\b")


Evidence: TypeAlias = SimpleNamespace
"""One figure as it was published, by the columns of ``data/evidence.csv``; numbers stay as printed.

``reference`` is the short citation of its source.
"""


@dataclass(frozen=True, slots=True)
class PublishedValue:
    """A hazard or a case fatality as somebody published it, in the unit of the parameter that it is of.

    ``evidence`` are the ids of what it is read from, ``what`` says how.
    """

    value: float
    what: str
    evidence: str


def data_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a shipped table."""
    with (Path(__file__).parent / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def all_evidence() -> Mapping[str, Evidence]:
    """Return every row of the shipped evidence by its id."""
    references = {row["source_key"]: row["reference"] for row in data_rows("sources")}
    rows = data_rows("evidence")
    return MappingProxyType(
        {row["id"]: Evidence(**row, reference=references[row["source_key"]]) for row in rows}
    )


def published_values(key: str) -> list[PublishedValue]:
    """Return what was published of a parameter, if anything, in ascending order."""
    rows = (row for row in data_rows("published") if row.pop("key") == key)
    return [PublishedValue(float(row.pop("value")), **row) for row in rows]


def ids_in(text: str) -> tuple[str, ...]:
    """Return the ids that a text names, in order; V30-V35 stands for all of them in between."""
    found: dict[str, None] = {}
    for letter, first, last_letter, last in _ID.findall(text):
        end = int(last) if last and letter == last_letter else int(first)
        found.update({f"{letter}{number:02d}": None for number in range(int(first), end + 1)})
    return tuple(found)


def cite(text: str) -> str:
    """Return the short references of the evidence that a text names, each once."""
    known = (all_evidence()[name] for name in ids_in(text) if name in all_evidence())
    return "; ".join(dict.fromkeys(item.reference for item in known))


def is_assumed(source: str) -> bool:
    """Tell whether a source says that nobody has published the value."""
    return source.strip().lower().startswith("assumption")


def origin(source: str) -> str:
    """Return what a figure with this source is: published, assumed, or only targeted, as in a question.

    Published is what evidence or a reference stands behind, and nothing else.
    """
    if is_assumed(source):
        return "assumed"
    known = any(name in all_evidence() for name in ids_in(source)) or _REFERENCE.search(source)
    return "published" if known else "targeted"
