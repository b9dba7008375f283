"""Sobol's indices against functions whose indices are known, against SALib, and a dummy that has none."""

from __future__ import annotations

import numpy as np
import pytest
from SALib.analyze import sobol as salib

from sim.patient.luck import independent
from sim.scenario.distributions import Floats
from sim.study.sobol_indices import design, first_order, indices, matrices, total_order

POINTS, REPEATS = 1024, 12
SEVEN, TENTH = 7.0, 0.1
G = np.array([0.0, 1.0, 4.5, 9.0])


def ishigami(u: Floats) -> Floats:
    x = np.pi * (2 * u - 1)
    return np.sin(x[..., 0]) + SEVEN * np.sin(x[..., 1]) ** 2 + TENTH * x[..., 2] ** 4 * np.sin(x[..., 0])


def sobol_g(u: Floats) -> Floats:
    """Sobol's g, whose variance is a product."""
    return np.prod((np.abs(4 * u - 2) + G) / (1 + G), axis=-1)


def of_g() -> tuple[Floats, Floats]:
    own = 1 / 3 / (1 + G) ** 2
    whole = np.prod(1 + own) - 1
    return own / whole, own * np.prod(1 + own) / (1 + own) / whole


# Ishigami T, Homma T. Proc ISUMA 1990: in closed form, with a = 7 and b = 0.1.
KNOWN = {
    "ishigami": (ishigami, np.array([0.3139, 0.4424, 0.0]), np.array([0.5576, 0.4424, 0.2437])),
    "g": (sobol_g, *of_g()),
}


def outputs(name: str, seed: int, points: int = POINTS) -> Floats:
    function, first, _ = KNOWN[name]
    each = [[number] for number in range(len(first))]
    return function(design(*matrices(points, len(first), seed), each))


@pytest.mark.parametrize("name", KNOWN)
def test_known_indices_lie_in_their_intervals_and_are_not_off_on_average(name: str) -> None:
    _, *known = KNOWN[name]
    found = [indices(outputs(name, seed), seed) for seed in range(REPEATS)]
    for told, truth in zip(("first", "total"), known, strict=True):
        values = np.stack([getattr(each, told).value for each in found])
        inside = [
            (getattr(each, told).lower <= truth) & (truth <= getattr(each, told).upper) for each in found
        ]
        assert np.mean(inside) >= 0.95  # of a Sobol sequence more than that: its points are spread evenly
        slack = 4 * values.std(axis=0, ddof=1) / np.sqrt(REPEATS) + 5e-5  # what is known to four digits
        assert (
            np.abs(values.mean(axis=0) - truth) < slack + 1 / POINTS
        ).all()  # of a ratio, biased as 1 / points
    assert all(each.together.lower < 1 for each in found)


def test_a_dummy_lies_below_the_floor_in_as_many_studies_as_it_says() -> None:
    repeats, points = 60, 128
    below = []
    for seed in range(repeats):  # points that are independent, for which a bootstrap is made
        u = independent(seed + 1, 2 * points * 3).reshape(2, points, 3)
        told = indices(ishigami(design(*u, [[0]])), seed)
        below.append(float(told.dummy.value) < told.floor)
    assert abs(np.mean(below) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / repeats)


@pytest.mark.parametrize("name", KNOWN)
def test_salib_agrees_on_the_same_sample(name: str) -> None:
    found, factors = outputs(name, 3), len(KNOWN[name][1])
    f_a, f_b, f_ab = found[:, 0], found[:, 1], found[:, 2:]
    problem = {"num_vars": factors, "names": [*map(str, range(factors))], "bounds": [[0, 1]] * factors}
    in_its_order = np.concatenate([f_a[:, None], f_ab, f_b[:, None]], axis=1).ravel()
    told = salib.analyze(problem, in_its_order, calc_second_order=False, seed=1)
    assert total_order(f_a, f_b, f_ab.T) == pytest.approx(told["ST"], abs=1e-12)  # Jansen's, both
    # Its first-order estimator is Saltelli's of 2010: they differ by the error of both.
    assert (np.abs(first_order(f_b, f_ab.T) - told["S1"]) < told["S1_conf"] + 0.02).all()


def test_an_output_far_from_0_has_the_same_indices() -> None:
    near, far = (indices(outputs("g", 1, 128) + shift, 1) for shift in (0.0, 1e4))
    assert far.first.value == pytest.approx(near.first.value, abs=1e-6)
    assert far.total.value == pytest.approx(near.total.value, abs=1e-6)


def test_a_group_is_one_factor() -> None:
    """Of Ishigami's, the first and the third together are all but the second."""
    repeats, known = 16, [0.5576, 0.4424]
    found = [ishigami(design(*matrices(1024, 3, seed), [[0, 2], [1]])).T for seed in range(repeats)]
    slack = 4 * 0.0124 / np.sqrt(repeats)  # the largest SD over 150 seeds
    for told in ([first_order(each[1], each[2:]) for each in found],
                 [total_order(each[0], each[1], each[2:]) for each in found]):  # fmt: skip
        assert np.mean(told, axis=0) == pytest.approx(known, abs=slack)
