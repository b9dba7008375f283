"""Equally weighted draws of a posterior, under each of which a study is simulated.

A draw replaces a scenario's value of a free parameter only where that value is the calibrated one, and nobody
has asked for it: what ``--set``, ``--vary`` or a range states is held in every draw, even if it happens to be
the calibrated value, and so is what a file states otherwise. A scenario that rests on another calibration
keeps all of its values: the posterior is not about it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from sim.scenario.distributions import Distribution
from sim.scenario.inherit import SET
from sim.scenario.load import Loaded
from sim.scenario.problems import HeldValueWarning, RequestError, UnfittedDrawWarning
from sim.scenario.schema import Scenario
from sim.scenario.values import get_value, with_values
from sim.study.posterior import derived_seed, read_posterior, sobol

SAME = 1e-6
"""Relative difference up to which a value is the calibrated one."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Equally weighted joint draws of some parameters.

    Attributes
    ----------
    keys
        The parameters.
    point
        Their calibrated values.
    values
        One row a draw.
    file, digest
        Name of the file that they are from, and its SHA-256; empty if they are from none.
    uncertain
        Those of the parameters that replace whatever value a scenario has, because nobody knows it.
    """

    keys: tuple[str, ...]
    point: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    file: str = ""
    digest: str = ""
    uncertain: tuple[str, ...] = ()

    def replaced(self, scenario: Scenario, held: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the parameters of which the scenario has the calibrated value, but for those held."""
        return tuple(
            key for key, value in zip(self.keys, self.point, strict=True)
            if key not in held and (key in self.uncertain or _is_value(scenario, key, value))
        )  # fmt: skip

    def kept(self, scenario: Scenario, held: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the parameters of which the scenario's own value holds in every draw."""
        replaced = self.replaced(scenario, held)
        return tuple(key for key in self.keys if key not in replaced)

    def over(self, scenario: Scenario, held: Sequence[str] = ()) -> list[Scenario]:
        """Return the scenario under each draw.

        Parameters
        ----------
        held
            Parameters whose value is asked for: they are the same in every draw.

        Raises
        ------
        RequestError
            Nothing of the posterior is about this scenario, or a draw does not fit it.
        """
        replaced = self.replaced(scenario, held)
        if not replaced:
            raise RequestError(self._strange(scenario.title, held))
        chosen = [self.keys.index(key) for key in replaced]
        try:
            return [
                with_values(scenario, dict(zip(replaced, (row[at] for at in chosen), strict=True)))
                for row in self.values
            ]
        except RequestError as error:
            where = f"--posterior {self.file}" if self.file else "[[uncertain]]"
            raise RequestError(f"{where}: {error}") from None

    def first(self, scenario: Scenario, held: Sequence[str] = ()) -> Scenario:
        """Return the scenario under the first draw, as it is if nothing of the posterior is about it."""
        alone = replace(self, values=self.values[:1])
        return alone.over(scenario, held)[0] if self.replaced(scenario, held) else scenario

    def held_in(self, loaded: Loaded) -> tuple[str, ...]:
        """Return the parameters that a scenario holds whatever their values are.

        These are the ones that are given with ``--set``; and all of them in a scenario that rests on another
        calibration.
        """
        given = [key for key, origin in loaded.origins.items() if origin == SET]
        own = self.keys if self._solved_anew(loaded) else given
        return tuple(key for key in own if key not in self.uncertain)

    def _solved_anew(self, loaded: Loaded) -> bool:
        return any(
            key in loaded.solved_from
            and key not in self.uncertain
            and not _is_value(loaded.scenario, key, value)
            for key, value in zip(self.keys, self.point, strict=True)
        )

    def require(self, loaded: Loaded, swept: Sequence[str] = ()) -> None:
        """Refuse a scenario that the posterior is not about.

        Parameters
        ----------
        swept
            Parameters that the study varies, and that are held too.

        Raises
        ------
        RequestError
            No value of it is drawn.
        """
        held = (*self.held_in(loaded), *swept)
        if self.replaced(loaded.scenario, held):
            return
        if self._solved_anew(loaded):
            raise RequestError(
                f"--posterior: {loaded.name} rests on another calibration, with values of its own for "
                f"{', '.join(self.kept(loaded.scenario))}, so the posterior is not about it; calibrate "
                f"{loaded.name} for a posterior of its own, or leave --posterior out"
            )
        raise RequestError(self._strange(loaded.name, held))

    def _strange(self, name: str, held: Sequence[str]) -> str:
        text = f"--posterior: {name}: has none of the calibrated values of {', '.join(self.keys)}"
        if {*held} & {*self.keys}:
            text += ", or --set, --vary or a range holds them"
        return (
            f"{text}, so the posterior is not about it; take a scenario based on the calibrated one, or "
            "calibrate this one"
        )

    def warn_of_held(self, loaded: Loaded, swept: Sequence[str] = ()) -> None:
        """Warn of what a scenario holds in every draw, but for what a study varies anyway."""
        given, reasons = self.held_in(loaded), []
        for key, value in zip(self.keys, self.point, strict=True):
            own = number_of(loaded.scenario, key)
            if key in swept or key in self.replaced(loaded.scenario, given):
                continue
            if own is None:
                reasons.append(f"it has no {key}")
            elif _is_value(loaded.scenario, key, value):
                reasons.append(f"{key} is given with --set")
            else:
                reasons.append(f"{key} is {own:.4g}, and {value:.4g} as calibrated")
        if self._solved_anew(loaded):
            reasons = ["it rests on another calibration and keeps all of its values"]
        if reasons:
            HeldValueWarning.say(
                f"{loaded.name}: {'; '.join(reasons)}. What is held in every draw is not in the posterior's "
                "intervals, however little is known about it. To keep that in, leave --set out, or write "
                "value or prior into a file and give the posterior that `lupus-hsct calibrate FILE` writes"
            )
        unfitted = {*self._unfitted(loaded.scenario, (*given, *swept))} - {*self.uncertain}
        if unfitted:
            UnfittedDrawWarning.say(
                f"--posterior {self.file}: {', '.join(sorted(unfitted))}: drawn, but {loaded.name} states no "
                "[[prior]] for it, so that its calibration did not fit it: its spread is an assumption. "
                "Calibrate with such a prior, or leave the column out"
            )

    @property
    def hash(self) -> str:
        """SHA-256 of all that is drawn, on which results depend."""
        return sha256(repr((self.keys, self.point, self.values)).encode()).hexdigest()

    def record(self) -> dict[str, str]:
        """Return what a manifest says of them all."""
        return {"file": self.file, "sha256": self.digest, "draws_hash": self.hash}

    def record_of(self, loaded: Loaded, swept: Sequence[str] = ()) -> dict[str, list[str]]:
        """Return what a manifest says of one scenario: which parameters are drawn, and which are held."""
        held = (*self.held_in(loaded), *swept)
        return {
            "free": list(self.replaced(loaded.scenario, held)),
            "held": list(self.kept(loaded.scenario, held)),
            "unfitted": self._unfitted(loaded.scenario, held),
        }

    def _unfitted(self, scenario: Scenario, held: Sequence[str]) -> list[str]:
        """Return what is drawn though the scenario, which has priors, has none of it."""
        fitted = {prior.key for prior in scenario.prior}
        return [key for key in self.replaced(scenario, held) if fitted and key not in fitted]


def with_uncertain(
    draws: Draws | None, uncertain: Mapping[str, Distribution], count: int, seed: int
) -> Draws:
    """Return draws with further parameters, drawn independently and evenly, each from its distribution."""
    known = draws or Draws((), (), ((),) * count)
    drawn = sobol(len(uncertain), len(known.values), derived_seed(seed, "uncertain")).T
    columns = [each.quantile(u).tolist() for each, u in zip(uncertain.values(), drawn, strict=True)]
    return replace(
        known,
        keys=(*known.keys, *uncertain),
        point=(*known.point, *(math.nan,) * len(uncertain)),
        values=tuple(
            (*row, *more) for row, more in zip(known.values, zip(*columns, strict=True), strict=True)
        ),
        uncertain=tuple(uncertain),
    )


def _is_value(scenario: Scenario, key: str, value: float) -> bool:
    own = number_of(scenario, key)
    return own is not None and math.isclose(own, value, rel_tol=SAME)


def number_of(scenario: Scenario, key: str) -> float | None:
    """Return a scenario's value of a number; None where it has no such parameter."""
    try:
        value = get_value(scenario, key)
    except RequestError:
        return None
    return float(value) if isinstance(value, (int, float)) else None


def draws_from(path: Path, count: int, seed: int) -> Draws:
    """Return equally weighted draws of a posterior file; refusals as in `read_posterior`."""
    posterior, point = read_posterior(path)
    values = posterior.resampled(count, seed)
    digest = sha256(path.read_bytes()).hexdigest()
    return Draws(posterior.keys, point, tuple(map(tuple, values.tolist())), path.name, digest)
