"""``lupus-hsct scenario``: list, show, diff, check, new, schema."""

from __future__ import annotations

import json

import click

from sim.cli.options import force_option, json_option, scenario_argument, set_option
from sim.cli.output import print_rows


@click.group("scenario")
def scenario_group() -> None:
    """List, show, check and write scenario files."""


@scenario_group.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the shipped scenarios, the cohorts to validate them on, and the studies that ask of them."""
    from sim.scenario.cohort import cohort_rows
    from sim.scenario.describe import list_rows
    from sim.scenario.study_file import study_rows

    print_rows("scenario list", list_rows(), as_json=as_json)
    if not as_json:
        print_rows("", cohort_rows(), as_json=False, title="\nCohorts, for lupus-hsct validate:")
        print_rows("", study_rows(), as_json=False, title="\nStudies, for lupus-hsct study run:")


@scenario_group.command("show")
@scenario_argument
@set_option
@json_option
@click.option("--references", is_flag=True, help="Add the references of the evidence named as source.")
def show_command(scenario: str, as_json: bool, references: bool, **asked: tuple[str, ...]) -> None:
    """Show every value of SCENARIO: what it is, where it comes from, how sure it is.

    The status is evidence, solved (by calibration) or assumption.
    """
    from sim.scenario.describe import show_rows
    from sim.scenario.load import load

    loaded = load(scenario, asked["set"])
    title = f"{loaded.name}{_based_on(loaded.chain)}: {loaded.scenario.title}"
    print_rows("scenario show", show_rows(loaded, references=references), as_json=as_json, title=title)


@scenario_group.command("diff")
@click.argument("one", metavar="SCENARIO")
@click.argument("other", metavar="SCENARIO")
@set_option
@json_option
def diff_command(one: str, other: str, as_json: bool, **asked: tuple[str, ...]) -> None:
    """Show in what two scenarios, a and b, differ: both values of every parameter, and their sources.

    By stage of the pathway. --set goes over both.
    """
    from sim.scenario.differences import diff_rows
    from sim.scenario.load import load

    loaded = [load(each, asked["set"]) for each in (one, other)]
    rows = diff_rows(*loaded)
    sides = zip("ab", loaded, strict=True)
    title = "\n".join(f"{side}: {each.name}: {each.scenario.title}" for side, each in sides)
    print_rows("scenario diff", rows, as_json=as_json, title=title)
    if not rows and not as_json:
        click.echo("no difference")


@scenario_group.command("check")
@scenario_argument
@set_option
@json_option
def check_command(scenario: str, as_json: bool, **asked: tuple[str, ...]) -> None:
    """Check SCENARIO: one line if it is valid, else what is wrong and what to do."""
    from sim.scenario.describe import warnings_about
    from sim.scenario.load import load

    loaded = load(scenario, asked["set"])
    warnings = list(warnings_about(loaded))
    if as_json:
        row = {"scenario": loaded.name, "valid": True, "hash": loaded.scenario_hash, "warnings": warnings}
        print_rows("scenario check", [row], as_json=True)
        return
    click.echo(f"{loaded.name}{_based_on(loaded.chain)}: valid")
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


@scenario_group.command("new")
@click.argument("name")
@click.option("--base", default="chicago2006", show_default=True, help="Scenario that the new one changes.")
@force_option
def new_command(name: str, base: str, force: bool) -> None:
    """Write a short scenario file to start from: NAME.toml here, or the path NAME."""
    from sim.scenario.write import write_new

    path = write_new(name, base, force=force)
    click.echo(f"Wrote {path}. Edit it, then: lupus-hsct scenario check {path}")


@scenario_group.command("schema")
@json_option
@click.option("--json-schema", is_flag=True, help="Print a JSON Schema of scenario files, for editors.")
def schema_command(as_json: bool, json_schema: bool) -> None:
    """List every parameter: key, type, what is allowed, unit, default, source, meaning."""
    from sim.scenario.describe import file_schema, schema_rows

    if json_schema:
        click.echo(json.dumps(file_schema(), indent=1, ensure_ascii=False))
        return
    print_rows("scenario schema", schema_rows(), as_json=as_json)


def _based_on(chain: tuple[str, ...]) -> str:
    """Return the bases of a scenario in words, the nearest first."""
    return f" (based on {', '.join(chain[1:])})" if len(chain) > 1 else ""
