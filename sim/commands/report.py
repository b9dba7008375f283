"""The page of a finished study of any kind, made again from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.commands.study import formats_of
from sim.patient.memory import refuse_too_little_memory
from sim.scenario.problems import RequestError
from sim.scenario.refusals import cut_short
from sim.show.page import report_study, summary
from sim.work.files import add_files, written_in
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
    refuse_too_little_memory()
    formats, path = formats_of(figures), Path(folder)
    before = written_in(path)
    try:
        if formats:
            from sim.show.figure_files import write_figures

            write_figures(read_results(path), formats)
        return summary(*report_study(path, force=force))
    except (RequestError, OSError, MemoryError):
        raise
    except Exception as error:  # whatever a manifest that another program has made leads to
        why = f"{type(error).__name__}: {cut_short(' '.join(str(error).split()))}"
        raise RequestError(f"{path} is damaged or of another version ({why}); run the study again") from error
    finally:
        add_files(path, before)
