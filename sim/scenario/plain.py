"""Text and numbers as people type them, and how they are written so that they can be shown anywhere."""

from __future__ import annotations

import re
from unicodedata import category

_HARMLESS = "\n\t\u00ad\u200c\u200d"


def printable(text: str) -> str:
    """Write what can't be seen by its code: nothing that is shown steers a terminal or turns its words round.

    Line ends, tabs and blanks of any width stay, and what joins or parts letters.
    """
    return "".join(
        c if c.isprintable() or c in _HARMLESS or category(c) == "Zs" else f"\\U{ord(c):08x}" for c in text
    )


def plain_number(text: str, *, whole: bool = False) -> str:
    """Return the remedy for a number as a spreadsheet, or a country, writes it; empty if it is none."""
    plain = re.sub(r"^=|[\s'_]", "", text)
    if re.fullmatch(r"0\d+", plain):
        return "A comma parts values; write thousands without one."
    if re.fullmatch(r"[*x×]-?[\d.,]+|-?[\d.,]+[*x×]", plain):
        return "A factor? Write the value itself; `lupus-hsct scenario show` names the one to multiply."
    thousands = re.sub(r"[.,](?=\d{3}(?!\d))", "", plain)
    if whole:
        return f"Write the number plainly: {thousands}" if re.fullmatch(r"-?\d+", thousands) else ""
    either = (
        f", or {thousands} if the comma parts thousands" if "," in plain and thousands.isdecimal() else ""
    )
    plain = plain.replace(",", ".")
    is_number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", plain)
    return f"Write the number plainly: {plain}{either}" if is_number else ""
