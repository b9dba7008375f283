"""The exact twin: expectations of the endpoints without simulation, where no queue binds.

Durations are independent, deaths are latent times of which the earliest wins, and hazards are constant in
pieces, so every endpoint is an integral over the time to reinfusion, the length of aplasia and the
time since. Age and sex enter only through background survival B, a smooth function of the time since
enrolment (`sim.outcomes.background_survival`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.outcomes.after_reinfusion import Course
from sim.outcomes.background_survival import MAX_YEARS, background_survival
from sim.outcomes.endpoints import TREATMENT_DAYS
from sim.outcomes.follow_up import mean_follow_up
from sim.outcomes.interpolation import Piecewise, panel_points
from sim.outcomes.quadrature import Law, compress_between, double_exponential, fixed_value, law_of, on_panels
from sim.outcomes.time_to_reinfusion import (
    Branches,
    Pathway,
    apheresis,
    harvest_law,
    mobilisation_law,
    reinfusion_law,
    reinfusion_law_without_harvest,
    request_law,
)
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, read_times
from sim.scenario.problems import RequestError
from sim.scenario.schema import DAYS_PER_YEAR, Scenario
