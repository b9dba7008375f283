"""The page of a finished study of any kind, made again from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.commands.study import formats_of
from sim.show.page import report_study, summary
from sim.work.results import read_results


def report(
    folder: str | Path, *, force: bool = False, figures: str | Sequence[str] = "none"
) -> dict[str, Any]:
    """Write ``report.html`` into the folder of a finished study.

    Parameters
    ----------
    folder
        Of a study of any kind.
    force
        Whether to replace a report that is there and differs.
    figures
        As what the figures are drawn anew before; by default they stay as they are.

    Returns
    -------
    dict
        Where the report is, its finding, and what it holds.

    Raises
    ------
    RequestError
        It is no complete folder of a study, or another report is there and `force` is not given.
    """
    formats = formats_of(figures)
    if formats:
        from sim.show.figure_files import write_figures

        write_figures(read_results(Path(folder)), formats)
    return summary(*report_study(Path(folder), force=force))
