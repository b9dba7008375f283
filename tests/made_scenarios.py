"""Scenarios of all kinds, made by hypothesis: distributions, capacities, rates, ties and extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

Overrides = dict[str, Any]


def days(most: float) -> st.SearchStrategy[Any]:
    """Durations of every family; whole days often, so that many things happen at once."""
    mean = st.floats(0.1, most)
    return st.one_of(
        st.integers(0, int(most)),
        st.builds(lambda m: {"dist": "exponential", "mean": m}, mean),
        st.builds(lambda m, cv: {"dist": "lognormal", "mean": m, "sd": m * cv}, mean, st.floats(0, 2)),
        st.builds(lambda m, cv: {"dist": "gamma", "mean": m, "sd": m * cv}, mean, st.floats(0.3, 2)),
        st.builds(lambda s, m: {"dist": "weibull", "shape": s, "scale": m}, st.floats(0.5, 3), mean),
        st.builds(lambda m: {"dist": "gamma", "mean": m, "sd": m, "low": m / 2, "high": m * 2}, mean),
        st.builds(
            lambda values: {"dist": "empirical", "values": values},
            st.lists(st.one_of(st.integers(0, int(most)), st.floats(0, most)), min_size=1, max_size=12),
        ),
    )


def hazard(most: float) -> st.SearchStrategy[float]:
    return st.one_of(st.just(0.0), st.floats(most / 100, most))


share = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
_later = st.lists(
    st.tuples(st.integers(1, 900), st.integers(0, 4)), max_size=3, unique_by=lambda step: step[0]
)
changing = st.builds(
    lambda first, later, last: [[0, first], *map(list, sorted(later)), [1000, last]],
    st.integers(0, 3), _later, st.integers(1, 3),
)  # fmt: skip
capacity = st.one_of(st.just("unlimited"), st.integers(1, 3), changing)
_TRIAL = {
    "arrivals.window_days": st.sampled_from([0, 30, 400, 2000]), "arrivals.power": st.floats(0.2, 5),
    "cohort.patients": st.integers(1, 30),
}  # fmt: skip
_POISSON = {
    "arrivals.pattern": st.just("poisson"), "arrivals.per_year": st.floats(1, 60),
    "arrivals.years": st.floats(0.1, 1), "arrivals.warm_up_days": st.sampled_from([0, 100]),
}  # fmt: skip
_PATHWAYS = {
    "transplant.waiting_multiplier": st.one_of(st.just(0.0), st.just(1.0), st.floats(0.1, 5)),
    "follow_up.horizon_years": st.sampled_from([0.02, 1, 5]),
    "follow_up.data_cut_days": st.sampled_from(["none", 2000, 4000]),
    "clinic.room_turnaround_days": days(3),
    "mobilisation.duration_days": days(12),
    "mobilisation.infection.hazard_per_day": hazard(0.3),
    "mobilisation.infection.case_fatality": share,
    "harvest.target_million_per_kg": st.floats(0, 20),
    "harvest.duration_days": st.one_of(st.just("by_sessions"), days(4)),
    "harvest.marrow.failure": share,
    "recovery.duration_days": days(40),
    "recovery.postponement.probability": share,
    "recovery.postponement.duration_days": days(60),
    "active_disease.hazard_per_year": hazard(3),
    "immunoablation.duration_days": days(6),
    "immunoablation.toxicity_per_day": hazard(0.02),
    "aplasia.duration_days": days(12),
    "aplasia.discharge_delay_days": days(4),
    "aplasia.infection.hazard_per_day": hazard(0.1),
    "aplasia.infection.ward_relative_risk": st.floats(0, 3),
    "aplasia.infection.case_fatality": share,
    "aplasia.infection.duration_days": days(20),
    "late_infection.hazard_per_day": hazard(0.01),
    "response.non_response": share,
    "relapse.dist": st.sampled_from(["weibull", "log_logistic"]),
    "relapse.shape": st.floats(0.3, 3),
    "relapse.scale_years": st.floats(0.05, 10),
    "relapse.start_day": st.sampled_from([0, 60]),
    "after_relapse.multiplier": st.one_of(st.just(0.0), st.floats(0.1, 5)),
    "after_relapse.remission_per_year": hazard(2),
    "background.life_table": st.sampled_from(["us_2013", "none"]),
    "background.standardised_mortality_ratio": st.floats(0, 50),
    "background.extra_per_year.remission": hazard(0.5),
    "background.extra_per_year.relapsed": hazard(0.5),
}
_CAPACITIES = {"clinic.isolation_rooms": capacity, "clinic.apheresis_slots": capacity}
_TREATED = {
    "cohort.enters_at": st.sampled_from(["mobilisation", "mobilisation", "immunoablation"]),
    "transplant.delay_days": st.one_of(st.just(0), days(400)),
}  # fmt: skip
_AT_HOME = {"cohort.enters_at": st.just("home")}
TRIED = frozenset({*_TRIAL, *_POISSON, *_PATHWAYS, *_TREATED, *_CAPACITIES})
"""Keys of the parameters that are drawn."""

trial, poisson = st.fixed_dictionaries(_TRIAL), st.fixed_dictionaries(_POISSON)
entrances = st.sampled_from([_TREATED] * 3 + [_AT_HOME]).flatmap(st.fixed_dictionaries)
capacities = st.fixed_dictionaries(_CAPACITIES)


def layered(*layers: st.SearchStrategy[Overrides]) -> st.SearchStrategy[Overrides]:
    return st.tuples(*layers).map(lambda parts: {key: part[key] for part in parts for key in part})


pathways = layered(entrances, st.fixed_dictionaries(_PATHWAYS))
anything = layered(pathways, st.one_of(trial, poisson), capacities)
without_queues = layered(pathways, trial)


def law(scenarios: st.SearchStrategy[Overrides], examples: int = 40) -> Callable[[Any], Any]:
    """Check a law on many scenarios and seeds, always the same ones."""
    drawn = given(scenarios, st.integers(0, 2**32))
    return lambda test: settings(deadline=None, max_examples=examples, derandomize=True)(drawn(test))


# Everything at once: the same arrival, whole days, few places.
ties = layered(
    pathways,
    st.fixed_dictionaries(
        {
            "arrivals.window_days": st.just(0),
            "cohort.patients": st.integers(2, 40),
            "mobilisation.duration_days": st.integers(0, 2),
            "harvest.duration_days": st.one_of(st.just("by_sessions"), st.integers(0, 2)),
            "recovery.duration_days": st.integers(0, 2),
            "recovery.postponement.duration_days": st.integers(0, 2),
            "immunoablation.duration_days": st.integers(0, 2),
            "aplasia.duration_days": st.integers(0, 2),
            "aplasia.discharge_delay_days": st.integers(0, 2),
            "clinic.room_turnaround_days": st.integers(0, 1),
        }
    ),
    capacities,
)
