"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from sim.patient.streams import MAX_SEED
from sim.scenario.problems import RequestError
from sim.study.budget import (
    DEFAULT_AT_MOST,
    DEFAULT_DRAW_REPLICATIONS,
    DEFAULT_DRAWS,
    DEFAULT_PATIENT_REPLICATIONS,
    DEFAULT_REPLICATIONS,
    DEFAULT_SEED,
    MOST_REPLICATIONS,
    MOST_SIMPY_PATIENTS,
    Budget,
    Engine,
    Precision,
)

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario
    from sim.study.draws import Draws

    _IntegerType = click.ParamType[int]
    _NumberType = click.ParamType[float]
else:  # older versions of click have no type arguments
    _IntegerType = _NumberType = click.ParamType


class WholeNumber(_IntegerType):
    """A whole number within limits; a refusal says what is allowed."""

    name = "number"

    def __init__(self, lowest: int, highest: int | None = None) -> None:
        self._lowest, self._highest = lowest, highest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number as it was typed."""
        text = str(value)
        digits = text.removeprefix("-")
        number = int(text) if len(digits) <= 20 and digits.isascii() and digits.isdigit() else None
        if number is None or number < self._lowest or (self._highest is not None and number > self._highest):
            limit = "" if self._highest is None else f" to {self._highest}"
            self.fail(f"{text} given; allowed: a whole number from {self._lowest}{limit}", param, ctx)
        return number


class Number(_NumberType):
    """A number; a refusal says so in plain words."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number as it was typed."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value} given; allowed: a number, as in --precision 0.1", param, ctx)


replications_option = click.option(
    "--replications",
    type=WholeNumber(1, MOST_REPLICATIONS),
    help="Virtual trials to simulate; with --precision, the fewest; with --posterior, of each draw.  "
    f"[default: {DEFAULT_REPLICATIONS}, or {DEFAULT_DRAW_REPLICATIONS} of each draw]",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a parameter over the file; repeat for more. The value is TOML, else text.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON: the command and its rows.")
force_option = click.option("--force", is_flag=True, help="Write over what is there.")
resume_option = click.option(
    "--resume", is_flag=True, help="Go on with an unfinished study of the same request, if there is one."
)
seed_option = click.option(
    "--seed", type=WholeNumber(0, MAX_SEED), default=DEFAULT_SEED, show_default=True, help="Seed of all luck."
)
workers_option = click.option(
    "--workers",
    type=WholeNumber(1, 1024),
    metavar="N",
    help="Processes, at most 8 for each processor; one for each by default, and fewer for little work.",
)
cluster_option = click.option(
    "--cluster", metavar="ADDRESS", help="Dask scheduler whose workers simulate instead."
)
posterior_option = click.option(
    "--posterior",
    metavar="FILE",
    help="posterior.csv of a calibration, or the name of a shipped one (chicago2006): simulate under draws "
    "of it, and show what it leaves open.",
)
draws_option = click.option(
    "--draws",
    type=WholeNumber(2, 10_000),
    metavar="N",
    help=f"Draws of the posterior.  [default: {DEFAULT_DRAWS}]",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write; a new one under results/ by default.",
)
scenario_argument = click.argument("scenario")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to simulate and who does it, as asked for on the command line."""

    replications: int | None
    seed: int
    engine: Engine
    precision: float | None
    at_most: int | None
    endpoints: tuple[str, ...]
    workers: int | None
    cluster: str | None
    posterior: str | None
    draws: int | None

    def budget(
        self,
        scenario: Scenario,
        patients: int | None = DEFAULT_PATIENT_REPLICATIONS,
        *,
        events: bool = False,
        shown: bool = False,
    ) -> Budget:
        """Return the budget for a scenario, whose endpoints are those whose precision is asked for.

        Parameters
        ----------
        shown
            Whether endpoints are for a figure too.

        Raises
        ------
        RequestError
            Options that contradict each other, or ask for nothing.
        """
        from sim.commands.run import precise_endpoints

        if self.workers is not None and self.cluster is not None:
            raise RequestError("--workers and --cluster: give one of them; a cluster has its own workers")
        precision = None
        if self.precision is not None:
            asked = precise_endpoints(self.endpoints, scenario)
            precision = Precision(self.precision, asked, self.at_most or DEFAULT_AT_MOST)
        elif self.at_most is not None:
            raise RequestError("--at-most: it caps --precision, which is missing; give both, or neither")
        elif self.endpoints and not shown:
            raise RequestError("--endpoint: it says what --precision is about; give both, or neither")
        return Budget(
            replications_of(self.replications, self.posterior),
            self.seed,
            patients,
            events,
            self.engine,
            precision,
            self.workers,
            self.cluster,
            drawn(self.posterior, self.draws, self.seed),
        )


def replications_of(asked: int | None, posterior: str | None) -> int:
    """Return the replications, of each draw if there are draws: those asked for, or the usual number."""
    usual = DEFAULT_REPLICATIONS if posterior is None else DEFAULT_DRAW_REPLICATIONS
    return usual if asked is None else asked


def drawn(posterior: str | None, draws: int | None, seed: int) -> Draws | None:
    """Return draws of a posterior; None without one.

    Raises
    ------
    RequestError
        The file is no posterior, or draws of none are asked for.
    """
    if posterior is None:
        if draws is not None:
            raise RequestError("--draws: they are draws of --posterior, which is missing; give both")
        return None
    from sim.scenario.shipped import locate_posterior
    from sim.study.draws import draws_from

    return draws_from(locate_posterior(posterior), draws or DEFAULT_DRAWS, seed)


_EFFORT = (
    replications_option,
    seed_option,
    click.option(
        "--engine",
        type=click.Choice(get_args(Engine)),
        default="auto",
        show_default=True,
        help=f"Simulator; both give the same results. auto: SimPy up to {MOST_SIMPY_PATIENTS:,} patients or "
        "for events, arrays beyond.",
    ),
    click.option(
        "--precision",
        type=Number(),
        metavar="PP",
        help="Replicate until 95% intervals reach no further than PP percentage points to either side: those "
        "of the endpoints, or in compare and sweep of their paired differences.",
    ),
    click.option(
        "--at-most",
        type=WholeNumber(1, MOST_REPLICATIONS),
        metavar="N",
        help=f"Virtual trials at which --precision gives up.  [default: {DEFAULT_AT_MOST}]",
    ),
    click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        metavar="NAME[@YEARS]",
        help="Endpoint that --precision is about, or that a sweep's figure shows; repeat for more.",
    ),
    workers_option,
    cluster_option,
    posterior_option,
    draws_option,
)


def effort_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about how much to simulate and who does it, which the command gets as one `Effort`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        effort = Effort(**{field.name: given.pop(field.name) for field in fields(Effort)})
        return command(effort=effort, **given)

    decorated: Callable[..., Any] = gathered
    for option in reversed(_EFFORT):
        decorated = option(decorated)
    return decorated
