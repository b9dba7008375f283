"""Every parameter, declared once: type, range, default, unit, meaning and source.

Schema, command-line help, documents and reports derive from this module. The defaults are the protocol of
the Chicago trial as far as it was reported; ids such as B06 are rows of ``data/evidence.csv``. The
numbers that only calibration can give have no default: a scenario states or inherits them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from sim.scenario.capacities import MAX_PLACES, steps_problem
from sim.scenario.distributions import Distribution, Fixed, Lognormal, Table
from sim.scenario.priors import Alternative, Prior

DAYS_PER_YEAR = 365.25


def _steps(value: Any) -> Any:
    """Make pairs of lists, so that they can't be changed; what is wrong with them is said in words."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("no list")
    if problem := steps_problem(value):
        raise ValueError(problem)
    return tuple((float(day), count) for day, count in value)


_Steps = Annotated[
    tuple[tuple[float, int], ...],
    BeforeValidator(_steps, json_schema_input_type=list[tuple[float, int]]),
    PlainSerializer(lambda steps: [list(step) for step in steps], return_type=list[list[float | int]]),
]
Capacity: TypeAlias = Literal["unlimited"] | Annotated[int, Field(ge=1, le=MAX_PLACES)] | _Steps
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Hazard: TypeAlias = Annotated[float, Field(ge=0, le=1e9)]
Multiple: TypeAlias = Annotated[float, Field(ge=0, le=1e6)]
Days: TypeAlias = Annotated[float, Field(ge=0, le=1e6)]


def _parameter(
    default: Any,
    meaning: str,
    unit: str,
    source: str,
    plausible: tuple[float, float, str] | None = None,
    also: str = "",
) -> Any:
    """Declare a parameter with its default, meaning, unit and source.

    `plausible` is a range in which it may lie as far as was published: low, high, and by whom; no other.
    `also` is what it may be besides numbers, words and distributions.
    """
    extra: dict[str, Any] = {"unit": unit, "source": source}
    if also:
        extra["also"] = also
    if plausible is not None:
        extra["plausible"] = list(plausible)
    return Field(default, description=meaning, json_schema_extra=extra)


def _solved(meaning: str, unit: str) -> Any:
    """Declare a parameter without a default, because only calibration can give it."""
    return Field(description=meaning, json_schema_extra={"unit": unit, "source": "no default: calibrated"})


# A table: each parameter with what it may be, then its default, meaning, unit and source.
# fmt: off


class Cohort(Table):
    """Who is treated, and where their story begins."""

    patients: Annotated[int, Field(ge=1, le=10_000_000)] = _parameter(
        50, "patients enrolled in a trial; not used with Poisson arrivals", "patients", "B01")
    enters_at: Literal["mobilisation", "immunoablation", "home"] = _parameter(
        "mobilisation", "where patients enter: home means never transplanted", "", "B01")
    age_years: Distribution = _parameter(
        Lognormal(dist="lognormal", median=29, sigma=0.30, low=9, high=52), "age at enrolment", "years",
        "assumption (J02: Chicago's ages were not found; the range 9-52 gives sigma and the bounds)")
    female: Share = _parameter(0.83, "share of women", "", "assumption (J02: Chicago's share was not found)",
        (0.70, 0.92, "J02: exact 95% of 44 of 53"))


class TrialArrivals(Table):
    """A fixed cohort: each patient's own uniform u enrols at window x u^(1/power)."""

    pattern: Literal["trial"] = _parameter("trial", "how patients arrive", "", "B01")
    window_days: Days = _parameter(2861.0, "length of the enrolment window", "days", "B01")
    power: Annotated[float, Field(gt=0, le=1000)] = _parameter(
        1.0, "1 is even accrual, more is later accrual; solved from the mean follow-up", "", "B17")


class PoissonArrivals(Table):
    """An open clinic: patients arrive one by one, at independent exponential gaps."""

    pattern: Literal["poisson"] = _parameter("poisson", "how patients arrive", "", "assumption")
    per_year: Annotated[float, Field(gt=0, le=1e6)] = _parameter(80.0, "arrivals", "per year", "assumption")
    years: Annotated[float, Field(gt=0, le=100)] = _parameter(
        3.0, "time over which arrivals are counted, after the warm-up", "years", "assumption")
    warm_up_days: Days = _parameter(
        0.0, "arrivals in this time fill the clinic and are not counted", "days", "assumption")


class FollowUp(Table):
    """How long patients are watched, and when the trial's data are cut."""

    horizon_years: Annotated[float, Field(gt=0, le=100)] = _parameter(
        5.0, "time after reinfusion (after enrolment if never reinfused)", "years", "B10 B11")
    data_cut_days: Literal["none"] | Annotated[float, Field(gt=0, le=1e6)] = _parameter(
        3105.0, "day of the data cut, from study opening", "days", "assumption (B17: 6 to 90 months)")


_FROM_DAYS_ON = "numbers from days on, [[0, 4], [365, 6]]"


class ClinicTable(Table):
    """Scarce resources."""

    apheresis_slots: Capacity = _parameter(
        "unlimited", "apheresis machines, one for all sessions of a patient", "slots", "assumption",
        also=_FROM_DAYS_ON)
    isolation_rooms: Capacity = _parameter(
        "unlimited", "isolation rooms", "rooms", "assumption", also=_FROM_DAYS_ON)
    room_turnaround_days: Distribution = _parameter(
        Fixed(value=1), "cleaning of a room between two patients", "days", "assumption")


class Transplant(Table):
    """When to transplant: the wait that was decided on, and how the disease is until then."""

    delay_days: Distribution = _parameter(
        Fixed(value=0), "enrolment, the decision, to the start of mobilisation", "days", "assumption")
    waiting_multiplier: Multiple = _parameter(
        1.0, "hazard of lupus death in that delay, and for life at home / when active otherwise", "",
        "assumption")

    @property
    def delayed(self) -> bool:
        """Whether anybody waits for a day that was decided on."""
        return not (isinstance(self.delay_days, Fixed) and self.delay_days.value == 0)


class MobilisationInfection(Table):
    """Infection while the blood counts are low after the mobilising chemotherapy."""

    hazard_per_day: Hazard = _parameter(
        0.0628286, "infection hazard; 2 of 9 within 4 days", "per day", "B30; the 4 days are an assumption",
        (0.0071, 0.229, "B30: exact 95% of 2 of 9, over 4 days"))
    window_days: Days = _parameter(4.0, "last days of mobilisation at risk", "days", "assumption")
    case_fatality: Share = _solved("share of mobilisation infections that kill", "")
    days_to_death: Days = _parameter(7.0, "onset to death of a fatal infection", "days", "assumption")


class Mobilisation(Table):
    """Cyclophosphamide and growth factor until the stem cells are in the blood."""

    duration_days: Distribution = _parameter(
        Lognormal(dist="lognormal", mean=11, sd=1.5), "chemotherapy to first apheresis", "days",
        "P09; sd: assumption")
    infection: MobilisationInfection


class Marrow(Table):
    """Marrow harvest, when the blood gave too few cells."""

    days: Days = _parameter(1.0, "added by a marrow harvest", "days", "assumption")
    failure: Share = _parameter(0.2, "share of marrow harvests that fail: withdrawn", "", "P04 P05",
        (0.005, 0.716, "P04 P05: exact 95% of 1 of 5"))


class Harvest(Table):
    """Apheresis, one session a day, until the target before selection."""

    yield_million_per_kg: Distribution = _parameter(
        Lognormal(dist="lognormal", mean=3.93, sd=4.48), "CD34+ cells of one apheresis", "million/kg", "P02")
    target_million_per_kg: Annotated[float, Field(ge=0, le=1e6)] = _parameter(
        5.59, "CD34+ cells to collect before selection", "million/kg", "P01; tuned to its 2.4 sessions")
    max_sessions: Annotated[int, Field(ge=1, le=30)] = _parameter(
        4, "sessions before marrow is harvested", "sessions", "P11")
    selection_recovery: Share = _parameter(0.612, "share of CD34+ cells left by the selection", "", "P03")
    duration_days: Literal["by_sessions"] | Distribution = _parameter(
        "by_sessions", "stay at the slot: one day a session, or a duration in their stead", "days", "P01")
    marrow: Marrow = Marrow()


class Postponement(Table):
    """A transplant put off."""

    probability: Share = _parameter(0.05, "share postponed without an infection", "", "assumption (B03)")
    after_infection: Share = _parameter(1.0, "share postponed after a mobilisation infection", "", "B30")
    duration_days: Distribution = _parameter(
        Lognormal(dist="lognormal", mean=60, sd=60), "length of a postponement", "days", "assumption (B03)")


class Recovery(Table):
    """From harvest until fit for the high-dose treatment."""

    duration_days: Distribution = _parameter(
        Lognormal(dist="lognormal", mean=28, sd=14), "harvest to readiness", "days",
        "assumption (P14: not found)")
    postponement: Postponement = Postponement()


class ActiveDisease(Table):
    """Lupus that is active."""

    hazard_per_year: Hazard = _solved("death from lupus, from enrolment until engraftment", "per year")


class Immunoablation(Table):
    """High-dose chemotherapy in the isolation room."""

    duration_days: Distribution = _parameter(Fixed(value=5), "start to reinfusion", "days", "B06 P10")
    toxicity_per_day: Hazard = _parameter(
        3.571e-5, "death from toxicity, from its start to engraftment", "per day", "assumption (B38 P26)",
        (0.0, 5.2e-4, "P26: none of 507 died of toxicity, exact 95%, over 14 days"))


class AplasiaInfection(Table):
    """Infection between reinfusion and engraftment."""

    hazard_per_day: Hazard = _parameter(0.0087, "infection hazard in isolation", "per day", "P24",
        (0.0087, 0.0155, "P24: after own and after foreign cells"))
    ward_relative_risk: Multiple = _parameter(
        1.0, "infection risk on this ward relative to isolation", "",
        "assumption (isolation is the reference)",
        (0.55, 2.0, "95% ends, of deaths: I02 0.55; I01 0.50 the other way round"))
    case_fatality: Share = _solved(
        "share of infections after reinfusion that kill: in aplasia, and of the later ones too", "")
    days_to_death: Days = _parameter(7.0, "onset to death of a fatal infection", "days", "assumption")
    duration_days: Distribution = _parameter(
        Lognormal(dist="lognormal", mean=10, sd=5), "length of an infection survived", "days", "assumption")


class Aplasia(Table):
    """From reinfusion to engraftment."""

    duration_days: Distribution = _parameter(
        Lognormal(dist="lognormal", mean=9, sd=1.1), "reinfusion to engraftment", "days",
        "B31 P07; sd: assumption")
    discharge_delay_days: Distribution = _parameter(
        Lognormal(dist="lognormal", mean=3, sd=1), "engraftment to discharge", "days", "assumption")
    infection: AplasiaInfection


class LateInfection(Table):
    """Infection between engraftment and day 100; later ones are background."""

    hazard_per_day: Hazard = _parameter(
        0.00017, "infection hazard", "per day", "P17 P18",
        (3.7e-5, 5.2e-4, "P17: exact 95% of 3 of 107, of which P18: 54% infections, over 84 days"))
    until_day: Days = _parameter(
        93.0, "last day at risk after reinfusion: a fatal one dies by day 100", "days", "P17 P18")


class Response(Table):
    """Whether the transplant brings remission."""

    non_response: Share = _parameter(0.0, "share whose disease stays active for life", "", "assumption")
    assessed_at_days: Days = _parameter(
        182.625, "when non-response ends disease-free survival, after reinfusion", "days", "B14")


class Relapse(Table):
    """Return of lupus after remission."""

    dist: Literal["weibull", "log_logistic"] = _parameter(
        "weibull", "family of the time to relapse", "", "assumption (B37 J10 J11 V30-V35)")
    shape: Annotated[float, Field(gt=0, le=100)] = _parameter(
        0.60, "below 1: most relapses come early", "", "assumption (B37 J10 J11 V30-V35)")
    scale_years: Annotated[float, Field(gt=0, le=1e9)] = _solved("time scale after the start day", "years")
    start_day: Days = _parameter(
        60.0, "no relapse before this day after reinfusion", "days", "assumption (B37 J11)")


class AfterRelapse(Table):
    """Lupus that has come back."""

    multiplier: Multiple = _solved("hazard of lupus death after relapse / when active before", "")
    remission_per_year: Hazard = _parameter(
        0.0, "lasting remission after relapse: lupus kills no more, but the relapse stays one", "per year",
        "assumption")


class ExtraHazard(Table):
    """Further background mortality by disease status."""

    remission: Hazard = _parameter(0.0, "added in remission", "per year", "assumption")
    relapsed: Hazard = _parameter(0.0, "added after relapse", "per year", "assumption")


LAST_AGES = range(95, 131)
"""At one of which a life table of one's own ends; what it says there holds for all later years."""


def _chances(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_Chances = Annotated[
    tuple[Share, ...],
    Field(min_length=LAST_AGES[0] + 1, max_length=LAST_AGES[-1] + 1),
    BeforeValidator(_chances, json_schema_input_type=list[float]),
    PlainSerializer(list, return_type=list[float]),
]


class LifeTable(Table):
    """Probabilities of death within the year by sex and completed year of age, as a file gave them."""

    name: str = Field(description="name of the file")
    sha256: str = Field(description="SHA-256 of the file")
    male: _Chances = Field(description="of boys and men from age 0 on")
    female: _Chances = Field(description="of girls and women")

    @model_validator(mode="after")
    def _as_long(self) -> LifeTable:
        if len(self.male) != len(self.female):
            raise ValueError("men and women end at different ages")
        return self


class Background(Table):
    """Deaths from other causes."""

    life_table: Literal["us_2013", "none"] | LifeTable = _parameter(
        "us_2013", "death within the year by age and sex", "", "US life table 2013 (NCHS)",
        also="the path of a CSV file (age,male,female) with your own country's")
    standardised_mortality_ratio: Multiple = _parameter(
        2.4, "background mortality of lupus patients / of the population", "", "M01",
        (2.3, 2.5, "M01: 95%"))
    extra_per_year: ExtraHazard = ExtraHazard()


class Target(Table):
    """A published figure that the scenario answers to."""

    endpoint: str = Field(description="name of an endpoint")
    time_years: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="time at which it is read, for endpoints that have one")
    value: Annotated[float, Field(ge=0)] = Field(description="the figure; rates as fractions")
    n: Annotated[int, Field(ge=1)] | None = Field(
        None, description="patients behind a published count; left out for an assumed figure")
    observed: Annotated[int, Field(ge=0)] | None = Field(
        None, description="what was counted in n patients, where the value solved for is not that share")
    fitted: bool = Field(True, description="whether calibration solves for it; false: only compared with")
    source: str = Field(description="evidence ids, or assumption")


class ShownRange(Table):
    """Values of one parameter over which every answer of the scenario is shown, because one would mislead."""

    key: str = Field(description="the parameter")
    values: Annotated[list[float], Field(min_length=2)] = Field(description="the values, in order")
    source: str = Field(description="evidence ids, or assumption")


# fmt: on

LISTED: dict[str, type[Table]] = {
    "target": Target,
    "range": ShownRange,
    "prior": Prior,
    "alternative": Alternative,
}
"""Tables of which a file may have several, by the name in double brackets."""


class Calibration(Table):
    """What `lupus-hsct calibrate` solves for."""

    solve: list[str] = Field(default_factory=list, description="parameters solved from the targets")
    tolerance: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.02, description="how near a virtual trial must come to a survival estimate to count as this trial"
    )


class Scenario(Table):
    """A whole scenario."""

    kind: Literal["scenario"] = "scenario"
    title: str = Field(description="one line for tables and figures")
    purpose: str = Field("", description="what question it answers")
    caution: str = Field("", description="what a reader has to know before using any figure of it")
    # No file says these two: what is another than where the title, and the targets, were stated.
    changed: list[str] | None = None
    what_if: bool | None = None
    sources: dict[str, str] = Field(
        default_factory=dict, description="parameter = where this file's value comes from"
    )
    cohort: Cohort = Cohort()
    arrivals: Annotated[TrialArrivals | PoissonArrivals, Field(discriminator="pattern")] = TrialArrivals()
    follow_up: FollowUp = FollowUp()
    clinic: ClinicTable = ClinicTable()
    transplant: Transplant = Transplant()
    mobilisation: Mobilisation
    harvest: Harvest = Harvest()
    recovery: Recovery = Recovery()
    active_disease: ActiveDisease
    immunoablation: Immunoablation = Immunoablation()
    aplasia: Aplasia
    late_infection: LateInfection = LateInfection()
    response: Response = Response()
    relapse: Relapse
    after_relapse: AfterRelapse
    background: Background = Background()
    target: list[Target] = Field(default_factory=list)
    range: list[ShownRange] = Field(default_factory=list)
    prior: list[Prior] = Field(default_factory=list)
    alternative: list[Alternative] = Field(default_factory=list)
    calibration: Calibration = Calibration()

    @property
    def fitted_targets(self) -> list[Target]:
        """The targets that calibration solves for."""
        return [target for target in self.target if target.fitted]

    @property
    def shown_targets(self) -> list[Target]:
        """The targets that figures are shown beside: a what-if neither meets nor misses any."""
        return [] if self.what_if else self.target

    @model_validator(mode="after")
    def _no_delay_at_home(self) -> Scenario:
        if self.transplant.delayed and self.cohort.enters_at == "home":
            raise ValueError(
                'transplant.delay_days is a delay, but cohort.enters_at is "home", where nobody is ever '
                'transplanted: set transplant.delay_days = 0, or cohort.enters_at = "mobilisation"'
            )
        return self

    @model_validator(mode="after")
    def _cut_after_enrolment(self) -> Scenario:
        cut, arrivals = self.follow_up.data_cut_days, self.arrivals
        if cut != "none" and isinstance(arrivals, TrialArrivals) and cut < arrivals.window_days:
            raise ValueError(
                f"follow_up.data_cut_days is {cut:g}, before enrolment ends (arrivals.window_days is "
                f'{arrivals.window_days:g}): cut the data later, or write data_cut_days = "none"'
            )
        return self
