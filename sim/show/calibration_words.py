"""A calibration on the terminal: the point, what its figures leave open, and whether that can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sim.scenario.schema import Scenario
from sim.work.results import Results

EXTRAPOLATION = (
    "Without a transplant: these figures extrapolate a hazard over five years. The one when active rests "
    "on one death (B03) over a waiting time that was not reported (P14); the one after relapse is what "
    "the published survival tells of, and holds for patients who relapsed after a transplant. Read them "
    "as a band, never as one figure, and not as what would happen to a patient today."
)

_OTHERS_EXTRAPOLATION = EXTRAPOLATION.replace(
    "on one death (B03) over a waiting time that was not reported (P14)",
    "on the deaths before reinfusion over the waiting time that the scenario assumes",
)

HELD = "held: no prior"
"""In place of an interval: nothing of it is drawn, so its uncertainty is not known."""


def extrapolation_text(scenario: Scenario) -> str:
    """Return the warning of survival without a transplant: what its hazards rest on in this trial."""
    chicago = any("B03" in target.source.split() for target in scenario.target)
    return EXTRAPOLATION if chicago else _OTHERS_EXTRAPOLATION


def calibration_tables(results: Results) -> Iterator[tuple[str, Table]]:
    """Yield the tables of a calibration with their titles."""
    tables, manifest = results.tables, results.manifest
    posterior = manifest["posterior"]
    if "solved" in tables:
        solved = _table(("", "solved", "unit"))
        for row in _rows(tables["solved"]):
            unit = "" if row.unit != row.unit else row.unit
            solved.add_row(row.key, f"{row.value:.6g}", unit)
        yield "The point: the exact twin meets every target here", solved
        notes = (
            f"Rank {manifest['rank']} of {len(manifest['solved'])}, condition number "
            f"{manifest['condition']:.3g}."
        )
        equations = _table(("", "target", "target less twin", "source"), notes)
        for row in _rows(tables["residuals"]):
            equations.add_row(row.label, f"{row.target:.6g}", f"{row.residual:.1g}", row.source)
        yield "Equations", equations
    if posterior is None:
        return
    yield "What the trial leaves open: parameters", _parameters(tables["parameters"], posterior)
    yield "What the trial leaves open: answers", _answers(tables["answers"], results.scenario)
    yield "What the trial's estimates can tell", _estimates(tables["estimates"])
    if "alternatives" in tables:
        yield "Other ways to see the trial", _alternatives(tables["alternatives"], tables["moved"])
    if "simulation_alone" in tables:
        kept, trials = posterior["kept_by_simulation_alone"], manifest["plan"]["trials"]
        yield f"By simulation alone: {kept:,} of {trials:,} trials kept", _alone(tables["simulation_alone"])
    if "coverage" in tables:
        left = posterior["coverage_trials"] - posterior["coverage_left_out"]
        yield f"Coverage in {left} virtual trials", _coverage(tables["coverage"])


def _table(headings: tuple[str, ...], notes: str = "") -> Table:
    table = Table(
        caption=Text(f"\n{notes}") if notes else None, caption_justify="left", box=box.SIMPLE_HEAD,
        show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    return table


def _rows(table: pd.DataFrame) -> Any:
    return table.itertuples(index=False)


def _between(row: Any, prefix: str = "") -> str:
    return f"{getattr(row, f'{prefix}lower'):.3g} to {getattr(row, f'{prefix}upper'):.3g}"


def _parameters(parameters: pd.DataFrame, sought: Mapping[str, Any]) -> Table:
    notes = (
        f"{sought['points']:,} points of {sought['virtual_trials'] // sought['points']} virtual trials each; "
        f"effective sample size {sought['effective_size']:,.0f}, largest weight "
        f"{sought['largest_weight']:.2%}. Limits hold 95%. "
        "Mean with its Monte Carlo standard error. Variance left: share of the prior's variance, on the "
        "scale of normal scores, that the figures leave; near 1 they tell nothing."
    )
    headings = ("", "point", "prior", "posterior", "mean (error)", "variance left")
    table = _table(headings, notes)
    for row in _rows(parameters):
        table.add_row(
            row.key, f"{row.point:.3g}", _between(row, "prior_"), _between(row),
            f"{row.mean:.3g} ({row.mc_se:.1g})", f"{row.variance_left:.2f}",
        )  # fmt: skip
    return table


def _answers(answers: pd.DataFrame, scenario: Scenario) -> Table:
    table = _table(("", "posterior mean (error)", "95%", "SD"), extrapolation_text(scenario))
    for row in _rows(answers):
        unit = f" {row.unit}" if row.unit else ""
        table.add_row(
            row.label, f"{row.mean:.3g} ({row.mc_se:.1g}){unit}",
            _between(row) if row.lower < row.upper else HELD, f"{row.sd:.2g}",
        )  # fmt: skip
    return table


def _estimates(estimates: pd.DataFrame) -> Table:
    notes = (
        "SD of one trial: of what such trials report at the point (error: Monte Carlo). As if: the fully "
        "followed patients whose share has this SD. Undefined: nobody is at risk any more in so many "
        "trials."
    )
    table = _table(("", "reported", "SD of one trial", "as if", "undefined", "posterior SD"), notes)
    for row in _rows(estimates):
        table.add_row(
            row.label, f"{row.target:.3g} of {row.n}", f"{row.trial_sd:.3f} ({row.trial_sd_mc_se:.1g})",
            f"{row.as_if_n:.0f}", f"{row.undefined:.1%}", f"{row.posterior_sd:.3f}",
        )  # fmt: skip
    return table


def _alternatives(alternatives: pd.DataFrame, moved: pd.DataFrame) -> Table:
    shown = [name for name in dict.fromkeys(moved["answer"]) if "no_transplant_" not in name]
    labels = moved.drop_duplicates("answer").set_index("answer")["label"]
    notes = (
        "Weight: posterior probability, all being as likely beforehand (error: Monte Carlo). The other "
        "columns: posterior means; in brackets, by how many posterior SDs the answer moves."
    )
    table = _table(("", "weight", *(labels[name] for name in shown)), notes)
    for row in _rows(alternatives):
        own = moved[moved["name"] == row.name].set_index("answer")
        cells = [f"{own['mean'][name]:.3g} ({own['moved_sd'][name]:+.1f})" for name in shown]
        table.add_row(row.title, f"{row.posterior_weight:.2f} ({row.mc_se:.1g})", *cells)
    return table


def _alone(alone: pd.DataFrame) -> Table:
    notes = "z: difference over its Monte Carlo standard error."
    table = _table(("", "mean", "by simulation", "z", "SD", "by simulation", "z"), notes)
    for row in _rows(alone):
        table.add_row(
            row.figure, f"{row.mean:.3g}", f"{row.alone_mean:.3g}", f"{row.z_mean:+.1f}",
            f"{row.sd:.2g}", f"{row.alone_sd:.2g}", f"{row.z_sd:+.1f}",
        )  # fmt: skip
    return table


def _coverage(coverage: pd.DataFrame) -> Table:
    notes = (
        "Share of 90% intervals that hold the truth, with its exact 95% interval; p of a chi-squared test "
        "that ranks are uniform. Binomial: the negative control, which takes estimates for shares of all "
        "reinfused patients, and fails where many were not followed for so long, given enough trials."
    )
    table = _table(("", "likelihood", "covered", "95% interval", "as said", "uniform, p"), notes)
    for row in _rows(coverage):
        table.add_row(
            row.quantity, row.method, f"{row.covered:.0%}", f"{row.lower:.0%} to {row.upper:.0%}",
            "yes" if row.as_said else "NO", f"{row.uniform_p:.2g}",
        )  # fmt: skip
    return table
