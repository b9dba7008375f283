"""Write the example of a centre's own patients: ``python docs/make_own_centre.py``.

They are invented: a virtual trial of 23 patients, at a centre that does a little worse than Chicago, whose
days became dates. It is the first seed's in which one or two die before transplantation, and 4 to 7 in all.
"""

from __future__ import annotations

import csv
import warnings
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

import sim

FILE = Path(__file__).parents[1] / "scenarios" / "patients" / "own_centre.csv"
OPENED, CUT_DAYS = date(2011, 9, 12), 2500
CENTRE = {
    "cohort.patients": 23, "arrivals.window_days": 2191, "arrivals.power": 1.2,
    "follow_up.data_cut_days": CUT_DAYS, "mobilisation.infection.case_fatality": 0.1,
    "aplasia.infection.case_fatality": 0.3, "active_disease.hazard_per_year": 0.25,
}  # fmt: skip
HEADER = (
    "patient no", "date of enrolment", "date of transplant", "engraftment", "discharge", "date of relapse",
    "date of death", "cause of death", "last seen", "age (years)", "sex",
)  # fmt: skip
CAUSES = {"infection": "infection", "toxicity": "toxicity", "lupus": "lupus", "background": "other"}


def rows(seed: int) -> list[list[str]]:
    """Return the table of one virtual trial as such a centre would keep it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one trial is enough
        trial = sim.run("chicago2006", set=CENTRE, replications=1, seed=seed, patients=1)
    visits = np.random.Generator(np.random.PCG64(seed)).integers(5, 150, size=len(trial.patients))
    table = []
    for row, since in zip(trial.patients.to_dict("records"), visits, strict=True):
        dead = row["death_time"] <= CUT_DAYS
        seen = row["death_time"] if dead else max(CUT_DAYS - int(since), row["mobilising_time"])
        times = ("mobilising", "aplasia", "recovering_in_hospital", "home", "relapse")
        dates = [_date(row[f"{name}_time"], seen) for name in times]
        cause = CAUSES[row["death_cause"]] if dead else ""
        last = ["", ""] if dead else [_date(seen, seen)]
        table.append(
            [*dates, _date(row["death_time"], seen), cause, *last[-1:], f"{int(row['age_years'])}",
             "f" if row["female"] else "m"]
        )  # fmt: skip
    return [[str(number), *row] for number, row in enumerate(sorted(table), 1)]


def _date(day: float, seen: float) -> str:
    """Return a day of the trial as a date, if it was seen."""
    return "" if pd.isna(day) or day > seen else (OPENED + timedelta(days=int(day))).isoformat()


def main() -> None:
    """Write the table."""
    for seed in count(1):
        table = rows(seed)
        dead = [row for row in table if row[6]]
        if 1 <= sum(not row[2] for row in dead) <= 2 and 4 <= len(dead) <= 7:
            break
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *table])


if __name__ == "__main__":
    main()
