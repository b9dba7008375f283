"""Loading a scenario: the file, its bases, ``--set``; checked, and with the origin of every value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.scenario.aims import check_aims
from sim.scenario.cautions import by_construction
from sim.scenario.changes import changes, folder_name, retitled
from sim.scenario.inherit import SET, Overrides, ValueLayer, read_layers, set_layer
from sim.scenario.merging import Tree, defaults, merge, reset_keys, set_keys, used_parameters
from sim.scenario.own_life_table import KEY as LIFE_TABLE
from sim.scenario.refusals import validate
from sim.scenario.registry import lookup
from sim.scenario.schema import LISTED, Scenario, ShownRange
from sim.scenario.shipped import Located

DEFAULT = "default"
_TITLES = ("title", "purpose", "target")
ABOUT_KEYS = ("kind", "title", "purpose", "caution", *LISTED, "calibration.solve", "calibration.tolerance")


@dataclass(frozen=True)
class Loaded:
    """A scenario, and where each of its values comes from.

    Attributes
    ----------
    scenario : Scenario
    located : Located
        Its file.
    layers : tuple of ValueLayer
        What that file, its bases and ``--set`` state, the last base first.
    chain : tuple of str
        Names from the file down to its last base.
    origins : Mapping
        For each parameter: ``default``, the name of the file that set it, or ``--set``.
    replaced : Mapping
        For each parameter that a file or ``--set`` changed: the origin and the value before.
    solved_from : Mapping
        For each solved parameter: the targets that it was solved from, in words.
    """

    scenario: Scenario
    located: Located
    layers: tuple[ValueLayer, ...] = field(repr=False)
    chain: tuple[str, ...]
    origins: Mapping[str, str]
    replaced: Mapping[str, tuple[str, Any]]
    solved_from: Mapping[str, str]

    @property
    def name(self) -> str:
        """The shipped name, or the file's name without its ending."""
        return self.located.name

    @property
    def path(self) -> Path:
        """Where its file is."""
        return self.located.path

    @property
    def folder_name(self) -> str:
        """Its name, and what was changed of it, for a folder of results."""
        return folder_name(self.name, self.scenario.changed or ())

    def as_dict(self) -> dict[str, Any]:
        """Return the resolved scenario as nested plain tables."""
        return self.scenario.model_dump(exclude_none=True)

    @cached_property
    def scenario_hash(self) -> str:
        """SHA-256 of the values that results depend on, whatever file they come from."""
        return scenario_hash(self.scenario)


def scenario_hash(scenario: Scenario) -> str:
    """Return the SHA-256 of the canonical JSON of all parameters: not of titles, sources or targets."""
    tree = scenario.model_dump(exclude_none=True)
    values = {parameter.key: lookup(tree, parameter.key) for parameter in used_parameters(tree)}
    if isinstance(table := values[LIFE_TABLE], dict):  # whatever its file is called
        values[LIFE_TABLE] = {sex: table[sex] for sex in ("male", "female")}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class _Merger:
    """Values put together layer by layer, with the origin of each."""

    leaf: str
    tree: Tree = field(default_factory=defaults)
    origins: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, tuple[str, Any]] = field(default_factory=dict)
    stated: dict[str, Tree] = field(default_factory=dict)

    def add(self, layer: ValueLayer, label: str) -> None:
        """Put a layer over what there is."""
        before = self.tree
        self.tree = merge(before, layer.tree)
        for key in reset_keys(layer.tree):
            for known in (self.origins, self.sources, self.replaced):
                known.pop(key, None)
            self.places[key] = layer.where
        for key in set_keys(layer.tree):
            below = lookup(before, key)
            if below is not None:
                self.replaced[key] = (self.origins.get(key, DEFAULT), below)
            self.origins[key] = label
            self.places[key] = layer.where
            self.sources.pop(key, None)
        self.sources.update(layer.sources)
        self.places.update({key: layer.where for key in ABOUT_KEYS if lookup(layer.tree, key) is not None})
        self.stated.update({name: self.tree for name in (*_TITLES, "range") if name in layer.tree})
        if lookup(layer.tree, "calibration.solve"):  # what was solved answers to the targets again
            self.stated["target"] = self.tree

    def where_of(self, key: str) -> str:
        """Return the file that holds a key; the scenario's own file for what no file holds."""
        return self.places.get(key, self.leaf)

    def scenario(self) -> Scenario:
        """Check everything and make the scenario, which says what it changes of what it is called."""
        scenario = validate({**self.tree, "sources": self.sources}, self.where_of)
        check_aims(scenario, self.where_of)
        values = scenario.model_dump(exclude_none=True)
        title, purpose, targets = (changes(self.stated.get(name, values), values) for name in _TITLES)
        told: dict[str, Any] = {"range": self._open_ranges(scenario)}
        if title:
            told |= {"title": retitled(scenario.title, title), "changed": title}
        if purpose and scenario.purpose and (targets or not scenario.target):
            told["purpose"] = f"A what-if, with {', '.join(purpose)}. It answers to no published figure."
        if targets and scenario.target:
            told["what_if"] = True
        return scenario.model_copy(update=told)

    def _open_ranges(self, scenario: Scenario) -> list[ShownRange]:
        """Return the ranges that stand: who gives one of their keys a value later asks about that value."""
        before = self.stated.get("range", self.tree)
        return [each for each in scenario.range if lookup(before, each.key) == lookup(self.tree, each.key)]


def _labels(layers: Sequence[ValueLayer]) -> list[str]:
    """Name the layers; a file is called by its path when another one has the same name."""
    names = [layer.name for layer in layers]
    return [layer.where if names.count(layer.name) > 1 else layer.name for layer in layers]


def _solved_from(
    layers: Sequence[ValueLayer], labels: Sequence[str], origins: Mapping[str, str]
) -> dict[str, str]:
    """Say from which targets each solved value was solved.

    A value counts as solved if the file that it comes from, or one that is based on it, lists it in
    ``calibration.solve``: a value that a later file writes over a solved one is not.
    """
    solved = {}
    listed = [key for layer in layers for key in lookup(layer.tree, "calibration.solve") or ()]
    for key in dict.fromkeys(listed):
        if origins.get(key) not in labels:
            continue
        for index in range(labels.index(origins[key]), len(layers)):
            if layers[index].where == SET or key not in (
                lookup(layers[index].tree, "calibration.solve") or ()
            ):
                continue
            stated = [layer.tree["target"] for layer in layers[: index + 1] if "target" in layer.tree]
            if stated:
                away = "" if index == len(layers) - 1 else f" (in {labels[index]})"
                solved[key] = f"solved from {_target_names(stated[-1])}{away}"
            break
    return solved


def _target_names(targets: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(
        f"{target['endpoint']}@{target['time_years']:g}" if "time_years" in target else target["endpoint"]
        for target in targets
        if target.get("fitted", True)
    )


def load(reference: str, overrides: Overrides = ()) -> Loaded:
    """Load a scenario.

    Parameters
    ----------
    reference : str
        A path if it has a slash or ends in .toml, else the name of a shipped scenario.
    overrides
        What goes over the file: ``key=value`` pairs, in which the value is TOML, else text; or a mapping.

    Raises
    ------
    RequestError
        If anything is wrong; the message names file, key, value, what is allowed and what to do.
    """
    return _cautioned(load_layers(*read_layers(reference), overrides, Path()))


def recalled(located: Located, manifest: Mapping[str, Any]) -> Loaded:
    """Return a scenario as the manifest of a finished run tells it, every value with its source."""
    rows, name = manifest["parameters"], manifest["scenario"]
    sources = {row["key"]: row["source"] for row in rows}
    tree = {**manifest["resolved"], "sources": sources}
    return Loaded(
        scenario=Scenario.model_validate(tree),
        located=located,
        layers=(ValueLayer(name, located.where, tree, sources),),
        chain=tuple(manifest["chain"]),
        origins={key: SET if source == SET else name for key, source in sources.items()},
        replaced={},
        solved_from={row["key"]: row["source"] for row in rows if row["status"] == "solved"},
    )


def changed(loaded: Loaded, overrides: Overrides, folder: Path | None = None) -> Loaded:
    """Return a scenario with some values changed, and marked as changed, as ``--set`` does; see `load`.

    Parameters
    ----------
    folder
        That the path of a life table counts from; None if no file is to be read.
    """
    return _cautioned(load_layers(loaded.located, loaded.layers, overrides, folder)) if overrides else loaded


def _cautioned(loaded: Loaded) -> Loaded:
    """Return a scenario whose caution tells what an answer about its changes can't show."""
    now = loaded.as_dict()
    return cautioned(loaded, [key for key, (_, old) in loaded.replaced.items() if lookup(now, key) != old])


def cautioned(loaded: Loaded, keys: Iterable[str]) -> Loaded:
    """Return a scenario whose caution tells what an answer about some parameters can't show."""
    before, more = loaded.scenario.caution, by_construction(keys)
    caution = before if more in before else f"{before} {more}".strip()
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"caution": caution}))


def load_layers(
    located: Located, layers: Sequence[ValueLayer], overrides: Overrides = (), folder: Path | None = None
) -> Loaded:
    """Make the scenario of a file's layers, as `read_layers` gives them; see `load` and `changed`."""
    if overrides:
        layers = [*layers, set_layer(overrides, folder)]
    labels = _labels(layers)
    merger = _Merger(leaf=located.where)
    for layer, label in zip(layers, labels, strict=True):
        merger.add(layer, label)
    scenario = merger.scenario()
    origins = {p.key: merger.origins.get(p.key, DEFAULT) for p in used_parameters(scenario.model_dump())}
    files = [label for label in labels if label != SET]
    return Loaded(
        scenario=scenario,
        located=located,
        layers=tuple(layers),
        chain=tuple(reversed(files)),
        origins=origins,
        replaced={key: merger.replaced[key] for key in origins if key in merger.replaced},
        solved_from=_solved_from(layers, labels, origins),
    )
