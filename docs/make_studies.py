"""Make results/reference/studies again, which docs show: ``python docs/make_studies.py [STUDY]...``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import sim
from sim.scenario.shipped import shipped_names

KEPT = Path(__file__).parents[1] / "results" / "reference" / "studies"
FILES = (
    "study.toml",
    "wide.csv",
    "thresholds.csv",
    "tornado.csv",
    "left_out.csv",
    "capacity.csv",
    "smallest.csv",
    "explained.csv",
    "interactions.csv",
    "indices.csv",
    "held.csv",
    "probability.csv",
    "value.csv",
    "power.csv",
)


def make(name: str) -> None:
    """Do one shipped study, and keep its pictures and what a spreadsheet reads."""
    with TemporaryDirectory() as aside:
        done = sim.study(name, out=Path(aside) / name, figures="png", workers=None).folder or Path(aside)
        shutil.rmtree(KEPT / name, ignore_errors=True)
        (KEPT / name).mkdir(parents=True)
        for each in [*(done / file for file in FILES), *(done / "figures").glob("*.png")]:
            if each.is_file():
                shutil.copy(each, KEPT / name / each.name)


if __name__ == "__main__":
    for study in sys.argv[1:] or shipped_names("study"):
        print(study)
        make(study)
