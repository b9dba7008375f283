"""Reading what a user hands over: regular files of a bounded size, and words that can be shown anywhere."""

from __future__ import annotations

import stat
from pathlib import Path

from sim.scenario.problems import RequestError
from sim.scenario.refusals import sentence

MOST_BYTES = 2**20
"""Of a scenario or cohort file; the longest that ships has 8 kB."""

SCENARIO_FILE = "a scenario is a TOML file in UTF-8"

# By the first bytes: what people hand over where text is expected.
_BINARY = {b"PK\x03\x04": "a spreadsheet or another zip file", b"\xd0\xcf\x11\xe0": "an old spreadsheet"}


def read_text(path: Path, where: str, what: str, most: int = MOST_BYTES, missing: str = "") -> str:
    """Return the text of a regular file; its arguments are those of `read_bytes`.

    Raises
    ------
    RequestError
        It can't be read, or is no text.
    """
    data = read_bytes(path, where, what, most, missing)
    try:
        text = data.decode("utf-8-sig")  # some editors put a byte order mark in front
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        kind = next((kind for first, kind in _BINARY.items() if data.startswith(first)), "binary data")
        raise RequestError(sentence(where, f"is not text but {kind}; {what}"))
    return text


def read_bytes(path: Path, where: str, what: str, most: int, missing: str = "") -> bytes:
    """Return what is in a regular file.

    Parameters
    ----------
    where
        What a refusal begins with.
    what
        What the file should be.
    most
        Bytes that it may have.
    missing
        What to do if there is no such file.

    Raises
    ------
    RequestError
        There is no such file; it is a folder, a device or a pipe; it is too large, or can't be read.
    """
    try:
        mode = path.stat().st_mode  # before it is opened: a pipe would wait, a device never end
        if not stat.S_ISREG(mode):
            kind = "folder" if stat.S_ISDIR(mode) else "device or pipe"
            raise RequestError(sentence(where, f"is a {kind}, not a file; {what}"))
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise RequestError(sentence(where, f"there is no such file{missing}")) from None
    except OSError as error:
        raise RequestError(sentence(where, f"can't be read: {error.strerror or error}")) from None
    if len(data) > most:
        raise RequestError(sentence(where, f"has more than {most // 2**20} MiB, the most allowed; {what}"))
    return data
