"""What every test of the simulation starts from: a scenario made of overrides, and ways to play it."""

from __future__ import annotations

import os

# Before NumPy comes: its threads would wait for each other longer than small matrices take.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from drivers import SMALL_CALIBRATION, made_once, one_figure

import sim
from sim.cli import run as command_line
from sim.clinic.history import History, history_of
from sim.clinic.pathway import Clinic, Protocol, simulate
from sim.patient.fates import NEVER, Fate, Fates, draw_fates
from sim.patient.luck import Luck
from sim.scenario.schema import Scenario
from sim.work import spool

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Recorded by tests and printed after them, also where all pass and where other processes run them.
PRINTED = "worst difference"
BROWSER = "tests/browser/"

MakeScenario: TypeAlias = Callable[..., Scenario]
Play: TypeAlias = Callable[..., History]
MakeFate: TypeAlias = Callable[..., "Fate[float, bool]"]
Treat: TypeAlias = Callable[[Scenario, "Sequence[Fate[float, bool]]"], History]

# The default protocol with solved values near the trial's; written out here so that a new calibration
# moves no test.
BASE: dict[str, Any] = {
    "title": "test",
    "arrivals.pattern": "trial",
    "mobilisation.infection.case_fatality": 0.067,
    "active_disease.hazard_per_year": 0.15,
    "aplasia.infection.case_fatality": 0.055,
    "relapse.scale_years": 9.5,
    "after_relapse.multiplier": 0.7,
}

# Nothing happens to anybody: every stage, hazard and chance is zero, and no data are cut.
STILL: dict[str, Any] = {
    "arrivals.window_days": 0,
    "follow_up.data_cut_days": "none",
    "clinic.room_turnaround_days": 0,
    "mobilisation.duration_days": 0,
    "mobilisation.infection.hazard_per_day": 0,
    "harvest.duration_days": 0,
    "recovery.duration_days": 0,
    "recovery.postponement.probability": 0,
    "active_disease.hazard_per_year": 0,
    "immunoablation.duration_days": 0,
    "immunoablation.toxicity_per_day": 0,
    "aplasia.duration_days": 0,
    "aplasia.discharge_delay_days": 0,
    "aplasia.infection.hazard_per_day": 0,
    "late_infection.hazard_per_day": 0,
    "relapse.scale_years": 1e9,
    "relapse.start_day": 0,
    "relapse.shape": 1,
    "background.life_table": "none",
}


TESTED = Path(sim.__file__).parents[1]


def pytest_configure() -> None:
    """Let processes that tests start import the copy of ``sim`` that is tested, whichever is installed."""
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{TESTED}{os.pathsep}{others}" if others else str(TESTED)


def pytest_report_header() -> str:
    """Say which copy is tested: ``python -m pytest`` takes the checkout, ``pytest`` the one installed."""
    return f"tested: {TESTED / 'sim'}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the worst differences between estimators and other programs', and what had no browser."""
    reports = [
        *terminalreporter.getreports("passed"),
        *terminalreporter.getreports("failed"),
    ]
    lines = sorted(
        str(value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PRINTED and report.when == "call"
    )
    if lines:
        terminalreporter.section("worst differences")
        terminalreporter.write("".join(f"{line}\n" for line in lines))
    skipped = [each for each in terminalreporter.getreports("skipped") if each.nodeid.startswith(BROWSER)]
    if skipped:
        reason = str(skipped[0].longrepr[-1]).removeprefix("Skipped: ")
        terminalreporter.section("browser tests")
        terminalreporter.write(f"The {len(skipped)} tests of the app in a browser did not run. {reason}\n")


def _tree(*layers: dict[str, Any]) -> dict[str, Any]:
    """Nest dotted keys; a later layer replaces what an earlier one says."""
    tree: dict[str, Any] = {}
    for key, value in {key: value for layer in layers for key, value in layer.items()}.items():
        *tables, leaf = key.split(".")
        table = tree
        for name in tables:
            table = table.setdefault(name, {})
        table[leaf] = value
    return tree


@pytest.fixture(scope="session")
def scenario_of() -> MakeScenario:
    """Build a scenario from layers of dotted keys over the default protocol."""

    def build(*layers: dict[str, Any]) -> Scenario:
        layers = (BASE, *layers)
        merged = {key: value for layer in layers for key, value in layer.items()}
        if merged.get("arrivals.pattern") == "poisson":  # the other kind of arrivals has other keys
            layers = tuple({k: v for k, v in a.items() if k != "arrivals.window_days"} for a in layers)
        return Scenario.model_validate(_tree(*layers))

    return build


@pytest.fixture(scope="session")
def still() -> dict[str, Any]:
    """The overrides under which nothing happens to anybody."""
    return dict(STILL)


@pytest.fixture(scope="session")
def play() -> Play:
    """Draw fates and run the clinic: the histories of some replications."""

    def run(scenario: Scenario, replications: range = range(1), seed: int = 1) -> History:
        return simulate(scenario, draw_fates(scenario, Luck(seed), replications))

    return run


@pytest.fixture(scope="session")
def fate_of() -> MakeFate:
    """Build a fate by hand: one who passes through every stage at once and lives for ever."""

    def build(**changes: float | bool) -> Fate[float, bool]:
        zero = dict.fromkeys(Fate._fields, 0.0)
        never = ("background_days", "lupus_days", "extra_budget", "mobilisation_infection",
                 "mobilisation_infection_death", "toxicity_days", "aplasia_infection", "late_infection",
                 "infection_death", "relapse_days", "remission_days")  # fmt: skip
        fields = {**zero, **dict.fromkeys(never, NEVER), "age": 30.0, "female": True, "responds": True}
        return Fate(**{**fields, "harvest_fails": False, **changes})

    return build


@pytest.fixture(scope="session")
def treat() -> Treat:
    """Run one clinic on fates built by hand; arrays of the history have shape (patients, 1)."""

    def run(scenario: Scenario, fates: Sequence[Fate[float, bool]]) -> History:
        drawn: Fates = Fate._make(np.array([column]).T for column in zip(*fates, strict=True))
        return history_of(drawn, [Clinic(Protocol.of(scenario)).treat(fates)])

    return run


@pytest.fixture(scope="session", autouse=True)
def _one_database() -> Iterator[None]:
    """Let every table be written and read by the same DuckDB: to open one takes longer than either.

    What other processes write goes the usual way.
    """
    with spool.connect() as database, pytest.MonkeyPatch.context() as patch:
        database.execute("SET enable_external_file_cache = false")  # tests write again under the same name
        patch.setattr(spool, "connect", database.cursor)
        yield


@pytest.fixture
def words() -> Callable[[Figure], str]:
    """Return all text of a figure, one line a piece; no-break spaces and line ends as spaces."""

    from matplotlib.text import Text

    def read(figure: Figure) -> str:
        texts = [text.get_text() for text in figure.findobj(Text)]
        return "\n".join(" ".join(text.split()) for text in texts if text.strip())

    return read


@pytest.fixture
def fits() -> Callable[[Figure], bool]:
    """Tell whether all that is drawn lies on the page."""

    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def check(figure: Figure) -> bool:
        drawn = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
        width, height = figure.get_size_inches()
        return bool(drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height)

    return check


@pytest.fixture(scope="session")
def small_calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small calibration of ``chicago2006`` by one worker, to be read only."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            one_figure(patch)
            arguments = ("calibrate", "chicago2006", *SMALL_CALIBRATION, "--workers", "1")
            assert command_line([*arguments, "--out", str(folder)]) == 0

    return made_once(tmp_path_factory, "small-calibration", make)
