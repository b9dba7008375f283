"""``lupus-hsct compare``."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import (
    Effort,
    WholeNumber,
    effort_options,
    force_option,
    json_option,
    out_option,
    resume_option,
    set_option,
)
from sim.cli.output import print_frame, print_told
from sim.cli.progress import figure_warnings, progress_bar


@click.command("compare")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO SCENARIO...")
@set_option
@effort_options
@click.option(
    "--trial",
    type=WholeNumber(1),
    default=1,
    show_default=True,
    help="Virtual trial whose patients are named.",
)
@out_option
@force_option
@resume_option
@json_option
def compare_command(
    scenarios: tuple[str, ...],
    overrides: tuple[str, ...],
    effort: Effort,
    trial: int,
    out: Path | None,
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Compare scenarios with the first one, the reference, patient by patient under the same luck.

    Writes comparison.csv with the difference of every endpoint, deaths_averted.csv, changed_fates.csv,
    named_patients.csv, range.csv where a scenario has a range, and figures. --set goes over all of them.
    """
    from sim.commands.compare import compare_study
    from sim.scenario.load import load
    from sim.show.terminal import told
    from sim.work.results import read_results

    loaded = [load(scenario, overrides) for scenario in scenarios]
    budget = effort.budget(loaded[0].scenario)
    with figure_warnings(), progress_bar(loaded[0].name) as progress:
        done = compare_study(loaded, budget, trial, out, force=force, resume=resume, progress=progress)
    if as_json:
        print_frame("compare", done.comparison)
        return
    print_told(told(read_results(done.folder)))
    click.echo(f"Written to {done.folder.as_posix()}")
