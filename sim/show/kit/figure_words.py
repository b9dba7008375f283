"""What each figure of a run is called, how it is told to who can't see it, and where its data are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one figure."""

    heading: str
    description: str
    """Stands for the picture, after its title."""
    data: tuple[str, ...]
    """Files of the run folder."""
    drawn: str = ""
    """What is added to the description under draws of a posterior."""


FIGURES: dict[str, Words] = {
    "survival": Words(
        "Survival from reinfusion",
        "Two curves fall over the years since reinfusion: overall survival above, disease-free survival "
        "below. Narrow bands are Monte Carlo error, wide bands the range of single trials, diamonds "
        "published figures; under the axis, how many patients of a trial are at risk.",
        ("curves.csv", "endpoints.csv", "figures/survival.csv"),
        "Bands with dashed edges are the posterior's 95%.",
    ),
    "range": Words(
        "Over the range",
        "The answer at each value of the range over which the scenario must be read.",
        ("range.csv", "range_curves.csv"),
        "The posterior's 95% is drawn at each value.",
    ),
    "rooms": Words(
        "Rooms, slots and queues",
        "Curves over the years since opening, one panel for each limited place and each queue: the mean, "
        "the range of virtual clinics, and the course of one of them.",
        ("occupancy.csv",),
    ),
    "calibration": Words(
        "Published and simulated",
        "One row for each published figure: a diamond where it was published, a point with its Monte "
        "Carlo error where the simulation lies, and a bar for the range of single trials.",
        ("endpoints.csv",),
        "Darker bars are the posterior's 95%.",
    ),
    "mortality": Words(
        "Deaths in single trials",
        "Bars show in what share of virtual trials so many patients die, of the treatment and before "
        "reinfusion; the published count is marked.",
        ("figures/mortality.csv", "replications.parquet"),
    ),
    "incidence": Words(
        "What ends remission, and what kills",
        "Stacked areas over the years: above, relapse, no response and death without relapse since "
        "reinfusion; below, deaths by cause since enrolment.",
        ("figures/incidence.csv",),
    ),
    "places": Words(
        "Where the patients are",
        "Stacked areas of the shares of patients in each place: day by day along the treatment, and then "
        "year by year at home in remission, relapsed, with active disease, or dead.",
        ("figures/places.csv",),
    ),
    "trial": Words(
        "What virtual trial 1 would have printed",
        "Step curves of overall and disease-free survival of one trial with their 95% intervals, ticks "
        "where patients are censored, and the numbers at risk under the axis.",
        ("figures/trial.csv", "patients.parquet"),
    ),
    "swimmer": Words(
        "The patients of virtual trial 1",
        "One lane for each patient: on the left day by day through the treatment, on the right year by "
        "year through remission, relapse and death.",
        ("figures/swimmer.csv", "patients.parquet"),
    ),
    "convergence": Words(
        "How the estimates settled",
        "For each main figure, its running estimate over the replications with a 95% band that narrows, "
        "and a line where the target is.",
        ("figures/convergence.csv", "replications.parquet"),
    ),
    "pathway": Words(
        "The pathway",
        "Boxes for the places of a patient joined by arrows in the order of the treatment, each with the "
        "share of the enrolled who reach it and their mean stay; a frame around the places that hold an "
        "isolation room, and the exits by death and at the end of follow-up.",
        ("figures/pathway.csv", "patients.parquet"),
    ),
}  # fmt: skip
"""By the name of their files, in the order of the report."""


def words_of(name: str) -> Words:
    """Return the words of a figure; those of a range over several keys share theirs."""
    return FIGURES.get(name) or FIGURES["range"]


def in_order(names: list[str]) -> list[str]:
    """Return names of figures in the order of the report; unknown ones are left out."""
    known = list(FIGURES)

    def place(name: str) -> int:
        return known.index(name if name in known else "range")

    return sorted((name for name in names if name in known or name.startswith("range_")), key=place)
