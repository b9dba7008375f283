"""What an answer can't say: by construction of the model, or because a scenario goes beyond what is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sim.scenario.problems import AgeWarning, CutOffWarning, FigureWarning, HorizonWarning
from sim.scenario.registry import parameters
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value

LONGEST_YEARS = 10.0
"""Nothing that the model rests on was followed for longer."""
OLDEST_YEARS = 100.0
_RAREST = 1e-6  # of the patients, who need no words
_MOST_CUT = 0.1  # of a distribution, after which its mean or median says little about the patients

_AGE_AND_SEX = (
    "Age and sex act through everyday deaths only (the life table): here nobody's infection, response, "
    "relapse or lupus depends on them, and an answer about age or sex is about everyday deaths alone."
)


_WHEN = (
    "The hazard of active disease is constant here, so that the earliest transplant is best by assumption; "
    "how far the hazard of those who wait would have to fall is what transplant.waiting_multiplier can tell."
)
_BY_CONSTRUCTION = {("cohort.age_years", "cohort.female"): _AGE_AND_SEX, ("transplant.delay_days",): _WHEN}


def by_construction(keys: Iterable[str]) -> str:
    """Return what an answer about some parameters can't show; a key may reach into a distribution."""
    named = list(keys)
    return " ".join(
        text for stems, text in _BY_CONSTRUCTION.items() if any(key.startswith(stems) for key in named)
    )


def doubts(scenario: Scenario) -> Iterator[tuple[type[FigureWarning], str]]:
    """Yield warnings of what is beyond the model, each with its remedy."""
    years, ages = scenario.follow_up.horizon_years, scenario.cohort.age_years
    if years > LONGEST_YEARS:
        text = (
            f"follow_up.horizon_years is {years:g}: not to be read beyond {LONGEST_YEARS:g} years. Nothing "
            "that the model rests on was followed for longer, and who has relapsed dies of lupus at one rate "
            f"for ever. Read figures up to then, or set follow_up.horizon_years to at most {LONGEST_YEARS:g}"
        )
        yield HorizonWarning, text
    older = 1.0 - float(ages.cdf(np.array(OLDEST_YEARS)))
    if older > _RAREST:
        text = f"cohort.age_years: 1 in {1 / older:,.0f} patients is older than {OLDEST_YEARS:g} years, whom"
        yield AgeWarning, f"{text} nobody transplants. Set cohort.age_years.high"
    for key, parameter in parameters().items():
        law = get_value(scenario, key) if parameter.distribution else None
        if law is not None and getattr(law, "kept", 1.0) < 1 - _MOST_CUT:
            median = float(law.quantile(np.array([0.5]))[0])
            ends = ", ".join(f"{end} = {getattr(law, end):g}" for end in ("low", "high") if getattr(law, end))
            text = (
                f"{key}: {1 - law.kept:.0%} of the distribution is cut off ({ends}), so that its mean, sd or "
                f"median is not what is drawn: the median drawn is {median:.3g} {parameter.unit}. Set "
                f"{key}.low and {key}.high too"
            )
            yield CutOffWarning, text
