"""Study files: one question about a scenario, and all that its answer takes.

Every table is declared here once; checks, ``study new`` and the documents derive from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError

from sim.scenario.distributions import Distribution, Table
from sim.scenario.inherit import Overrides, pairs_of, read_file
from sim.scenario.merging import expand, merge
from sim.scenario.own_life_table import with_table
from sim.scenario.refusals import (
    ALLOWED,
    allowed_in,
    bad_distribution,
    bad_value,
    cut_short,
    hint,
    refuse,
    sentence,
    toml_text,
    unknown,
)
from sim.scenario.registry import plain, quoted_choices
from sim.scenario.shipped import is_path, locate, shipped_names
from sim.scenario.study_answers import ANSWERS, MOST_POINTS, OF_ARMS, Answer, Threshold, Values

POINT, ARM = "point", "arm"
"""Columns of tables: the number of a point, and the name of its arm."""

RESERVED = (
    POINT, ARM, "reference", "endpoint", "time_years", "estimate", "mc_se", "mc_lower", "mc_upper", "note",
    "target", "target_source", "difference", "difference_lower", "difference_upper", "stratum",
)  # fmt: skip
"""What no factor may be called."""

StudyEngine: TypeAlias = Literal["auto", "exact", "simulated", "simpy", "arrays"]
SAMPLED = ("latin_hypercube", "sobol", "posterior")
"""Designs of which nobody chose the points."""
DesignKind: TypeAlias = Literal[
    "grid", "one_at_a_time", "latin_hypercube", "sobol", "posterior", "list"
]  # fmt: skip
_Points = Annotated[int, Field(ge=2, le=MOST_POINTS)]
_Trials = Annotated[int, Field(ge=1, le=10**9)]


class StudyArm(Table):
    """An option that may be chosen; the first is the reference."""

    name: Annotated[str, Field(min_length=1)] = Field(description="what figures and tables call it")
    scenario: str = Field("", description="another scenario in the place of the base: a name or a path")
    set: dict[str, Any] = Field({}, description="what it changes: values by key")


class Factor(Table):
    """What is varied: one key, or several that move together."""

    key: str = Field("", description="the parameter")
    keys: list[str] = Field([], description="parameters that move together, in the place of key")
    name: str = Field("", description="what figures and tables call it")
    multiply: bool = Field(False, description="whether values are multiples of the base's own")
    values: Values | None = Field(None, description="its values: numbers, words or distributions")
    low: float | None = Field(None, description="lower end of its range, in the place of values")
    high: float | None = Field(None, description="upper end of its range")
    points: _Points = Field(5, description="values from low to high in a grid")
    scale: Literal["linear", "log"] = Field("linear", description="how they are spaced")
    value: Distribution | None = Field(None, description="a distribution to draw from, in hypercubes")
    source: str = Field("", description="where the range comes from: evidence ids, or assumption")

    @property
    def every_key(self) -> list[str]:
        """The parameters that it moves."""
        return self.keys or [self.key]


class Uncertain(Table):
    """What nobody knows: drawn beside the posterior, and reported as assumed."""

    key: str = Field(description="the parameter")
    value: Distribution = Field(description="the distribution that it is drawn from")
    source: str = Field("assumption", description="where that comes from: evidence ids, or assumption")
    arm: str = Field("", description="the one arm in which it is uncertain; left out, all of them")


class Design(Table):
    """Which values of the factors are looked at together."""

    kind: DesignKind = Field("grid", description="how points are chosen")
    points: _Points | None = Field(None, description="points of a hypercube or a Sobol sequence")
    union: list[dict[str, Values]] = Field(
        [], description="several grids in one: in each, other values of some factors")  # fmt: skip
    file: str = Field("", description="CSV file of a list: a column a key, a row a point")


class Measure(Table):
    """What is looked at."""

    endpoints: list[str] = Field([], description="endpoints shown first, as name or name@years")
    contours: dict[str, list[float]] = Field({}, description="levels of lines on maps, by endpoint")
    by: list[str] = Field([], description="strata told beside everybody, as age=12-25,26-40,41+ or sex")
    reference: Literal["scenario", "first"] = Field(
        "scenario", description="from what differences are taken where there are no arms")  # fmt: skip


class StudyEffort(Table):
    """How much is computed."""

    engine: StudyEngine = Field(
        "auto", description="auto: the exact twin for what it knows where no queue binds")  # fmt: skip
    replications: _Trials | None = Field(None, description="virtual trials, of each draw")
    precision: Annotated[float, Field(gt=0, lt=100)] | None = Field(
        None, description="half-width of paired intervals to reach, in points"
    )
    at_most: _Trials | None = Field(None, description="virtual trials at which precision gives up")
    seed: Annotated[int, Field(ge=0)] = Field(1, description="of all luck, and of designs")
    posterior: str = Field("", description="posterior.csv of a calibration, or the name of a shipped one")
    draws: Annotated[int, Field(ge=2, le=10_000)] | None = Field(
        None, description="draws of it, and of what is uncertain"
    )


class StudyFile(Table):
    """A whole study file."""

    kind: Literal["study"] = "study"
    title: str = Field(description="one line for tables and figures")
    question: str = Field("", description="what it asks, in one sentence")
    base: str = Field(
        "",
        description="the scenario that it is about: a name, or a path from this file; arms may have others",
    )
    set: dict[str, Any] = Field({}, description="what is changed of the base throughout: values by key")
    arm: list[StudyArm] = Field([])
    factor: list[Factor] = Field([])
    uncertain: list[Uncertain] = Field([])
    design: Design = Design()
    measure: Measure = Measure()
    answer: list[Answer] = Field([])
    effort: StudyEffort = StudyEffort()


TABLES: Mapping[str, type[Table]] = {
    "arm": StudyArm, "factor": Factor, "uncertain": Uncertain, "design": Design, "measure": Measure,
    "effort": StudyEffort,
}  # fmt: skip
"""The tables of a study file but for its answers, by name."""

_BOUNDS = {"greater_than_equal": "of at least {ge:g}", "less_than_equal": "up to {le:g}"}
_WORDS = {**ALLOWED, list[str]: "a list of texts in quotes"}


@dataclass(frozen=True)
class LoadedStudy:
    """A study file, its name, and the folder that its paths start from."""

    study: StudyFile
    name: str
    where: str
    folder: Path
    given: frozenset[str] = frozenset()
    """Keys that were changed over the file: paths there start from here."""

    @property
    def posterior(self) -> str:
        """Its posterior, as `path` gives it; empty without."""
        own = self.study.effort.posterior
        return own if not own or "effort.posterior" in self.given else self.path(own)

    def path(self, reference: str) -> str:
        """Return what a reference in the file means from here: a name as it is, a path from its folder."""
        return str(self.folder / reference) if is_path(reference) or "." in reference else reference


def load_study(reference: str | Path, changes: Overrides = ()) -> LoadedStudy:
    """Load a study file.

    Parameters
    ----------
    reference
        A path if it has a slash or ends in .toml, else the name of a shipped study.
    changes
        What goes over the file: ``effort.replications=100``, or a mapping.

    Raises
    ------
    RequestError
        If anything in it is wrong; the message names file, key, value, what is allowed and what to do.
    """
    located = locate(str(reference), kind="study")
    pairs = pairs_of(changes)
    tree = merge(read_file(located, "study"), expand(pairs))
    study, folder = checked_study(tree, located.where), located.path.parent
    # A life table is read here, so that a copy of the study needs no file.
    arms = [
        arm.model_copy(update={"set": with_table(arm.set, folder, f'{located.where}: arm "{arm.name}"')})
        for arm in study.arm
    ]
    own = {"set": with_table(study.set, folder, located.where), "arm": arms}
    return LoadedStudy(study.model_copy(update=own), located.name, located.where, folder, frozenset(pairs))


def checked_study(tree: Mapping[str, Any], where: str = "") -> StudyFile:
    """Return the study that a nested table describes; refusals are those of `load_study`."""
    try:
        study = StudyFile.model_validate(dict(tree))
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise refuse(sentence(where, _bad(each, tree)) for each in found) from None
    problems = list(_contradictions(study))
    if problems:
        raise refuse(sentence(where, each) for each in problems)
    return study


def _bad(error: Any, tree: Mapping[str, Any]) -> str:
    """Say what is wrong at a place that pydantic names."""
    table, place, value, names, known = _walk(error["loc"], tree, missing=error["type"] == "missing")
    name = names[-1] if names else ""
    if error["type"] == "extra_forbidden":
        otherwise = f"there are {', '.join(known)}"
        return unknown(f"{place} = {cut_short(toml_text(value))}: unknown key", name, known, otherwise)
    if error["type"].startswith("union_tag") and names[0] != "answer":
        return "; ".join(bad_distribution("", place, value))
    if error["type"].startswith("union_tag"):
        kinds = quoted_choices(tuple(ANSWERS))
        if "kind" in value:
            return bad_value(
                "", f"{place}: kind", value["kind"], kinds, hint(value["kind"], None, tuple(ANSWERS))
            )
        return f"{place}: kind is missing: {kinds}"
    inside = names[1] if len(names) > 2 else name
    field = table.model_fields.get(inside) if table else None
    if error["type"] == "missing":
        return f"{place} is missing: {field.description if field else 'see docs/studies.md'}"
    if isinstance(value, Mapping) and error["type"] == "list_type":
        return f"[{name}]: there may be several; write each in double brackets: [[{name}]]"
    if inside == "value" and name != "value":
        drawn = {**_in_value(error["loc"], tree)}
        return "; ".join(bad_distribution("", place.removesuffix(f".{name}"), drawn))
    if isinstance(value, Mapping) and field is not None and "dist" in value:
        return "; ".join(bad_distribution("", place, value))
    if isinstance(error["loc"][-1], int) and (bound := _BOUNDS.get(error["type"])):
        return bad_value("", place, error["input"], f"a number {bound.format(**error['ctx'])}")
    if error["type"] == "list_type" and field is not None:
        return bad_value("", place, value, f"a list in brackets: {field.description}")
    return bad_value("", place, value, *(allowed_in(field, value, _WORDS) if field else ("a table",)))


def _in_value(location: tuple[Any, ...], tree: Any) -> Mapping[str, Any]:
    """Return the distribution that a place lies in."""
    here = tree
    for part in location[: location.index("value") + 1]:
        here = here[part]
    return here if isinstance(here, Mapping) else {}


def _walk(
    location: tuple[Any, ...], tree: Any, *, missing: bool
) -> tuple[type[Table] | None, str, Any, list[str], list[str]]:
    """Return the table at a place, how people call the place, what is there, and the names on the way."""
    table: type[Table] | None = StudyFile
    place, known = "", list(StudyFile.model_fields)
    names: list[str] = []
    here: Any = tree
    for part in location:
        if isinstance(part, int):
            place, here = f"[[{place}]] number {part + 1}" if len(names) == 1 else place, here[part]
            continue
        if table is StudyFile and names == ["answer"] and part in ANSWERS:  # the tag, and no name
            table, known = ANSWERS[part], list(ANSWERS[part].model_fields)
            continue
        if not isinstance(here, Mapping) or (part not in here and not (missing and part == location[-1])):
            continue  # of the variants of a value
        place += (
            f": {part}" if place.startswith("[[") and ": " not in place else f".{part}" if place else part
        )
        names.append(str(part))
        here = here.get(part, {})
        if len(names) == 1 and part in TABLES:
            table = TABLES[part]
            known = list(table.model_fields)
    return table, place, here, names, known


def _contradictions(study: StudyFile) -> Iterator[str]:
    """Yield what contradicts itself within a study file."""
    for number, factor in enumerate(study.factor, start=1):
        place = f"[[factor]] number {number}"
        if bool(factor.key) == bool(factor.keys):
            yield f"{place}: give key, or keys for several that move together"
        ranged = factor.low is not None or factor.high is not None
        if sum((factor.values is not None, ranged, factor.value is not None)) != 1:
            yield f"{place}: give one of values, low and high, or value (a distribution to draw from)"
        elif ranged and (factor.low is None or factor.high is None or factor.low >= factor.high):
            yield f"{place}: low = {factor.low}, high = {factor.high}: give both, the lower end first"
        elif factor.scale == "log" and (factor.low is None or factor.low <= 0):
            yield f'{place}: scale = "log" needs low above 0; it is {factor.low}'
    named: tuple[tuple[str, list[str]], ...] = (
        ("[[arm]]", [arm.name for arm in study.arm]),
        ("[[factor]]", [factor_name(factor) for factor in study.factor]),
        ("[[uncertain]]", [each.key for each in study.uncertain]),
        ("[[answer]]", [each.kind for each in study.answer]),
    )
    for what, names in named:
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            yield f"{what}: {twice} stands there twice; keep one"
    if not study.base and not (study.arm and all(arm.scenario for arm in study.arm)):
        yield f"base is missing: {StudyFile.model_fields['base'].description}"
    yield from _key_problems(study)
    arms = [arm.name for arm in study.arm]
    those = f"there are {', '.join(arms)}" if arms else "there is none"
    for answer in study.answer:
        place = f"[[answer]] {answer.kind}"
        if isinstance(answer, Threshold) and (answer.equals is None) != bool(answer.as_in):
            yield f"{place}: give equals, or as_in, the arm whose figure it shall be"
        for name in filter(None, (getattr(answer, "arm", ""), getattr(answer, "as_in", ""))):
            if name not in arms:
                yield unknown(f'{place}: "{name}": no such arm', name, arms, those)
        if isinstance(answer, OF_ARMS):
            if len(arms) < 2:
                yield f"{place}: is about arms; state two [[arm]] or more, the first to compare with"
            elif getattr(answer, "arm", "") == arms[0]:
                yield f'{place}: arm = "{arms[0]}": is the first, which the others are held against'
    for each in study.uncertain:
        if each.arm and each.arm not in arms:
            yield unknown(f'[[uncertain]]: arm = "{each.arm}": no such arm', each.arm, arms, those)
    yield from _design_problems(study)


def _key_problems(study: StudyFile) -> Iterator[str]:
    """Yield what is varied twice, has a value twice, or is called as a column of the tables is."""
    varied = [key for factor in study.factor for key in factor.every_key]
    for key in dict.fromkeys(varied):
        if varied.count(key) > 1:
            yield f"[[factor]]: {key} is varied by two factors; take one of them out"
    for arm in study.arm:
        for key in arm.set:
            if key in varied:
                yield f"[[arm]] {arm.name}: sets {key}, which a [[factor]] varies; take one of both out"
    for number, factor in enumerate(study.factor, start=1):
        place, values = f"[[factor]] number {number}", factor.values or []
        if len({repr(value) for value in values}) < len(values):
            yield f"{place}: values = {toml_text(values)}: a value is given twice; name each once"
        if factor.name in RESERVED:
            yield f'{place}: name = "{factor.name}": tables have a column of that name; choose another'
    if study.effort.engine == "exact" and study.effort.precision is not None:
        yield 'effort.precision: engine = "exact" leaves no Monte Carlo error to make small; leave it out'


def _design_problems(study: StudyFile) -> Iterator[str]:
    """Yield what is wrong with a design before its points are made."""
    design, kind = study.design, study.design.kind
    drawn = kind in ("latin_hypercube", "sobol")
    if drawn != (design.points is not None):
        yield (
            f"design.points: a {kind} needs it: points = 256"
            if drawn
            else f"design.points = {design.points}: only a latin_hypercube or a sobol has it"
        )
    elif kind == "sobol" and design.points is not None and design.points & (design.points - 1):
        below = 1 << (design.points.bit_length() - 1)
        yield (
            f"design.points = {design.points}: a Sobol sequence is balanced only at powers of two; "
            f"write {below} or {2 * below}"
        )
    if (kind == "list") != bool(design.file):
        yield "design.file: " + (
            "a list needs it: the path of a CSV file" if kind == "list" else 'only a kind = "list" has one'
        )
    if design.union and kind != "grid":
        yield f'design.union: several grids in one are a kind = "grid", and this is a "{kind}"'
    if kind in ("posterior", "list") and study.factor:
        yield f'[[factor]]: in a design of kind "{kind}" its rows say what is varied; take the factors out'
    if kind == "posterior" and not study.effort.posterior:
        yield 'design.kind = "posterior": needs effort.posterior, such as posterior = "chicago2006"'
    if drawn and not study.factor:
        yield f'design.kind = "{kind}": there is no [[factor]] to draw; state one at least'


def factor_name(factor: Factor) -> str:
    """Return what tables call a factor: its name, or its key; of several keys the first, and how many."""
    if factor.name:
        return factor.name
    keys = factor.every_key
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"multiple of {keys[0]}{more}" if factor.multiply else f"{keys[0]}{more}"


def study_text(study: StudyFile) -> str:
    """Return a study as a file that says the same."""
    tree = plain_tree(study)
    listed = [name for name, value in tree.items() if isinstance(value, list)]
    tables = [name for name in tree if name in TABLES and name not in listed]
    apart = (*listed, *tables)
    lines = [f"{name} = {toml_text(value)}" for name, value in tree.items() if name not in apart]
    for name in apart:
        for each in tree[name] if name in listed else [tree[name]]:
            head = f"[[{name}]]" if name in listed else f"[{name}]"
            lines += ["", head, *(f"{member} = {toml_text(value)}" for member, value in each.items())]
    return "\n".join(lines) + "\n"


def plain_tree(study: StudyFile) -> dict[str, Any]:
    """Return a study as nested plain tables, without what is as by default."""
    tree = study.model_dump(exclude_defaults=True, exclude_none=True)
    for number, answer in enumerate(study.answer):
        tree["answer"][number] = {"kind": answer.kind, **tree["answer"][number]}
    for name in ("factor", "uncertain"):
        for number, each in enumerate(getattr(study, name)):
            if each.value is not None:
                tree[name][number]["value"] = plain(each.value)
    return {"kind": "study", **tree}


def study_rows() -> list[dict[str, str]]:
    """Return one row a shipped study: name, base, question."""
    found = {name: load_study(name).study for name in shipped_names("study")}
    return [
        {"name": name, "base": each.base or each.arm[0].scenario, "question": each.question}
        for name, each in found.items()
    ]


def schema_rows_of_studies() -> list[dict[str, str]]:
    """Return one row a key of study files: table, key, what it is, default."""
    tables: dict[str, type[Table]] = {
        "": StudyFile,
        **TABLES,
        **{f'answer (kind = "{kind}")': each for kind, each in ANSWERS.items()},
    }
    return [
        {
            "table": name, "key": key, "meaning": field.description or "",
            "default": "" if field.is_required() else toml_text(plain(field.get_default())),
        }
        for name, table in tables.items()
        for key, field in table.model_fields.items()
        if field.description
    ]  # fmt: skip
