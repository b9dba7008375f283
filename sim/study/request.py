"""What was asked for: studies of the same request have the same results, and one can go on with another's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, TypeAlias

from sim.scenario.load import Loaded
from sim.study.budget import Budget
from sim.work.software import what_moves_figures

Request: TypeAlias = dict[str, Any]

# Who does the work changes nothing.
_WITHOUT = ("workers", "cluster")


def request_for(command: str, loaded: Sequence[Loaded], budget: Budget, **more: Any) -> Request:
    """Return a request in the form in which it is stored.

    Parameters
    ----------
    more
        Whatever else decides about the results.
    """
    plain = asdict(replace(budget, draws=None))
    counted = {name: value for name, value in plain.items() if name not in _WITHOUT}
    counted["draws"] = None if budget.draws is None else budget.draws.hash
    return request_of(command, loaded, **counted, **more)


def request_of(command: str, loaded: Sequence[Loaded], **more: Any) -> Request:
    """Return a request in the form in which it is stored, with whatever else decides about the results."""
    asked = {
        "command": command, "scenarios": [each.name for each in loaded],
        "scenario_hashes": [each.scenario_hash for each in loaded], **more, "software": what_moves_figures(),
    }  # fmt: skip
    stored: Request = json.loads(json.dumps(asked))
    return stored
