"""A bounded part of ``make fuzz``: whatever is handed over, the command line refuses it or does it."""

from __future__ import annotations

from collections import Counter

import pytest
from fuzz import KINDS, Finding, fuzz, summary

SEEDS = {"scenario": 10, "cohort": 8, "study": 8, "posterior": 6, "options": 6, "folder": 3, "table": 60}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_handed_over_is_done_or_refused_in_one_message(kind: str) -> None:
    counts, findings = Counter[tuple[str, str]](), list[Finding]()
    fuzz(iter(range(1, SEEDS[kind] + 1)), 120.0, (kind,), counts, findings)
    assert not findings, summary(counts, findings) + "\n" + "\n".join(map(str, findings))
    assert sum(counts.values()) == SEEDS[kind]
    assert counts[kind, "2"] > 0
