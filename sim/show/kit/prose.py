"""Sentences from templates: the words stand there, and what was found is put into them.

Terminal and pages say the same because both take it from here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

import jinja2

from sim.show.kit.formats import written

Status: TypeAlias = Literal["answered", "in part", "unanswered"]
_ONE_YEAR = re.compile(r"(?<![\d.,])(1[ \N{NO-BREAK SPACE}])years\b")
_MARKED = re.compile(r"([#+-])(?:\[([a-z-]+)\])? (.*)")


@cache
def environment(*, html: bool) -> jinja2.Environment:
    """Return what fills templates: nothing that is undefined passes, and on a page everything is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("sim.show", "templates"),
        autoescape=html,  # noqa: S701 (what the terminal prints is no page)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=None if html else _on_one_line,
    )
    made.filters |= {"listed": _listed, "written": written}
    return made


def _listed(names: Sequence[str]) -> str:
    """List names with an and before the last."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _on_one_line(value: Any) -> Any:
    """Keep what others wrote from looking like a line of a template."""
    return " ".join(value.splitlines()) if isinstance(value, str) else value


def sentences(file: str, macro: str, *facts: Any, **more: Any) -> list[str]:
    """Return the lines that a macro of a text template makes of some facts; each is a paragraph.

    Parameters
    ----------
    file
        Its name, without ending.
    """
    made = getattr(environment(html=False).get_template(f"{file}.txt").module, macro)(*facts, **more)
    return [_ONE_YEAR.sub(r"\1year", line.strip(" ")) for line in str(made).splitlines() if line.strip()]


def one_sentence(file: str, macro: str, *facts: Any, **more: Any) -> str:
    """Return the one paragraph of `sentences`; empty if there is none."""
    return " ".join(sentences(file, macro, *facts, **more))


def declared(file: str) -> dict[str, Any]:
    """Return what stands beside the templates as TOML: words without sentences to fill.

    Parameters
    ----------
    file
        Its name, without ending.
    """
    return tomllib.loads((resources.files("sim.show") / "templates" / f"{file}.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Said:
    """A paragraph of an answer; ``see`` is the id of a section of the page that holds the rest."""

    text: str
    see: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A question of a checklist: what it asks for, what is said to it, and what nobody wrote."""

    number: str
    title: str
    asks: str
    said: tuple[Said, ...]
    missing: tuple[str, ...]

    @property
    def status(self) -> Status:
        """Whether the item is answered."""
        if not self.said:
            return "unanswered"
        return "in part" if self.missing else "answered"


def items(file: str, **facts: Any) -> list[Item]:
    """Return the questions of a template with their answers.

    A line begins with ``#`` for a question (number, title, and what it asks for, if that is said apart),
    with ``+`` for a paragraph of its answer, ``+[section]`` if that section holds the rest, and with ``-``
    for what is missing.
    """
    rendered = environment(html=False).get_template(f"{file}.txt").render(facts)
    found: list[Item] = []
    for line in filter(str.strip, rendered.splitlines()):
        marked = _MARKED.fullmatch(line)
        if marked is None:
            raise ValueError(f"{file}.txt: a line without a mark: {line}")
        mark, see, text = marked.groups()
        if mark == "#":
            number, title, asks = [*text.split(" | "), ""][:3]
            found.append(Item(number, title, asks, (), ()))
            continue
        last = found.pop()
        if mark == "+":
            found.append(replace(last, said=(*last.said, Said(text, see or ""))))
        else:
            found.append(replace(last, missing=(*last.missing, text)))
    return found
