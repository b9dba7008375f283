"""What is told of the worth of a further trial before an arm is chosen."""

from __future__ import annotations

import pandas as pd

from sim.show.kit.prose import sentences
from sim.show.worth import agrees, told, worth_text
from sim.study.trial_value import TRIAL
from sim.work.results import Results


def trials(results: Results) -> pd.DataFrame:
    """Return the rows of ``value.csv`` that are of trials, the smallest first."""
    rows = results.tables["value"]
    return rows[rows["what"] == TRIAL].sort_values("patients")


def perfect(results: Results) -> float:
    """Return what it is worth to know all that is drawn."""
    rows = results.tables["value"]
    return float(rows.loc[rows["what"] == "evpi", "value"].iloc[0])


def found_sentences(results: Results) -> list[str]:
    """Say what the largest trial is worth, and how much of what there is to know; nothing without one."""
    if trials(results).empty or agrees(results):
        return []
    last = trials(results).iloc[-1].to_dict()
    part = f"{100 * last['value'] / perfect(results):.0f}%" if last["lower"] > 0 else ""
    unit = told(results)["unit_text"]
    return sentences("power", "worth", f"{last['patients']:,.0f}", unit, worth_text(last), part)
