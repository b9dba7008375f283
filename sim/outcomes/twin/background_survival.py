"""Survival of background mortality, averaged over the ages and sexes of a cohort."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sim.outcomes.twin.quadrature import (
    Law,
    Piecewise,
    atoms_of,
    fixed_value,
    law_of,
    legendre,
    on_panels,
    panel_points,
)
from sim.scenario.distributions import Distribution, Floats
from sim.scenario.life_table import background_hazards
from sim.scenario.schema import Background

MAX_YEARS = 150  # nobody is left then, whatever the life table


def _survival(hazards: Floats, female: float, ages: Floats, later: Floats) -> Floats:
    """Return survival for `later` years from each age, sexes mixed; shape of `ages` + `later` broadcast."""
    total = np.zeros(np.broadcast_shapes(ages.shape, later.shape))
    moments = [(age, np.minimum(age.astype(np.intp), hazards.shape[1] - 1)) for age in (ages, ages + later)]
    for share, row in ((1 - female, hazards[0]), (female, hazards[1])):
        if share > 0:
            at_birthdays = np.concatenate([[0.0], np.cumsum(row)])
            now, then = (at_birthdays.take(year) + row.take(year) * (age - year) for age, year in moments)
            total += share * np.exp(now - then)
    return total


def _age_rule(age: Distribution, fraction: float, last: int, order: int) -> tuple[Floats, Floats]:
    """Return ages and weights that integrate exactly over the kinks a part of a year after enrolment.

    The accumulated hazard from age A to A + s has kinks in A where A or A + s is a birthday; between
    them it is linear. So the panels end there, and Gauss-Legendre works in u, the share of younger patients.
    """
    birthdays = np.arange(last + 1, dtype=np.float64)
    edges = np.concatenate([birthdays, birthdays[1:] - fraction])
    shares = np.concatenate([age.cdf(np.sort(edges)), [1.0]])
    shares = shares[np.concatenate([[True], np.diff(shares) > 0])]
    u, weights = on_panels(shares, legendre(order))
    inside = (u > 0) & (u < 1)
    return age.quantile(u[inside]), weights[inside]


def single_ages(age: Distribution) -> Law | None:
    """Return the law of the age, if there are single ages."""
    return law_of(age, 1) if fixed_value(age) is not None else atoms_of(age)


def ages_by_birthday(age: Distribution) -> list[float]:
    """Return ages with every birthday that single ages have, but for whole years; none of a smooth law."""
    single = single_ages(age)
    if single is None or single.values.size == 1:
        return [] if single is None else single.values.tolist()
    return sorted({round(value % 1, 9) for value in single.values.tolist()})


@lru_cache(maxsize=64)
def background_survival(
    age: Distribution, female: float, background: Background, years: int, order: int
) -> Piecewise:
    """Return B(s) = E[exp(-(L(A + s) - L(A)))], s in years from enrolment, up to `years`.

    Everything but background mortality is independent of age and sex, so they enter the twin only here.

    Parameters
    ----------
    age, female
        Law of the age at enrolment in years, and share of women.
    background
        Life table and standardised mortality ratio; extra hazards are not part of B.
    years
        Length; beyond it the last value holds.
    order
        Interpolation points a year, and a third of it nodes an age panel.
    """
    hazards = background_hazards(background)
    single = single_ages(age)
    # The birthdays of the youngest, and of the oldest where there are such, are the only kinks left in B.
    youngest = [0.0, *age.bounds] if single is None else ages_by_birthday(age)
    birthdays = sorted({1 - each % 1 for each in youngest})
    edges = np.concatenate([[0.0], np.add.outer(np.arange(years + 1), birthdays).ravel()])
    points = panel_points(edges, order)
    if not hazards.any():
        return Piecewise.through(edges, np.ones_like(points))
    if single is not None:
        alive = (_survival(hazards, female, np.full(points.shape, value), points) for value in single.values)
        return Piecewise.through(edges, sum(w * each for w, each in zip(single.weights, alive, strict=True)))
    values = np.empty_like(points)
    for column in range(order):  # the part of a year is the same on the panels after one kind of birthday
        for some in (slice(first, None, len(birthdays)) for first in range(len(birthdays))):
            later = points[some, column, None]
            ages, weights = _age_rule(age, float(later[0, 0] % 1), hazards.shape[1], order // 3)
            values[some, column] = _survival(hazards, female, ages, later) @ weights
    return Piecewise.through(edges, values)
