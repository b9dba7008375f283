"""Words that tables of patients use, and the same in one form: without case, accents and punctuation."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import combining, normalize


def fold(text: str) -> str:
    """Return a text in small letters without accents, its other signs as single blanks."""
    letters = normalize("NFKD", text).casefold().replace("ß", "ss")
    return " ".join(re.findall(r"\w+", "".join(c for c in letters if not combining(c)).replace("_", " ")))


@cache
def vocabulary() -> Mapping[str, Any]:
    """Return the words that ship with the package."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))


@cache
def meanings(table: str) -> Mapping[str, str]:
    """Return what every word of a table means, by its folded form."""
    listed = vocabulary()[table].items()
    return {fold(word): meaning for meaning, words in listed for word in words}


@cache
def months() -> Mapping[str, int]:
    """Return the number of a month by its folded names, and by beginnings that only it has."""
    found: dict[str, set[int]] = {}
    for number, names in enumerate(vocabulary()["months"]["names"], 1):
        for name in fold(names).split():
            for length in range(3, len(name) + 1):
                found.setdefault(name[:length], set()).add(number)
    return {name: min(numbers) for name, numbers in found.items() if len(numbers) == 1}


@cache
def missing() -> frozenset[str]:
    """Return what stands, in small letters, for a value that there is not."""
    return frozenset(vocabulary()["missing"])
