"""What to know of a table that was read: columns left out, words as they were taken, deaths to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sim.centre.columns import Matched, likely
from sim.centre.files import RawTable
from sim.centre.mistakes import shown
from sim.centre.patients import OwnPatients
from sim.scenario.endpoints import TREATMENT_DAYS

_ROWS_NAMED = 10


def notes_on(
    sheet: RawTable, matched: Matched, patients: OwnPatients, causes: Mapping[str, str]
) -> Iterator[str]:
    """Yield notes for the terminal of whoever has the table: they name its rows and its words.

    Parameters
    ----------
    causes
        Words for causes of death, and what each was taken for.
    """
    ignored = []
    for place in matched.ignored:
        header, name = sheet.header[place], likely(sheet.header[place])
        meant = f' (is it {name}? then --column {name}="{shown(header)}")' if name in matched.open else ""
        ignored.append(f"{shown(header)}{meant}")
    if ignored:
        yield f"not used: {', '.join(ignored)}"
    if nameless := sum(
        not header and any(cell != "" for cell in column)
        for header, column in zip(sheet.header, sheet.columns, strict=True)
    ):
        yield (
            f"not used: {nameless} columns without a header"
            if nameless > 1
            else "not used: a column without a header"
        )
    for meaning in dict.fromkeys(causes.values()):
        words = ", ".join(word for word, other in causes.items() if other == meaning)
        yield f"cause of death read as {meaning}: {words}"
    yield from _of_patients(patients)
    if not patients.reconstructed and (twice := _identical(sheet)):
        yield f"identical rows, which may be one patient twice: {_some(twice)}"


def _of_patients(patients: OwnPatients) -> Iterator[str]:
    rows = np.array(patients.rows)
    if patients.from_transplant:
        yield "no column is enrolled: times count from the transplantation, and nothing before it is known"
    if patients.reconstructed:
        yield "reconstructed from a published curve: these are nobody's data"
    if not patients.deaths_recorded:
        yield "relapse and death are not told apart: nothing but disease-free survival can be told"
    elif not patients.relapse_recorded:
        yield "no column is relapsed: nothing is known of relapses, and disease-free survival can't be told"
    elif not patients.has_relapsed.any():
        yield "the column of relapses is empty: nobody relapsed"
    known = () if patients.reconstructed else (("age", patients.age), ("sex", patients.female))
    for name, values in known:
        if unknown := int(np.isnan(values).sum()):
            yield f"{name} is not known of {unknown:,} of {len(patients):,}"
    of = patients.cause
    if of_nothing := int((of == "unknown").sum()):
        yield f"cause of death is not known of {of_nothing:,} of {int(patients.dead.sum()):,} dead"
    late = (of == "treatment") & patients.past_treatment
    if late.any():
        yield (
            f"deaths of the treatment later than day {TREATMENT_DAYS:g} after transplantation "
            f"({_rows(rows, late)}): the model counts treatment deaths to that day, and later ones as other"
        )
    sudden = (of == "lupus") & patients.reinfused & ~patients.has_relapsed
    if patients.relapse_recorded and sudden.any():
        yield f"deaths of lupus after transplantation without a relapse: {_rows(rows, sudden)}"


def _rows(rows: NDArray[np.int_], of: NDArray[np.bool_]) -> str:
    found = [str(row) for row in rows[of]]
    more = f" and {len(found) - _ROWS_NAMED:,} more" if len(found) > _ROWS_NAMED else ""
    return f"row{'s' * (len(found) > 1)} {', '.join(found[:_ROWS_NAMED])}{more}"


def _some(groups: list[list[int]]) -> str:
    named = [
        "rows " + " and ".join(map(str, group)) if len(group) > 1 else f"row {group[0]}" for group in groups
    ]
    more = f" and {len(named) - _ROWS_NAMED} more" if len(named) > _ROWS_NAMED else ""
    return ", ".join(named[:_ROWS_NAMED]) + more


def _identical(sheet: RawTable) -> list[list[int]]:
    """Return the rows that are the same in every cell."""
    whole = list(zip(*sheet.columns, strict=True))
    several = {row for row, count in Counter(whole).items() if count > 1}
    found: dict[object, list[int]] = {}
    for line, row in zip(sheet.rows, whole, strict=True):
        if row in several:
            found.setdefault(row, []).append(line)
    return list(found.values())
