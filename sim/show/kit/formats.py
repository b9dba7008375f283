"""How numbers are written for people; tables and figures write them alike.

No figure gets more digits than its uncertainty supports, and no share loses its per cent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from sim.outcomes.binomial import clopper_pearson
from sim.scenario.capacities import capacity_text
from sim.scenario.describe import shortened
from sim.scenario.endpoints import BY_NAME, Endpoint, Key, label
from sim.scenario.evidence import all_evidence, ids_in, origin
from sim.scenario.registry import short
from sim.scenario.schema import Scenario
from sim.study.compare import DIFFERENCE_ERROR
from sim.study.estimates import EXACT, Z95

_MOST_DECIMALS = 4
_NOTHING = 1e-9  # what sums of rounded figures leave of 0
_VERDICT = 3 / 1.96
"""Three standard errors, in half widths of a 95% interval."""


def decimals(half_width: float) -> int:
    """Return how many decimals a figure known to within `half_width` may show.

    The last digit shown is the first digit of the half width: 0.18 gives one decimal, 1.9 gives none.
    """
    if half_width <= 0:
        return _MOST_DECIMALS
    return min(max(0, -math.floor(math.log10(half_width))), _MOST_DECIMALS)


def _number(value: float, half_width: float) -> str:
    """Write a number; three digits where its uncertainty is unknown or none."""
    if not half_width > 0:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    text = f"{value:.{decimals(half_width)}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def format_share(share: float, half_width: float = math.nan) -> str:
    """Write a share in per cent.

    Parameters
    ----------
    share : float
        As a fraction; not a number gives an empty text.
    half_width : float
        Half of its 95% interval, as a fraction; not a number for a figure taken as it was published.
    """
    return "" if math.isnan(share) else f"{_percent(share, half_width)}%"


def _percent(share: float, half_width: float) -> str:
    """Write nobody and everybody without decimals."""
    return f"{100 * share:g}" if share in (0.0, 1.0) else _number(100 * share, 100 * half_width)


def format_value(endpoint: Endpoint, value: float, half_width: float = math.nan) -> str:
    """Write an endpoint's value with its unit: a share in per cent, a mean in years, days and so on."""
    if endpoint.kind == "share" or math.isnan(value):
        return format_share(value, half_width)
    return with_unit(_number(value, half_width), endpoint.unit)


def in_years(number: float) -> str:
    """Write a number of years."""
    return with_unit(f"{number:g}", "years")


def with_unit(text: str, unit: str) -> str:
    """Write a unit, if there is one, after a number: 1 room, 2 rooms."""
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}".rstrip()


def format_range(endpoint: Endpoint, lower: float, upper: float, error: float = 0.0) -> str:
    """Write an interval, a share's in per cent and a mean's without its unit; empty without both limits.

    Parameters
    ----------
    error
        To what the limits are known, if that is more than half of the interval.
    """
    if math.isnan(lower) or math.isnan(upper):
        return ""
    scale = 100.0 if endpoint.kind == "share" else 1.0
    half_width = max((upper - lower) / 2, error)
    if half_width > 0:
        _, low, high = interval_texts(
            scale * lower, scale * lower, scale * upper, decimals(scale * half_width)
        )
    else:
        low, high = (_number(scale * limit, 0.0) for limit in (lower, upper))
    if endpoint.kind == "share" and upper == 1:
        high = "100"
    text = low if low == high else f"{low} to {high}"
    return f"{text}%" if endpoint.kind == "share" else text


def interval_texts(value: float, lower: float, upper: float, digits: int) -> list[str]:
    """Write a figure and the limits of its interval with as many decimals.

    A limit that is not 0 is not written as 0, nor is a figure whose interval excludes 0: all get one decimal
    more, and what is smaller still its own first digit.
    """
    named = (value, lower, upper) if lower * upper > 0 else (lower, upper)
    digits += any(_vanishes(each, digits) for each in named)
    texts = []
    for each in (value, lower, upper):
        own = -math.floor(math.log10(abs(each))) if each in named and _vanishes(each, digits) else digits
        text = f"{each:.{own}f}"
        texts.append("0" if abs(each) <= _NOTHING else text.removeprefix("-") if float(text) == 0 else text)
    return texts


def _vanishes(figure: float, digits: int) -> bool:
    return abs(figure) > _NOTHING and float(f"{figure:.{digits}f}") == 0


def format_interval(endpoint: Endpoint, value: float, lower: float, upper: float, half_width: float) -> str:
    """Write a difference with its interval as `format_difference` does; without limits, itself alone.

    Parameters
    ----------
    half_width
        To what the difference is known: half of its interval, or more.
    """
    if math.isnan(half_width):
        return format_difference(endpoint, value, half_width)
    scale = 100.0 if endpoint.kind == "share" else 1.0
    digits = decimals(scale * max(half_width, abs(value) / 100))
    found = interval_texts(scale * value, scale * lower, scale * upper, digits)
    text, low, high = map(_signed, found)
    return f"{text} ({low} to {high})"


def format_difference(endpoint: Endpoint, value: float, half_width: float) -> str:
    """Write a difference without unit, with its sign: percentage points for a share.

    It gets no more than three digits, however small its error: beside +16 a hundredth says nothing.
    """
    scale = 100.0 if endpoint.kind == "share" else 1.0
    return _signed(_number(scale * value, scale * max(half_width, abs(value) / 100)))


def _signed(text: str) -> str:
    if text.startswith("-"):
        return text.replace("-", "\N{MINUS SIGN}")
    return text if float(text) == 0 else f"+{text}"


def format_parameter(value: Any) -> str:
    """Write a parameter's value for reading, a distribution in words; the manifest has all digits."""
    if isinstance(value, (list, tuple)):
        pairs = all(isinstance(item, (list, tuple)) for item in value)
        return capacity_text(value) if pairs else ", ".join(map(format_parameter, value))
    if short_text := shortened(value):
        return short_text
    if isinstance(value, Mapping):
        if value.get("dist") == "fixed":
            return format_parameter(value["value"])
        members = ", ".join(
            f"{name} {format_parameter(item)}" for name, item in value.items() if name != "dist"
        )
        return f"{value['dist']}, {members}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def written(value: Any) -> str:
    """Write a parameter's value: a small number with three digits, a large one whole, a word as it is."""
    if isinstance(value, Mapping):
        return format_parameter(value)
    if not isinstance(value, int | float):
        return str(value)
    return short(float(f"{value:.3g}")) if abs(value) < 1000 else short(value)


def by_key(read: Iterable[Row]) -> dict[Key, list[Row]]:
    """Return rows by their endpoints and times, in their order."""
    found: dict[Key, list[Row]] = {}
    for row in read:
        found.setdefault(row.key, []).append(row)
    return found


def counted(share: float, n: int | None) -> int | None:
    """Return how many of n patients a share is, as it is written; None where no whole number gives it."""
    count = 0 if n is None else round(share * n)
    return count if n and 100 * abs(count / n - share) <= _half_digit(100 * share) else None


def _half_digit(written: float) -> float:
    """Return how far from a figure all lies that is written alike: half of its last digit."""
    exponent = Decimal(f"{written:.3g}").normalize().as_tuple().exponent
    return 0.5 * 10.0 ** min(int(exponent), 0)


class Row:
    """One row of ``endpoints.csv``, with its figures as they are written for people.

    Parameters
    ----------
    fields
        A row as `DataFrame.itertuples` gives it; read back from a file, an empty text may be a NaN.
    n
        How many patients stand behind the target, where that is known.
    """

    def __init__(self, fields: Any, n: int | None = None) -> None:
        self.n = n
        self.endpoint = BY_NAME[str(fields.endpoint)]
        self.time = None if math.isnan(fields.time_years) else float(fields.time_years)
        self.estimate = float(fields.estimate)
        self.mc_lower, self.mc_upper = float(fields.mc_lower), float(fields.mc_upper)
        self.trial_lower, self.trial_upper = float(fields.trial_lower), float(fields.trial_upper)
        # Only figures over draws of a posterior have its limits.
        self.posterior_lower = float(getattr(fields, "posterior_lower", math.nan))
        self.posterior_upper = float(getattr(fields, "posterior_upper", math.nan))
        # Only points that are compared with a reference have differences from it.
        self.difference, self.difference_lower, self.difference_upper = (
            float(getattr(fields, f"difference{end}", math.nan)) for end in ("", "_lower", "_upper")
        )
        # Only compared scenarios have these of it; the error where its limits are a posterior's.
        self.variance_reduction = float(getattr(fields, "variance_reduction", math.nan))
        self.difference_error = float(getattr(fields, DIFFERENCE_ERROR, math.nan))
        self.posterior_se = float(getattr(fields, "posterior_se", math.nan))
        self.at_point = float(getattr(fields, "at_point", math.nan))
        self.undefined = float(fields.trial_undefined)
        self.target = float(fields.target)
        self.source = fields.target_source if isinstance(fields.target_source, str) else ""
        self.note = fields.note if isinstance(fields.note, str) else ""

    @property
    def key(self) -> Key:
        """The endpoint's name and time."""
        return self.endpoint.name, self.time

    @property
    def label(self) -> str:
        """The endpoint and its time in words."""
        return label(self.key)

    @property
    def exact(self) -> bool:
        """Whether the exact twin gives it: then there is no Monte Carlo error."""
        return EXACT in self.note

    @property
    def half_width(self) -> float:
        """Half of the Monte Carlo interval."""
        return (self.mc_upper - self.mc_lower) / 2

    @property
    def has_target(self) -> bool:
        """Whether there is a figure to compare with."""
        return not math.isnan(self.target)

    @property
    def assumed(self) -> bool:
        """Whether the target was never published."""
        return self.origin != "published"

    @property
    def unverified(self) -> bool:
        """Whether the target is said to have been published, by somebody else than its authors."""
        known = all_evidence()
        return any(known[name].status == "unverified" for name in ids_in(self.source) if name in known)

    @property
    def count(self) -> int | None:
        """How many of its patients a published count is; None of other figures."""
        is_count = self.has_target and self.endpoint.trial == "count" and not self.assumed
        return counted(self.target, self.n) if is_count else None

    @property
    def published_interval(self) -> tuple[float, float] | None:
        """The exact interval of a published count of patients."""
        return None if self.count is None or self.n is None else clopper_pearson(self.count, self.n)

    @property
    def fitted(self) -> bool:
        """Whether calibration solved for the target; the others are only compared with."""
        return "not_fitted" not in self.note

    @property
    def origin(self) -> str:
        """What the target is: published, assumed or targeted."""
        return origin(self.source)

    @property
    def agrees(self) -> bool:
        """Whether the estimate would be printed as the target is, or lies within Monte Carlo error of it.

        That is three standard errors: a verdict at 95% on each of six exact targets would call one run in
        four a failure. A mean over draws of a posterior meets no target exactly: there the posterior's
        interval counts too.
        """
        if self.drawn and self.posterior_lower <= self.target <= self.posterior_upper:
            return True
        scale = 100.0 if self.endpoint.kind == "share" else 1.0
        if scale * abs(self.estimate - self.target) <= _half_digit(scale * self.target):
            return True
        lower = self.estimate - _VERDICT * (self.estimate - self.mc_lower)
        upper = self.estimate + _VERDICT * (self.mc_upper - self.estimate)
        return lower <= self.target <= upper

    @property
    def verdict(self) -> str:
        """Whether the estimate was solved to be its target, agrees with one never fitted, or differs.

        A mean over draws is solved for nothing: there the posterior's 95% holds the target, or not.
        """
        if not self.has_target:
            return "none"
        if self.drawn and self.agrees:
            return "within"
        return "differs" if not self.agrees else "solved" if self.fitted else "agrees"

    @property
    def simulated_text(self) -> str:
        """The estimate; why there is none where there is none."""
        if math.isnan(self.estimate):
            return self.note.replace("_", " ") or "undefined"
        return format_value(self.endpoint, self.estimate, self.half_width)

    @property
    def estimate_text(self) -> str:
        """The estimate with its Monte Carlo interval, and the posterior's if there is one."""
        posterior = self.posterior_text and f"posterior {self.posterior_text}"
        own = "" if self.exact else format_range(self.endpoint, self.mc_lower, self.mc_upper)
        known = (own, posterior)
        intervals = "; ".join(filter(None, known))
        return f"{self.simulated_text} ({intervals})" if intervals else self.simulated_text

    @property
    def trial_text(self) -> str:
        """The range of one trial; empty without one."""
        return format_range(self.endpoint, self.trial_lower, self.trial_upper)

    @property
    def posterior_text(self) -> str:
        """The posterior's 95% interval; empty without one, or where nothing is drawn."""
        if self.posterior_upper - self.posterior_lower < _NOTHING:
            return ""
        errors = (self.half_width, Z95 * self.posterior_se)
        error = max((each for each in errors if not math.isnan(each)), default=0.0)
        return format_range(self.endpoint, self.posterior_lower, self.posterior_upper, error)

    @property
    def drawn(self) -> bool:
        """Whether the figure is a mean over draws of a posterior."""
        return not math.isnan(self.posterior_lower)

    @property
    def differs(self) -> bool:
        """Whether the paired interval of the difference from the reference excludes 0."""
        return self.difference_lower * self.difference_upper > 0

    @property
    def sign_is_open(self) -> bool:
        """Whether it does not because draws differ, and not because of Monte Carlo error."""
        half = (self.difference_upper - self.difference_lower) / 2
        return (
            self.drawn
            and not self.differs
            and self.difference != 0
            and half > 2 * Z95 * self.difference_error
        )

    @property
    def difference_half_width(self) -> float:
        """Half of that interval, or of Monte Carlo error's where a posterior leaves less open."""
        error = 0.0 if math.isnan(self.difference_error) else Z95 * self.difference_error
        return max((self.difference_upper - self.difference_lower) / 2, error)

    @property
    def difference_text(self) -> str:
        """The paired difference from the reference with its interval; empty without one, and of itself."""
        if self.exact and not self.drawn and self.difference:
            known = 0.0005 if self.endpoint.kind == "share" and abs(self.difference) > 1e-4 else 0.0
            return format_difference(self.endpoint, self.difference, known)
        if not self.difference_upper > self.difference_lower:
            return ""
        half_width = self.difference_half_width
        figures = (self.difference, self.difference_lower, self.difference_upper, half_width)
        return format_interval(self.endpoint, *figures)

    @property
    def target_text(self) -> str:
        """The target with as many digits as it was given."""
        return format_value(self.endpoint, self.target)


def rows(endpoints: pd.DataFrame, scenario: Scenario | None = None) -> list[Row]:
    """Return the rows of a table of endpoints, in its order; a scenario tells how many each is of."""
    aims = () if scenario is None else scenario.target
    counts = {(target.endpoint, target.time_years): target.n for target in aims}
    read = [Row(fields) for fields in endpoints.itertuples(index=False)]
    for row in read:
        row.n = counts.get(row.key)
    return read
