"""Pages of finished studies, until they are made in one way for all."""

from __future__ import annotations

import pandas as pd

from sim.work.results import Results


def write_page(results: Results) -> None:
    """Write the page of a study, if its kind has one."""
    if results.folder is None:
        return
    if results.kind == "run" and any((results.folder / "figures").glob("*.svg")):
        from sim.show.report import FILE, make_report, render
        from sim.study.run import read_run

        (results.folder / FILE).write_bytes(render(make_report(read_run(results.folder))).encode())
    elif results.kind == "calibrate":
        from sim.show.calibration_page import write_page as write
        from sim.show.calibration_shown import Shown

        if results.manifest["posterior"] is None:
            tables = dict(results.tables)
            shown = Shown(results.scenario, tables, "solved" in tables, None, pd.DataFrame(), 0, {})
        else:
            shown = Shown.read(results)
        write(shown, results.manifest, results.folder)
