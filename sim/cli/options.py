"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from sim.patient.streams import MAX_SEED
from sim.scenario.plain import plain_number
from sim.study import budget as budgets
from sim.study.budget import Engine

if TYPE_CHECKING:
    from sim.commands.study import Out

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
            allowed = f"{text} given; allowed: a whole number from {self._lowest}{limit}"
            self.fail(f"{allowed}. {plain_number(text, whole=True)}".rstrip(". "), param, ctx)
        return number


class Number(_NumberType):
    """A number; a refusal says so in plain words."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number as it was typed."""
        try:
            return float(value)
        except ValueError:
            allowed = f"{value} given; allowed: a number, as in --precision 0.1"
            self.fail(f"{allowed}. {plain_number(str(value))}".rstrip(". "), param, ctx)


def _numbered(_context: click.Context, _option: click.Parameter, out: Path | None) -> Out:
    """Return the folder, or that it gets the next free number."""
    from sim.commands.study import NUMBERED

    return NUMBERED if out is None else out


def _patients(_context: click.Context, _option: click.Parameter, text: str) -> int | str:
    if text == "all":
        return text
    if text.isascii() and text.isdecimal() and len(text) <= 20:
        return int(text)
    raise click.BadParameter(f"{text!r} given; allowed: all, or a whole number from 0")


Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]


def options(*chosen: Option) -> Callable[[Command], Command]:
    """Add options to a command, which gets each as the keyword of the same name."""

    def add(command: Command) -> Command:
        for option in reversed(chosen):
            command = option(command)
        return command

    return add


def whole(name: str, lowest: int, highest: int | None = None, **more: Any) -> Option:
    """Return an option that takes a whole number within limits; a default is shown."""
    return click.option(name, type=WholeNumber(lowest, highest), show_default="default" in more, **more)


scenario_argument = click.argument("scenario")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON: the command and its rows.")
force_option = click.option("--force", is_flag=True, help="Write over what is there.")
set_option = click.option(
    "--set",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a parameter over the file; repeat for more. The value is TOML, else text.",
)
patients_option = click.option(
    "--patients",
    metavar="all|N",
    default=str(budgets.DEFAULT_PATIENT_REPLICATIONS),
    show_default=True,
    callback=_patients,
    help="First replications whose patients are kept in patients.parquet.",
)
seed_option = whole("--seed", 0, MAX_SEED, default=budgets.DEFAULT_SEED, help="Seed of all luck.")

TABLE: tuple[Option, ...] = (
    click.option(
        "--column", multiple=True, metavar="NAME=HEADER",
        help='Header of a column that is not found by its words: died="date of death"; repeat for more. An '
        "empty one says that the table has none.",
    ),
    click.option(
        "--dates", type=click.Choice(["day-first", "month-first"]),
        help="How dates as 03/04/2019 are written; refused while that is not known.",
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of a workbook, if several hold something."),
)  # fmt: skip
"""Of commands that read patients from a table: the keywords of `patients_from`."""


def table_options(command: Command) -> Command:
    """Add the argument FILE and how its table is read."""
    return options(click.argument("file"), *TABLE)(command)


LUCK: tuple[Option, ...] = (
    whole(
        "--replications", 1, budgets.MOST_REPLICATIONS,
        help="Virtual trials to simulate; with --precision, the fewest; with --posterior, of each draw.  "
        f"[default: {budgets.DEFAULT_REPLICATIONS}, or {budgets.DEFAULT_DRAW_REPLICATIONS} of each draw]",
    ),
    seed_option,
    click.option(
        "--posterior", metavar="FILE",
        help="posterior.csv of a calibration, or the name of a shipped one (chicago2006): simulate under "
        "draws of it, and show what it leaves open.",
    ),
    whole(
        "--draws", 2, 10_000, metavar="N",
        help=f"Draws of the posterior.  [default: {budgets.DEFAULT_DRAWS}]",
    ),
)  # fmt: skip
"""Of studies that simulate virtual trials."""

EFFORT: tuple[Option, ...] = (
    *LUCK,
    click.option(
        "--by", multiple=True, metavar="STRATA",
        help="Tell every figure by strata too, as in --by age=12-25,26-40,41+ or --by sex; repeat for both.",
    ),
    click.option(
        "--engine", type=click.Choice(get_args(Engine)), default="auto", show_default=True,
        help="Simulator; both give the same results. auto: SimPy up to "
        f"{budgets.MOST_SIMPY_PATIENTS:,} patients or for events, arrays beyond.",
    ),
    click.option(
        "--precision", type=Number(), metavar="PP",
        help="Replicate until 95% intervals reach no further than PP percentage points to either side: those "
        "of the endpoints, or in compare and sweep of their paired differences.",
    ),
    whole(
        "--at-most", 1, budgets.MOST_REPLICATIONS, metavar="N",
        help=f"Virtual trials at which --precision gives up.  [default: {budgets.DEFAULT_AT_MOST}]",
    ),
    click.option(
        "--endpoint", multiple=True, metavar="NAME[@YEARS]",
        help="Endpoint that --precision is about, or that a sweep's figure shows; repeat for more.",
    ),
)  # fmt: skip
"""Of studies that may choose their simulator, and go on until figures are precise enough."""

_out_option = click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", callback=_numbered,
    help="Folder to write; a new one under results/ by default.",
)  # fmt: skip

_SHOWN: tuple[Option, ...] = (
    click.option(
        "--figures", default=budgets.DEFAULT_FIGURES, show_default=True, metavar="LIST",
        help="What figures are written as: svg, png, pdf, several with commas between; or none.",
    ),
    click.option(
        "--title", metavar="TEXT", help="Title of page and figures.  [default: the scenario's, with changes]"
    ),
    json_option,
)  # fmt: skip

FOLDER: tuple[Option, ...] = (_out_option, force_option, *_SHOWN)
"""Of all that writes a folder."""

WORK: tuple[Option, ...] = (
    whole(
        "--workers", 1, 1024, metavar="N",
        help="Processes, at most 8 for each processor; one for each by default, and fewer for little work.",
    ),
    click.option("--cluster", metavar="ADDRESS", help="Dask scheduler whose workers simulate instead."),
    _out_option,
    force_option,
    click.option(
        "--resume", is_flag=True, help="Go on with an unfinished study of the same request, if there is one."
    ),
    *_SHOWN,
)  # fmt: skip
"""Of all studies that simulate: who works, what is written, and what is printed."""
