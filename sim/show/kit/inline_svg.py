"""SVG files made fit for one HTML page: nothing that runs or fetches, no style attributes, ids of its own.

A strict Content-Security-Policy allows no style attributes. Each one becomes a class, and the page declares
all classes in its one style sheet, whose hash the policy names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from sim.scenario.problems import RequestError

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_ELEMENTS, _ATTRIBUTES = (
    frozenset(names.split())
    for names in (
        "svg g defs path use clipPath pattern rect circle line text tspan",
        "viewBox d transform x y x1 y1 x2 y2 cx cy r rx width height patternUnits patternTransform fill "
        "stroke stroke-width text-anchor",
    )
)
_STYLE = re.compile(r"[\w\s#.,:;%'()+-]*")
_INTERNAL = re.compile(r"url\(#([\w-]+)\)")


@dataclass
class Styles:
    """The style attributes of all figures of a page, each once, as classes."""

    _names: dict[str, str] = field(default_factory=dict)

    def name(self, style: str) -> str:
        """Return the class that stands for a style; the same text gives the same class."""
        return self._names.setdefault(style, f"s{len(self._names)}")

    @property
    def sheet(self) -> str:
        """The classes as CSS."""
        return "\n".join(f".{name}{{{style}}}" for style, name in self._names.items())


@dataclass(frozen=True, slots=True)
class Inlined:
    """A figure as it stands in a page: its markup, and its title, which states the finding."""

    markup: str
    title: str


def inline(path: Path, name: str, label: str, styles: Styles) -> Inlined:
    """Read an SVG file for a page.

    Parameters
    ----------
    name : str
        Goes before every id in the figure, so that figures of one page don't share any.
    label : str
        What is said instead of the picture, after its title.
    styles : Styles
        Takes up the figure's style attributes.

    Raises
    ------
    RequestError
        The file is no SVG.
    """
    try:
        # The parser limits how far entities expand, and fetches none.
        root = ElementTree.fromstring(path.read_bytes())  # noqa: S314
    except ElementTree.ParseError as error:
        raise RequestError(f"{path} is no SVG ({error}); run the scenario again") from error
    if root.tag != f"{_SVG}svg":
        raise RequestError(f"{path} is no SVG, its root is {root.tag}; run the scenario again")
    found = root.find(f".//{_TITLE}")
    title = "" if found is None or found.text is None else found.text.strip()
    text = f"{title}. {label}" if title else label
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    writer = _Writer(name, styles)
    inner = "".join(writer.children(root))
    box = writer.attributes(root)
    return Inlined(f'<svg class="plot" role="img" aria-label="{escape(text)}"{box}>{inner}</svg>', title)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes what is allowed of a tree; whatever else it holds is left out."""

    name: str
    styles: Styles

    def children(self, parent: ElementTree.Element) -> Iterator[str]:
        for child in parent:
            tag = child.tag.removeprefix(_SVG) if isinstance(child.tag, str) else ""
            if tag in _ELEMENTS:
                inner = escape(child.text or "", quote=False) if tag in ("text", "tspan") else ""
                inner += "".join(self.children(child))
                yield f"<{tag}{self.attributes(child)}>{inner}</{tag}>"
            if parent.tag == f"{_SVG}text" and child.tail:
                yield escape(child.tail, quote=False)

    def attributes(self, element: ElementTree.Element) -> str:
        found = dict(self._allowed(element))
        return "".join(f' {key}="{escape(value)}"' for key, value in found.items())

    def _allowed(self, element: ElementTree.Element) -> Iterator[tuple[str, str]]:
        for key, value in element.attrib.items():
            if key == "id":
                yield "id", self._own(value)
            elif key == "style" and _is_plain(value):
                yield "class", self.styles.name(self._own_links(value.strip()))
            elif key == "clip-path" and _INTERNAL.fullmatch(value):
                yield key, self._own_links(value)
            elif key in (_LINK, "href") and value.startswith("#"):
                yield "href", f"#{self._own(value[1:])}"
            elif key in _ATTRIBUTES and "url(" not in value:
                yield key, value

    def _own(self, identifier: str) -> str:
        return f"{self.name}-{identifier}"

    def _own_links(self, value: str) -> str:
        return _INTERNAL.sub(lambda found: f"url(#{self._own(found[1])})", value)


def _is_plain(style: str) -> bool:
    """Tell whether a style is nothing but settings, with links inside the figure at most."""
    rest = _INTERNAL.sub("", style)
    return _STYLE.fullmatch(rest) is not None and "url(" not in rest
