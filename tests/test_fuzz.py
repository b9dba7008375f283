"""A bounded part of ``make fuzz``: whatever is handed over, the command line refuses it or does it."""

from __future__ import annotations

import pytest
from fuzz import KINDS, fuzz, summary


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_handed_over_is_done_or_refused_in_one_message(kind: str) -> None:
    counts, findings = fuzz(iter(range(1, 9)), 60.0, (kind,))
    assert not findings, summary(counts, findings) + "\n" + "\n".join(map(str, findings))
    assert sum(counts.values()) == 8
