"""The tables of a calibration: the point, what its figures leave open, and whether that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from sim.scenario.endpoints import BY_NAME
from sim.scenario.evidence import all_evidence, ids_in, origin
from sim.scenario.priors import AS_IT_IS
from sim.scenario.registry import unit_of
from sim.show.calibration_card import target_facts
from sim.show.calibration_shown import Shown, parts_text, records, short_name, signed, written
from sim.show.calibration_words import extrapolation_text
from sim.show.kit.formats import format_value
from sim.show.kit.grid import Cells, Column, Grid, Told, number, numbers
from sim.show.kit.prose import sentences
from sim.work.results import Results

HELD = "held: no prior"
"""In place of an interval: nothing of it is drawn, so its uncertainty is not known."""
_KINDS = {"trial": "a figure of the trial", "hazard": "a hazard", "extrapolation": "an extrapolation"}
_METHODS = {"simulated": "this method", "binomial": "negative control"}
_Row: TypeAlias = Mapping[str, Any]
_Columns: TypeAlias = tuple[Told[_Row], ...]
_Notes: TypeAlias = Callable[[Shown, _Row], list[str]]


def grids(results: Results) -> dict[str, Grid]:
    """Return the tables that there are, by the names of their files, in the order of the story."""
    shown, manifest = Shown.of(results), results.manifest
    return {
        name: Grid.of(title, _rows(shown, name), columns, notes(shown, manifest), wide=name != "alternatives")
        for name, (title, columns, notes) in _TABLES.items()
        if name in shown.tables
    }


def _rows(shown: Shown, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table that are shown, with what other tables tell of them."""
    rows = records(shown.tables[name])
    if name == "directions":
        return [{**row, "parts": parts_text(row, shown.keys)} for row in rows]
    if name == "moved":
        titles = {row["name"]: row["title"] for row in records(shown.tables["alternatives"])}
        others = (row for row in rows if row["name"] != AS_IT_IS)
        return [{**row, "way": titles.get(row["name"], row["name"])} for row in others]
    return rows


def for_terminal(results: Results) -> Iterator[Grid]:
    """Yield the tables for the terminal; only a page has those of directions and of moved answers."""
    return (grid for name, grid in grids(results).items() if name not in ("directions", "moved"))


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}%"


def _with_error(value: float, error: float) -> str:
    """Write a figure with its Monte Carlo standard error in brackets."""
    return f"{value:.3g} ({error:.1g})"


def targets_published(shown: Shown) -> Grid:
    """Return every target with its exact interval where it is a count."""
    found: list[Cells] = []
    for target in shown.scenario.target:
        facts, endpoint = target_facts(target), BY_NAME[target.endpoint]
        what = origin(target.source)
        use = "fitted" if what == "published" else f"fitted, {what}"
        use = use if target.fitted else "compared only"
        interval = ""
        if facts["lower"] is not None:
            counted = "" if target.observed is None else f" ({target.observed} of {target.n} observed)"
            interval = f"{100 * facts['lower']:.1f} to {100 * facts['upper']:.1f}%{counted}"
        elif endpoint.trial == "kaplan_meier":
            interval = "not published"
        figure, patients = format_value(endpoint, target.value), "" if target.n is None else str(target.n)
        found.append((facts["label"], use, figure, patients, interval, target.source))
    heads = numbers("published", "of patients", "95% interval")
    return Grid("Targets", (Column("figure"), Column("use"), *heads, Column("source")), found)


def evidence_named(shown: Shown) -> list[str]:
    """Return the ids of the published figures that targets and priors name."""
    texts = [target.source for target in shown.scenario.target]
    texts += [prior.source for prior in shown.scenario.prior]
    return sorted({name for text in texts for name in ids_in(text) if name in all_evidence()})


def priors(shown: Shown) -> Grid:
    """Return every free parameter's prior with its source."""
    columns = (*_PARAMETER, (Column("prior"), "prior"), (Column("source"), "source"))
    return Grid.of("Priors", records(shown.tables["parameters"]), columns)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _between(key: str, low: float, high: float) -> str:
    unit = unit_of(key)
    first = written(key, low)
    return f"{first.removesuffix(f' {unit}') if unit else first} to {written(key, high)}"


def _interval(row: _Row) -> str:
    unit = f" {row['unit']}" if _text(row["unit"]) else ""
    return f"{row['lower']:.3g} to {row['upper']:.3g}{unit}" if row["lower"] < row["upper"] else HELD


def _mean(row: _Row) -> str:
    """Write a mean with its error; an extrapolation has none: it is read as a band."""
    return "read as a band" if row["kind"] == "extrapolation" else _with_error(row["mean"], row["mc_se"])


def _alone_name(row: _Row) -> str:
    return short_name(row["figure"]) if "." in row["figure"] else str(row["label"])


def _errors(which: str, error: str) -> Callable[[_Row], str]:
    return lambda row: _with_error(row[which], row[error])


def _of(macro: str, *names: str) -> _Notes:
    """Return what fills a macro with what a manifest says under some names."""
    return lambda _shown, manifest: sentences("calibration", macro, *(manifest[name] for name in names))


def _no_notes(_shown: Shown, _manifest: _Row) -> list[str]:
    return []


_PARAMETER: _Columns = (
    (Column("parameter"), lambda row: short_name(row["key"])),
    (Column("key", code=True), "key"),
)
_TABLES: Mapping[str, tuple[str, _Columns, _Notes]] = {
    "solved": ("The point: the exact twin meets every target here", (
        *_PARAMETER,
        (number("solved"), lambda row: f"{row['value']:.6g}"),
        (Column("unit"), lambda row: _text(row["unit"])),
    ), lambda shown, manifest: sentences(
        "calibration", "point", manifest["rank"], len(shown.tables["solved"]), manifest["condition"]
    )),
    "residuals": ("Equations", (
        (Column("figure"), "label"),
        (number("target"), lambda row: f"{row['target']:.6g}"),
        (number("target less twin"), lambda row: "0" if row["residual"] == 0 else f"{row['residual']:.1g}"),
        (Column("source"), "source"),
    ), _no_notes),
    "parameters": ("What the trial leaves open: parameters", (
        _PARAMETER[0],
        (number("point"), lambda row: written(row["key"], row["point"])),
        (number("prior, 95%"), lambda row: _between(row["key"], row["prior_lower"], row["prior_upper"])),
        (number("posterior, 95%"), lambda row: _between(row["key"], row["lower"], row["upper"])),
        (number("mean (error)"), _errors("mean", "mc_se")),
        (number("left"), lambda row: _percent(row["variance_left"])),
    ), _of("parameters", "posterior")),
    "answers": ("What the trial leaves open: answers", (
        (Column("answer"), "label"),
        (number("posterior, 95%"), _interval),
        (number("mean (error)"), _mean),
        (number("SD"), lambda row: f"{row['sd']:.2g}"),
        (Column("what it is"), lambda row: _KINDS[row["kind"]]),
    ), lambda shown, _manifest: [extrapolation_text(shown.scenario)]),
    "estimates": ("What the trial's estimates can tell", (
        (Column("estimate"), "label"),
        (number("reported"), lambda row: _percent(row["target"])),
        (number("of patients"), "n"),
        (number("SD of one trial"), _errors("trial_sd", "trial_sd_mc_se")),
        (number("as if of"), lambda row: f"{row['as_if_n']:.0f}"),
        (number("undefined"), lambda row: _percent(row["undefined"], 1)),
        (number("posterior SD"), _errors("posterior_sd", "posterior_sd_mc_se")),
    ), _of("estimates")),
    "directions": ("Directions, from the best known to the least", (
        (Column("direction"), "direction"),
        (number("variance left"), lambda row: _percent(row["variance_left"])),
        (Column("status"), "status"),
        (Column("main parts"), "parts"),
    ), _no_notes),
    "alternatives": ("Other ways to see the trial", (
        (Column("way"), "title"),
        (number("weight"), lambda row: f"{_percent(row['posterior_weight'], 1)} ({100 * row['mc_se']:.1g})"),
        (number("Bayes factor"), lambda row: f"{row['bayes_factor']:.2f}"),
        (number("effective size"), lambda row: f"{row['effective_size']:,.0f}"),
    ), _of("alternatives")),
    "moved": ("How far each moves every answer", (
        (Column("way"), "way"),
        (Column("answer"), "label"),
        (number("posterior, 95%"), lambda row: f"{row['lower']:.3g} to {row['upper']:.3g}"),
        (number("moved by"), lambda row: f"{signed(row['moved'], 3)} ({row['moved_mc_se']:.1g})"),
        (number("in SDs"), lambda row: signed(row["moved_sd"])),
    ), _no_notes),
    "simulation_alone": ("By simulation alone", (
        (Column("figure"), _alone_name),
        (number("mean"), _errors("mean", "mc_se")),
        (number("by simulation"), _errors("alone_mean", "alone_mc_se")),
        (number("z"), lambda row: signed(row["z_mean"], 1)),
        (number("SD"), _errors("sd", "sd_mc_se")),
        (number("by simulation"), _errors("alone_sd", "alone_sd_mc_se")),
        (number("z"), lambda row: signed(row["z_sd"], 1)),
    ), lambda shown, _manifest: sentences("calibration", "alone", shown.kept)),
    "coverage": ("Coverage", (
        (Column("quantity"), lambda row: short_name(row["quantity"])),
        (Column("method"), lambda row: _METHODS.get(row["method"], str(row["method"]))),
        (number("covered"), lambda row: _percent(row["covered"])),
        (number("95% interval"), lambda row: f"{100 * row['lower']:.0f} to {_percent(row['upper'])}"),
        (Column("verdict", marks={"as said": "yes", "NOT as said": "no"}),
         lambda row: "as said" if row["as_said"] else "NOT as said"),
        (number("uniform, p"), lambda row: f"{row['uniform_p']:.2g}"),
    ), _of("coverage")),
}  # fmt: skip
"""Title, columns and notes of each, by the names of their files."""
