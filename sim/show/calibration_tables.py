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
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import sentences
from sim.work.results import Results

HELD = "held: no prior"
"""In place of an interval: nothing of it is drawn, so its uncertainty is not known."""
_KINDS = {"trial": "a figure of the trial", "hazard": "a hazard", "extrapolation": "an extrapolation"}
_METHODS = {"simulated": "this method", "binomial": "negative control"}
_Row: TypeAlias = Mapping[str, Any]


def grids(results: Results) -> dict[str, Grid]:
    """Return the tables that there are, by the names of their files, in the order of the story."""
    shown, manifest = Shown.of(results), results.manifest
    return {
        name: grid(shown, manifest, records(shown.tables[name]))
        for name, grid in _GRIDS.items()
        if name in shown.tables
    }


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
    found = [
        (short_name(row["key"]), str(row["key"]), str(row["prior"]), str(row["source"]))
        for row in records(shown.tables["parameters"])
    ]
    columns = (Column("parameter"), Column("key", code=True), Column("prior"), Column("source"))
    return Grid("Priors", columns, found)


def _solved(_shown: Shown, manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found = [
        (short_name(row["key"]), str(row["key"]), f"{row['value']:.6g}", _text(row["unit"])) for row in rows
    ]
    columns = (Column("parameter"), Column("key", code=True), *numbers("solved"), Column("unit"))
    notes = sentences("calibration", "point", manifest["rank"], len(rows), manifest["condition"])
    return Grid("The point: the exact twin meets every target here", columns, found, notes)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _equations(_shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found: list[Cells] = []
    for row in rows:
        difference = "0" if row["residual"] == 0 else f"{row['residual']:.1g}"
        found.append((str(row["label"]), f"{row['target']:.6g}", difference, str(row["source"])))
    columns = (Column("figure"), *numbers("target", "target less twin"), Column("source"))
    return Grid("Equations", columns, found)


def _parameters(_shown: Shown, manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found = [
        (
            short_name(row["key"]), written(row["key"], row["point"]),
            _between(row["key"], row["prior_lower"], row["prior_upper"]),
            _between(row["key"], row["lower"], row["upper"]), _with_error(row["mean"], row["mc_se"]),
            _percent(row["variance_left"]),
        )
        for row in rows
    ]  # fmt: skip
    heads = numbers("point", "prior, 95%", "posterior, 95%", "mean (error)", "left")
    notes = sentences("calibration", "parameters", manifest["posterior"])
    return Grid("What the trial leaves open: parameters", (Column("parameter"), *heads), found, notes)


def _between(key: str, low: float, high: float) -> str:
    unit = unit_of(key)
    first = written(key, low)
    return f"{first.removesuffix(f' {unit}') if unit else first} to {written(key, high)}"


def _answers(shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    """Return every answer; an extrapolation has no mean: it is read as a band."""
    found: list[Cells] = []
    for row in rows:
        unit = f" {row['unit']}" if _text(row["unit"]) else ""
        interval = f"{row['lower']:.3g} to {row['upper']:.3g}{unit}" if row["lower"] < row["upper"] else HELD
        band = row["kind"] == "extrapolation"
        mean = "read as a band" if band else _with_error(row["mean"], row["mc_se"])
        found.append((str(row["label"]), interval, mean, f"{row['sd']:.2g}", _KINDS[row["kind"]]))
    columns = (
        Column("answer"), *numbers("posterior, 95%", "mean (error)", "SD"), Column("what it is")
    )  # fmt: skip
    notes = [extrapolation_text(shown.scenario)]
    return Grid("What the trial leaves open: answers", columns, found, notes)


def _estimates(_shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found = [
        (
            str(row["label"]), _percent(row["target"]), str(row["n"]),
            _with_error(row["trial_sd"], row["trial_sd_mc_se"]), f"{row['as_if_n']:.0f}",
            _percent(row["undefined"], 1), _with_error(row["posterior_sd"], row["posterior_sd_mc_se"]),
        )
        for row in rows
    ]  # fmt: skip
    heads = numbers(
        "reported", "of patients", "SD of one trial", "as if of", "undefined", "posterior SD"
    )  # fmt: skip
    title = "What the trial's estimates can tell"
    return Grid(title, (Column("estimate"), *heads), found, sentences("calibration", "estimates"))


def _directions(shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found = [
        (
            str(row["direction"]), _percent(row["variance_left"]), str(row["status"]),
            parts_text(row, shown.keys),
        )
        for row in rows
    ]  # fmt: skip
    columns = (Column("direction"), *numbers("variance left"), Column("status"), Column("main parts"))
    return Grid("Directions, from the best known to the least", columns, found)


def _alternatives(_shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found = [
        (
            str(row["title"]), f"{_percent(row['posterior_weight'], 1)} ({100 * row['mc_se']:.1g})",
            f"{row['bayes_factor']:.2f}", f"{row['effective_size']:,.0f}",
        )
        for row in rows
    ]  # fmt: skip
    columns = (Column("way"), *numbers("weight", "Bayes factor", "effective size"))
    notes = sentences("calibration", "alternatives")
    return Grid("Other ways to see the trial", columns, found, notes, wide=False)


def _moved(shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    titles = {row["name"]: row["title"] for row in records(shown.tables["alternatives"])}
    found = [
        (
            str(titles.get(row["name"], row["name"])), str(row["label"]),
            f"{row['lower']:.3g} to {row['upper']:.3g}",
            f"{signed(row['moved'], 3)} ({row['moved_mc_se']:.1g})", signed(row["moved_sd"]),
        )
        for row in rows
        if row["name"] != AS_IT_IS
    ]  # fmt: skip
    heads = numbers("posterior, 95%", "moved by", "in SDs")
    return Grid("How far each moves every answer", (Column("way"), Column("answer"), *heads), found)


def _alone(shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found = [
        (
            short_name(row["figure"]) if "." in row["figure"] else str(row["label"]),
            _with_error(row["mean"], row["mc_se"]), _with_error(row["alone_mean"], row["alone_mc_se"]),
            signed(row["z_mean"], 1), _with_error(row["sd"], row["sd_mc_se"]),
            _with_error(row["alone_sd"], row["alone_sd_mc_se"]), signed(row["z_sd"], 1),
        )
        for row in rows
    ]  # fmt: skip
    columns = (Column("figure"), *numbers("mean", "by simulation", "z", "SD", "by simulation", "z"))
    return Grid("By simulation alone", columns, found, sentences("calibration", "alone", shown.kept))


def _coverage(_shown: Shown, _manifest: _Row, rows: list[dict[str, Any]]) -> Grid:
    found = [
        (
            short_name(row["quantity"]), _METHODS.get(row["method"], str(row["method"])),
            _percent(row["covered"]), f"{100 * row['lower']:.0f} to {_percent(row['upper'])}",
            "as said" if row["as_said"] else "NOT as said", f"{row['uniform_p']:.2g}",
        )
        for row in rows
    ]  # fmt: skip
    columns = (
        Column("quantity"), Column("method"), *numbers("covered", "95% interval"),
        Column("verdict", marks={"as said": "yes", "NOT as said": "no"}), *numbers("uniform, p"),
    )  # fmt: skip
    return Grid("Coverage", columns, found, sentences("calibration", "coverage"))


_GRIDS: dict[str, Callable[[Shown, _Row, list[dict[str, Any]]], Grid]] = {
    "solved": _solved,
    "residuals": _equations,
    "parameters": _parameters,
    "answers": _answers,
    "estimates": _estimates,
    "directions": _directions,
    "alternatives": _alternatives,
    "moved": _moved,
    "simulation_alone": _alone,
    "coverage": _coverage,
}
