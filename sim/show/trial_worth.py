"""What is told of the worth of a further trial before an arm is chosen."""

from __future__ import annotations

import math

import pandas as pd

from sim.show.kit.formats import decimals, interval_texts
from sim.show.kit.prose import one_sentence
from sim.show.worth import told
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


def finding(results: Results) -> str:
    """Say what the largest trial is worth, and how much of what there is to be known."""
    last, most = trials(results).iloc[-1], perfect(results)
    half = (last["upper"] - last["lower"]) / 2
    texts = interval_texts(last["value"], last["lower"], last["upper"], decimals(half))
    part = f"{100 * last['value'] / most:.0f}%" if most > 0 and last["lower"] > 0 else ""
    step = 10.0 ** math.floor(math.log10(last["upper"] or 1.0))
    above = f"{step * math.ceil(last['upper'] / step - 1e-9):g}"  # no bound is rounded down
    return one_sentence(
        "power",
        "worth",
        f"{last['patients']:,.0f}",
        told(results)["unit_text"],
        texts,
        part,
        last["lower"] > 0,
        above,
    )
