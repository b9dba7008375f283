"""Tables of patients behind a posterior, so that nobody is learned from, or predicted, twice unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.work.files import MANIFEST, read_json


def learned_from(posterior_path: Path) -> frozenset[str]:
    """Return the SHA-256 of every table that a posterior was learned from, as far as its folder tells.

    The manifest beside it names its own table, and those behind the posterior that it began with. Nothing is
    known of a posterior that stands alone.
    """
    manifest = read_json(posterior_path.parent / MANIFEST) or {}
    if manifest.get("command") != "learn":
        return frozenset()
    own, before = _member(manifest, "patients", "sha256"), _member(manifest, "posterior", "learned_from")
    told = [own, *(before if isinstance(before, list) else ())]
    return frozenset(each for each in told if isinstance(each, str))


def _member(manifest: dict[str, Any], table: str, name: str) -> object:
    members = manifest.get(table)
    return members.get(name) if isinstance(members, dict) else None
