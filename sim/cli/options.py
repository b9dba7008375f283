"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from sim.patient.streams import MAX_SEED
from sim.study.budget import (
    DEFAULT_REPLICATIONS,
    DEFAULT_SEED,
    MOST_REPLICATIONS,
    MOST_SIMPY_PATIENTS,
    Engine,
)

if TYPE_CHECKING:
    _IntegerType = click.ParamType[int]
else:  # older versions of click have no type arguments
    _IntegerType = click.ParamType


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


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a parameter over the file; repeat for more. The value is TOML, else text.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON: the command and its rows.")
force_option = click.option("--force", is_flag=True, help="Write over what is there.")
seed_option = click.option(
    "--seed", type=WholeNumber(0, MAX_SEED), default=DEFAULT_SEED, show_default=True, help="Seed of all luck."
)
engine_option = click.option(
    "--engine",
    type=click.Choice(get_args(Engine)),
    default="auto",
    show_default=True,
    help=f"Simulator; both give the same results. auto: SimPy up to {MOST_SIMPY_PATIENTS:,} patients or for "
    "events, arrays beyond.",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write; a new one under results/ by default.",
)
scenario_argument = click.argument("scenario")
replications_option = click.option(
    "--replications",
    type=WholeNumber(1, MOST_REPLICATIONS),
    default=DEFAULT_REPLICATIONS,
    show_default=True,
    help="Virtual trials to simulate.",
)
