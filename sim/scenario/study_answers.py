"""The answers that a study file can ask for: each a table, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from sim.scenario.distributions import Table

MOST_POINTS = 10_000
Values = Annotated[list[Any], Field(min_length=1, max_length=MOST_POINTS)]
_Limit = Annotated[float, Field(ge=0)]
_Patients = Annotated[int, Field(ge=2, le=100_000)]
_ENDPOINT = "the figure, as name or name@years"
_ARM = "the arm that is held against the first; left out, each of them"
_Groups = dict[str, list[str]]


class Threshold(Table):
    """At which value of a parameter a figure is what is asked for."""

    kind: Literal["threshold"]
    endpoint: str = Field(description="the figure, as name or name@years")
    equals: _Limit | None = Field(None, description="what it shall be; shares as fractions")
    arm: str = Field("", description="the arm in which it is solved for; left out, the first")
    as_in: str = Field("", description="the arm whose own figure it shall be, in the place of equals")
    by: str = Field(description="the parameter to solve for")
    low: float | None = Field(None, description="where to look for it, from")
    high: float | None = Field(None, description="and to")
    over: dict[str, Values] = Field({}, description="values of other parameters at each of which to solve")
    count: str = Field("", description='patients of whom the figure is a published count: "7/53"')


class Tornado(Table):
    """How far each parameter, over the range that is stated for it, moves a figure."""

    kind: Literal["tornado"]
    endpoint: str = Field(description="the figure, as name or name@years")
    keys: list[str] = Field([], description="parameters; left out, all with a stated range")
    versions: list[Literal["held", "re-solved"]] = Field(
        ["held", "re-solved"], description="whether the other values stay, or the point is solved again"
    )


class Capacity(Table):
    """The smallest number of rooms, or slots, that meets a target."""

    kind: Literal["capacity"]
    endpoint: str = Field(description="the figure, as name or name@years")
    at_most: _Limit = Field(description="the target that it must not exceed; shares as fractions")
    by: Literal["clinic.isolation_rooms", "clinic.apheresis_slots"] = Field(
        "clinic.isolation_rooms", description="which places are counted")  # fmt: skip
    low: Annotated[int, Field(ge=1, le=10_000)] = Field(2, description="fewest places looked at")
    high: Annotated[int, Field(ge=1, le=10_000)] = Field(8, description="most places looked at")
    over: dict[str, Values] = Field({}, description="values of another parameter: arrivals.per_year")


class Sensitivity(Table):
    """How much of what is not known about a figure hangs on what is not known about each parameter."""

    kind: Literal["sensitivity"]
    endpoint: str = Field(description=_ENDPOINT)
    arm: str = Field("", description="the arm that is looked at; left out, the first")
    keys: list[str] = Field(
        [], description="parameters; left out, all that is drawn: priors, or a posterior, and [[uncertain]]"
    )
    groups: _Groups = Field({}, description="parameters taken together, by a name for them")
    points: Annotated[int, Field(ge=64, le=2**14)] = Field(
        1024, description="base points of independent inputs, a power of two; a posterior has its draws"
    )


class Explain(Table):
    """What the gap between an arm and the first comes with: each group of differing parameters has a part."""

    kind: Literal["explain"]
    endpoint: str = Field(description="the figure whose gap is divided, as name or name@years")
    arm: str = Field("", description=_ARM)
    groups: _Groups = Field(
        {},
        description="parameters, or beginnings of their names, by group; what differs and is in none is "
        '"everything else"; left out, groups are the stages of the pathway',
    )


class Probability(Table):
    """How probable it is that an arm is better than the first, by more than a margin."""

    kind: Literal["probability"]
    endpoint: str = Field(description=_ENDPOINT)
    arm: str = Field("", description=_ARM)
    margins: Annotated[list[_Limit], Field(min_length=1, max_length=50)] = Field(
        [0.0, 0.01], description="by how much at least it is better; shares as fractions"
    )


class ValueOfInformation(Table):
    """What it is worth to know what is not known, before choosing an arm."""

    kind: Literal["value_of_information"]
    endpoint: str = Field(
        "overall_survival_enrolled",
        description="what is gained: survival or years lived, as name@years",
    )
    keys: list[str] = Field([], description="parameters that might be known; left out, all that is drawn")
    groups: _Groups = Field({}, description="parameters known together, by a name for them")
    trial: Annotated[list[_Patients], Field(max_length=20)] = Field(
        [], description="patients of each arm of a further trial, whose worth is told")  # fmt: skip


class Power(Table):
    """Whether a trial of two arms would notice their difference."""

    kind: Literal["power"]
    arm: str = Field("", description=_ARM)
    patients: Annotated[list[_Patients], Field(min_length=1, max_length=20)] = Field(
        [50, 100, 200, 400], description="patients of each arm"
    )
    trials: Annotated[int, Field(ge=100, le=100_000)] = Field(2000, description="virtual trials of each size")


Answer: TypeAlias = Annotated[
    Threshold | Tornado | Capacity | Sensitivity | Explain | Probability | ValueOfInformation | Power,
    Field(discriminator="kind"),
]

ANSWERS: Mapping[str, type[Table]] = {
    "threshold": Threshold, "tornado": Tornado, "capacity": Capacity, "sensitivity": Sensitivity,
    "explain": Explain, "probability": Probability, "value_of_information": ValueOfInformation,
    "power": Power,
}  # fmt: skip
"""By kind."""

OF_ARMS = (Explain, Probability, ValueOfInformation, Power)
"""Those that hold arms against the first."""
