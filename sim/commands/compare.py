"""A study of some scenarios against a reference, patient by patient under the same luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from sim.commands import explain as explaining
from sim.commands.asked import AnyScenario, Effort, about, effort_of, facts_of, loaded_from, named_apart
from sim.commands.study import Made, Study, request_for, write
from sim.scenario.inherit import Overrides
from sim.scenario.load import Loaded, recalled
from sim.scenario.problems import OtherFiguresWarning, RequestError
from sim.scenario.shipped import Located, shipped_names
from sim.show.comparison import Averted, number_needed
from sim.study.budget import DEFAULT_SEED, Budget
from sim.study.compare import Compared, Side, incomparable, obstacles, solved_otherwise, warn_of_unpaired
from sim.study.compare import compare as compare_scenarios
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import choose_simulator, warn_of_few_replications
from sim.study.named_patients import NamedPatients, name_patients
from sim.study.pairing import FATES_CHANGED
from sim.study.records import addressed, paired_courses
from sim.study.strata import warn_of_small_strata
from sim.work.files import MANIFEST
from sim.work.results import Results, read_results
from sim.work.store import Stores
from sim.work.task import Progress, part


def compare(
    reference: AnyScenario | Results,
    *others: AnyScenario | Results,
    set: Overrides = (),  # noqa: A002 (the option's name)
    trial: int = 1,
    explain: str | bool = False,
    **how: Unpack[Effort],
) -> Results:
    """Compare scenarios with a reference, each endpoint and each patient, under the same luck.

    Parameters
    ----------
    reference, others
        Shipped names, paths, or what `load_scenario` and `with_values` return; or finished runs and their
        folders, which are simulated anew under their own luck, so that patients can be paired.
    set
        Changes of all of them: values by key. Not of finished runs.
    trial
        Number of the virtual trial whose patients are named, from 1.
    explain
        A figure, as ``NAME[@YEARS]``, whose gap is divided among the parameters that differ; true for
        treatment-related mortality.
    how
        See `Effort`.

    Returns
    -------
    Results
        With ``comparison``, ``deaths_averted``, and where patients can be paired ``changed_fates`` and
        ``named_patients``; explained with ``explained`` and ``interactions``.

    Raises
    ------
    RequestError
        Something asked for is wrong; the message says what is allowed.
    """
    endpoint = _figure(explain)
    given = [_run_of(each) or each for each in (reference, *others)]
    runs = [each for each in given if isinstance(each, Results)]
    how = _with_luck_of(runs, how, set)
    loaded = named_apart([_recalled(each) if isinstance(each, Results) else loaded_from(each, set)
                          for each in given])  # fmt: skip
    first = next(iter(loaded.values()))
    budget = effort_of(how, first.scenario)
    if not 1 <= trial <= budget.replications:
        raise RequestError(
            f"--trial: {trial} given; allowed: one of the {budget.replications} replications, counted from 1"
        )
    budget.require_draws(*loaded.values())
    hashes = {name: each.manifest["result_hash"]
              for name, each in zip(loaded, given, strict=True) if isinstance(each, Results)}  # fmt: skip
    _check_explained(loaded, endpoint)
    pair = _Compared(loaded, budget, trial, hashes, endpoint)
    asked = {"trial": trial, **({"explain": endpoint} if endpoint else {})}
    request = request_for("compare", list(loaded.values()), budget, **asked)
    return write(Study("compare", f"{first.folder_name}-compare", request, pair.make, pair.warn), how)


def _figure(explain: str | bool) -> str:
    """Return the figure that is to be explained; empty if none is."""
    named = (explaining.ENDPOINT if explain is True else str(explain)) if explain else ""
    if named in shipped_names() or Path(named or "-").exists():
        raise RequestError(
            f"--explain: {named} given, which is a scenario; allowed: a figure, as NAME[@YEARS]. Write "
            f"--explain last, or --explain={explaining.ENDPOINT}"
        )
    return named


def _check_explained(loaded: Mapping[str, Loaded], endpoint: str) -> None:
    """Refuse to explain what can't be, before anything runs."""
    if not endpoint or len(loaded) < 2:
        return
    try:
        explaining.checked(loaded, endpoint, {})
    except RequestError as error:
        text = str(error).replace("--endpoint ", "").replace("groups: ", "", 1)
        raise RequestError(f"--explain: {text}") from None


def _run_of(given: AnyScenario | Results) -> Results | None:
    """Return the finished run that is given, or whose folder is; None for a scenario."""
    run = given if isinstance(given, Results) else None
    if isinstance(given, (str, Path)) and str(given) not in shipped_names():
        run = read_results(Path(given)) if (Path(given) / MANIFEST).is_file() else None
    if run is not None and (run.kind != "run" or run.draws):
        what = "simulated under draws of a posterior" if run.draws else f"of lupus-hsct {run.kind}"
        raise RequestError(
            f"{_where(run)}: is {what}; allowed: scenarios, and folders of lupus-hsct run without "
            "--posterior. Name its scenarios"
        )
    return run


def _with_luck_of(runs: Sequence[Results], how: Effort, overrides: Overrides) -> Effort:
    """Return how finished runs are compared: with their seed and replications, which must be the same."""
    luck = {(int(run.manifest["seed"]), int(run.manifest["replications"])): run for run in runs}
    if len(luck) > 1:
        told = "; ".join(f"{_where(run)}: seed {seed}, {n:,} replications" for (seed, n), run in luck.items())
        raise RequestError(
            f"compare: the runs differ in their luck ({told}); name runs of the same seed and replications, "
            "or their scenarios, which are then simulated under one luck"
        )
    for seed, replications in luck:
        kept = {"seed": (None, DEFAULT_SEED, seed), "replications": (None, replications)}
        names = ("seed", "replications", "posterior", "draws", "precision", "at_most")
        wrong = [name for name in names if how.get(name) not in kept.get(name, (None,))]
        for name in ["set"] if overrides else wrong[:1]:
            raise RequestError(
                f"--{name.replace('_', '-')}: finished runs are compared as they were, with seed {seed} and "
                f"{replications:,} replications; leave it out, or name scenarios in place of run folders"
            )
        how = {**how, "seed": seed, "replications": replications}
    return how


def _where(run: Results) -> str:
    return str(run.manifest["scenario"] if run.folder is None else run.folder)


def _recalled(run: Results) -> Loaded:
    """Return the scenario of a finished run, called as its folder is."""
    where = _where(run)
    return recalled(Located(Path(where).name, where, Path(where)), run.manifest)


class _Compared:
    """One comparison: the scenarios by name, the reference first; and the hashes of those that were run."""

    def __init__(
        self, loaded: Mapping[str, Loaded], budget: Budget, trial: int, hashes: Mapping[str, str],
        explain: str = "",
    ) -> None:  # fmt: skip
        self._hashes, self._explain = hashes, explain
        self._loaded, self._budget, self._trial = loaded, budget, trial
        self._reference, *self._others = loaded
        base = loaded[self._reference]
        self._sides = {
            name: Side(each.scenario, budget.held_in(each), solved_otherwise(base, each))
            for name, each in loaded.items()
        }

    def make(self, _folder: Path, stores: Stores, progress: Progress | None) -> Made:
        """Simulate, and name the patients of one trial."""
        told = part(self._reference, progress)
        found = compare_scenarios(self._sides, self._budget, told, stores("compare"))
        named = self._named()
        tables, facts = _tables(found, named), self._facts(found)
        if self._explain:
            why, told_of = explaining.explained(
                self._loaded, self._explain, {}, self._budget, stores, progress, self._trial
            )
            tables, facts = {**tables, **why}, {**facts, **told_of}
        return Made(facts, tables, lines=self._courses(named))

    def _named(self) -> dict[str, NamedPatients]:
        """Name the patients of one trial as it was simulated: under draws of a posterior, under the first."""
        played = {name: self._budget.first_of(side.scenario, side.held) for name, side in self._sides.items()}
        simulator, _ = choose_simulator([side.scenario for side in self._sides.values()], self._budget)
        return {
            name: name_patients(
                played[self._reference], played[name], self._trial, self._budget.seed, simulator
            )
            for name in self._others
            if not self._why(obstacles, name)
        }

    def _why(self, reasons: Callable[..., list[str]], name: str) -> list[str]:
        """Return reasons that part a scenario from the reference."""
        side = self._sides[name]
        return reasons(self._sides[self._reference].scenario, side.scenario, side.solved)

    def _courses(self, named: Mapping[str, NamedPatients]) -> dict[str, pd.DataFrame]:
        """Return the courses of those whose fates change, who lives or dies instead first."""
        tables = []
        for name, each in named.items():
            whose = [number - 1 for change in FATES_CHANGED for number in each.of(change)]
            arms = list(zip((self._reference, name), each.histories, strict=True))
            if whose:
                tables.append(paired_courses(name, arms, whose))
        return {"swimmer": pd.concat(tables, ignore_index=True)} if tables else {}

    def _facts(self, found: Compared) -> dict[str, Any]:
        budget = self._budget
        return {
            "reference": self._reference,
            "trial": self._trial,
            **facts_of(budget, found.replications),
            "scenarios": [
                {
                    **about(each, budget.draws),
                    "scenario": name,
                    "unpaired_because": self._why(obstacles, name),
                    "incomparable_because": self._why(incomparable, name),
                    "first_decided": found.first_decided.get(name),
                    "result_hash": found.result_hashes[name],
                    "run_hash": self._hashes.get(name),
                }
                for name, each in self._loaded.items()
            ],
        }

    def warn(self, results: Results) -> None:
        """Warn of few replications, of scenarios, and of what draws do not replace."""
        # Of what single trials can't report nothing is shown here.
        warn_of_few_replications(self._budget.total)
        warn_of_scenarios((side.scenario for side in self._sides.values()), self._budget.seed)
        warn_of_unpaired(self._sides)
        for each in results.manifest["scenarios"]:
            if each["run_hash"] not in (None, each["result_hash"]):
                OtherFiguresWarning.say(
                    f"{each['scenario']}: simulated anew it has other figures than the run, which another "
                    "version or another computer made; run it again to compare the figures that it shows"
                )
        self._budget.warn_of_held(*self._loaded.values())
        warn_of_small_strata(results.table("strata"))


def _tables(found: Compared, named: Mapping[str, NamedPatients]) -> dict[str, pd.DataFrame | None]:
    """Return the tables; a range, or names, only where there are any."""
    averted = found.averted.copy()
    averted["number_needed"] = [number_needed(Averted.of(row)) for row in averted.to_dict("records")]
    listed = [addressed(each.table, scenario=name) for name, each in named.items()]
    return {
        "comparison": found.comparison,
        "deaths_averted": averted,
        "range": found.ranges if len(found.ranges) else None,
        "strata": found.strata if len(found.strata) else None,
        "changed_fates": found.changed if len(found.changed) else None,
        "named_patients": pd.concat(listed, ignore_index=True) if listed else None,
    }
