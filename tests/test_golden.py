"""A few whole command lines say and write what tests/golden keeps.

Where that changed on purpose, `python tests/golden.py keep` makes the folder again, and the commit shows how.
"""

from __future__ import annotations

import re
from pathlib import Path

import golden
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@pytest.mark.parametrize("name", golden.KEPT)
def test_a_command_line_says_and_writes_what_it_did(name: str) -> None:
    kept = {
        path.relative_to(golden.FOLDER / name).as_posix(): path.read_text("utf-8")
        for path in (golden.FOLDER / name).rglob("*.*")
    }
    now = golden.lasting(golden.made(name, ROOT))
    assert sorted(now) == sorted(kept)
    for file, text in kept.items():
        words, words_now = (NUMBER.sub("#", one).splitlines() for one in (text, now[file]))
        assert words_now == words, file
        numbers, numbers_now = (np.array(NUMBER.findall(one), dtype=float) for one in (text, now[file]))
        # The last digits may be another processor's.
        np.testing.assert_allclose(numbers_now, numbers, rtol=1e-9, atol=1e-12, err_msg=file)
