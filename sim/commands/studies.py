"""Studies: one file, one question, one answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from sim.commands.answers import answered, histories_of, with_answers
from sim.commands.plan import StudyPlan, plan_of
from sim.commands.study import Made, Study, Work, request_for, write
from sim.patient.fates import mean_patients
from sim.scenario.distributions import Floats
from sim.scenario.endpoints import BY_NAME, Key, column, keys, label
from sim.scenario.load import Loaded
from sim.scenario.problems import IncomparableWarning, RequestError
from sim.scenario.shipped import shipped_posteriors
from sim.scenario.study_file import load_study, plain_tree, study_text
from sim.scenario.write import copied
from sim.study.estimates import EXACT, ratios, simultaneous
from sim.study.exact import expected_spots, known_to_twin
from sim.study.load import warn_of_scenarios
from sim.study.montecarlo import warn_of_weak_figures
from sim.study.strata import warn_of_small_strata
from sim.study.sweep import columns_of, measure, moves_most
from sim.work.results import Results
from sim.work.store import Stores
from sim.work.task import Progress, part

STUDY_FILE = "study.toml"
MOST_HISTORIES = 10**9
"""On the command line more want a word of consent."""

# Points of which doing one again costs little, and histories that take no time.
_MANY, _SHORT = 20, 2_000_000


def study(
    file: str | Path,
    *,
    set: Mapping[str, Any] | Sequence[str] = (),  # noqa: A002 (the option's name)
    most_histories: int | None = None,
    **how: Unpack[Work],
) -> Results:
    """Answer the question of a study file.

    Parameters
    ----------
    file
        A path if it has a slash or ends in .toml, else the name of a shipped study.
    set
        Changes of the file: values by key, such as ``effort.replications``.
    most_histories
        More of them are refused; None for as many as it takes.
    how
        See `Work`; seed and effort stand in the file.

    Returns
    -------
    Results
        With ``points``, ``design`` and ``wide``; under draws ``draws`` and ``draw_results``; and a table for
        each answer.

    Raises
    ------
    RequestError
        Something in the file is wrong, or it is too large; the message says what is allowed.
    """
    plan = with_answers(plan_of(load_study(file, set), how))  # type: ignore[arg-type]
    _refuse_too_large(file, plan, most_histories)
    return carry_out(plan, how, plan.name, plan.study.title)


def _refuse_too_large(file: str | Path, plan: StudyPlan, most: int | None) -> None:
    histories = plan.histories + histories_of(plan)
    if most is not None and histories > most:
        raise RequestError(
            f"{file}: {len(plan.spots):,} points x {plan.budget.total:,} trials: {histories:,} histories, "
            f"more than {most:,}; take fewer points, draws or replications, or agree with --yes"
        )


def carry_out(plan: StudyPlan, how: Work, name: str, title: str) -> Results:
    """Do a study and write its folder, or keep it in memory."""
    loaded = list(plan.arms.values())
    request = request_for("study", loaded, plan.budget, study=plain_tree(plan.study), **plan.asked)

    def make(_folder: Path, stores: Stores, progress: Progress | None) -> Made:
        return _Doing(plan, title, stores, progress).made()

    return write(Study("study", name, request, make, lambda found: _warn(plan, found)), how)


class _Doing:
    """A study at work."""

    def __init__(self, plan: StudyPlan, title: str, stores: Stores, progress: Progress | None) -> None:
        self.plan, self.title = plan, title
        self._tell, self._store = part(plan.name, progress), stores("study")
        self._stores, self._progress = stores, progress
        self.strata = pd.DataFrame()

    def made(self) -> Made:
        """Measure every spot, find what moves most, and answer what is asked."""
        plan = self.plan
        points, drawn = self._measured()
        points = points.sort_values("point", kind="stable", ignore_index=True)
        moves = moves_most(points, plan.shown)
        if len(plan.arms) > 2:
            points = _all_at_once(points, len(plan.arms) - 1)
        recomputed = self._recomputed(points) if plan.recompute else None
        shown = [*plan.shown, *([] if moves is None else [moves])]
        facts = {
            **plan.facts(),
            "study": plain_tree(plan.study),
            "exact": sorted({*points.loc[_is_exact(points), "endpoint"]}),
            "simulated": bool((~_is_exact(points)).any()),
            "moves_most": None if moves is None else column(moves),
            "recomputed": recomputed,
            "apart": plan.apart,
        }
        facts["resolved"]["title"] = self.title
        if not facts["simulated"]:
            facts["replications"] = 0
        tables: dict[str, pd.DataFrame | None] = {
            "design": _design(plan), "points": points, "wide": wide(points, list(plan.rows[0]), shown),
        }  # fmt: skip
        if len(self.strata):
            tables["strata"] = self.strata.sort_values("point", kind="stable", ignore_index=True)
        draws, rows = plan.budget.draws, {}
        if draws is not None:
            tables["draws"] = pd.DataFrame(
                {"draw": np.arange(len(draws.values)) + 1, "weight": 1.0,
                 **dict(zip(draws.keys, map(list, zip(*draws.values, strict=True)), strict=True))}
            )  # fmt: skip
            rows["draw_results"] = drawn[drawn["endpoint"].isin([column(key) for key in shown])]
        whole = replace(plan, budget=replace(plan.budget, by=()))  # answers are of everybody
        for answer in plan.study.answer:
            found, told = answered(answer, whole, self._stores, self._progress)
            tables |= found
            facts |= told
        return Made(facts, tables, rows=rows, texts=_texts(plan))

    def _measured(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the endpoints at every spot, exact where they can be, and the same of each draw."""
        plan, asked = self.plan, self.plan.study.effort.engine
        exact, drawn = pd.DataFrame(), pd.DataFrame()
        if plan.by_twin:
            exact, figures = expected_spots(plan.spots, plan.budget.draws, self._tell)
            drawn = _drawn_exactly(figures) if plan.budget.draws else drawn
            unknown = [column(key) for key in plan.shown if not known_to_twin(key, figures)]
            unknown += ["strata"] if plan.budget.by else []
            if not unknown:
                return exact, drawn
        if asked == "exact":
            why = "a place is limited, so that a queue may bind"
            if plan.no_queue:
                why = f"the exact twin does not tell {', '.join(unknown)}"
            raise RequestError(
                f'{plan.where}: effort.engine = "exact": {why}; write engine = "auto", or leave it out'
            )
        found, _, sums, self.strata = measure(plan.spots, plan.budget, self._tell, self._store)
        simulated = _drawn_by_simulation(plan, sums) if plan.budget.draws else pd.DataFrame({"endpoint": []})
        known = {*exact["endpoint"]} if len(exact) else set()
        rest = found[~found["endpoint"].isin(known)]
        if not len(exact):
            return rest, simulated
        rest_drawn = simulated[~simulated["endpoint"].map(lambda text: text.partition("@")[0] in known)]
        return pd.concat([exact, rest], ignore_index=True), pd.concat([drawn, rest_drawn], ignore_index=True)

    def _recomputed(self, points: pd.DataFrame) -> dict[str, Any] | None:
        """Do one point again, alone, and tell whether it is the same to the bit; None if that takes long."""
        number = len(self.plan.spots) // 2
        histories = 2 * mean_patients(self.plan.spots[number].side.scenario) * self.plan.budget.total
        if not _is_exact(points).all() and len(self.plan.spots) < _MANY and histories > _SHORT:
            return None
        alone = replace(self.plan, spots=[self.plan.spots[number]])
        found, _ = _Doing(alone, "", lambda _part: None, None)._measured()
        before = points[points["point"] == number + 1]
        shared = [name for name in before if name in found and name not in self.plan.rows[0]]
        return {
            "point": number + 1,
            "equal": bool(before[shared].reset_index(drop=True).equals(found[shared])),
        }


def _all_at_once(points: pd.DataFrame, comparisons: int) -> pd.DataFrame:
    """Add the intervals of differences from the first arm that hold for all arms at once."""
    change, lower, upper = (points[f"difference{end}"] for end in ("", "_lower", "_upper"))
    low, high = simultaneous(change, lower, upper, comparisons)
    return points.assign(all_lower=low, all_upper=high)


def _is_exact(points: pd.DataFrame) -> pd.Series:
    return points["note"].str.contains(EXACT, na=False)


def _design(plan: StudyPlan) -> pd.DataFrame:
    rows = [{"point": number, **columns_of(row)} for number, row in enumerate(plan.rows, start=1)]
    return pd.DataFrame(rows)


def wide(points: pd.DataFrame, names: Sequence[str], shown: Sequence[Key]) -> pd.DataFrame:
    """Return one row a point and one column an endpoint, for a spreadsheet: shares in per cent.

    The endpoints shown come first, each with its limits and its change from the reference.
    """
    read = points.assign(
        key=[_head(*each) for each in zip(points["endpoint"], points["time_years"], strict=True)]
    )
    limits = ("posterior_lower", "posterior_upper") if "posterior_lower" in read else ("mc_lower", "mc_upper")
    parts = {"": "estimate", ", lower": limits[0], ", upper": limits[1], ", change": "difference"}
    times = np.where([BY_NAME[name].kind == "share" for name in read["endpoint"]], 100.0, 1.0)
    columns: dict[str, pd.Series] = {}
    first = [_head(name, math.nan if time is None else time) for name, time in shown]
    for key in dict.fromkeys([*first, *read["key"]]):
        rows = read["key"] == key
        for ending, part_ in parts.items() if key in first else [("", "estimate")]:
            values = (read[part_] * times)[rows]
            columns[f"{key}{ending}"] = pd.Series(values.to_numpy(), index=read.loc[rows, "point"])
    head = read.drop_duplicates("point").set_index("point")[list(names)]
    return pd.concat([head, pd.DataFrame(columns)], axis=1).reset_index()


def _head(name: str, time: float) -> str:
    endpoint = BY_NAME[name]
    unit = "%" if endpoint.kind == "share" else endpoint.unit
    return f"{label((name, None if math.isnan(time) else time))}{f' ({unit})' if unit else ''}"


def _drawn_exactly(figures: Sequence[Mapping[Key, Floats]]) -> pd.DataFrame:
    """Return every figure at every spot under every draw, which the twin knows without error."""
    parts = [(number, *each) for number, own in enumerate(figures, start=1) for each in own.items()]
    means = np.concatenate([values for *_, values in parts])
    table = _by_draw(len(parts[0][2]), [each[0] for each in parts], [column(each[1]) for each in parts])
    return table.assign(mean=means, inner_se=0.0)


def _drawn_by_simulation(plan: StudyPlan, sums: Sequence[Floats]) -> pd.DataFrame:
    """Return the sums of every figure at every spot under every draw, with means and their errors."""
    read = [keys(spot.side.scenario.follow_up.horizon_years) for spot in plan.spots]
    flat = np.concatenate([own.swapaxes(0, 1).reshape(-1, own.shape[-1]) for own in sums])
    value, error = ratios(flat)
    numbers = [number for number, each in enumerate(read, start=1) for _ in each]
    table = _by_draw(len(sums[0]), numbers, [column(key) for each in read for key in each])
    return table.assign(n=flat[:, 2], sum=flat[:, 1], mean=value, inner_se=error)


def _by_draw(draws: int, points: Sequence[int], endpoints: Sequence[str]) -> pd.DataFrame:
    """Return the address of each row: point and endpoint, each under every draw."""
    return pd.DataFrame(
        {"point": np.repeat(points, draws), "draw": np.tile(np.arange(draws) + 1, len(points)),
         "endpoint": np.repeat(np.array(endpoints, dtype=object), draws)}
    )  # fmt: skip


def _texts(plan: StudyPlan) -> dict[str, str]:
    """Return the files from which the folder can be made again, on any machine."""
    file, changed = plan.study, dict[str, Any]()
    texts: dict[str, str] = {}

    def kept(name: str, loaded: Loaded) -> str:
        called, files = copied(loaded, name)
        texts.update(files)
        return called

    if file.arm:
        numbered = enumerate(zip(file.arm, plan.arms.values(), strict=True), start=1)
        arms = [
            arm.model_copy(update={"scenario": kept(f"arm-{number}", loaded)})
            for number, (arm, loaded) in numbered
        ]
        changed |= {"arm": arms, "base": arms[0].scenario}
    else:
        changed["base"] = kept("base", plan.loaded)
    if file.effort.posterior and file.effort.posterior not in shipped_posteriors():
        texts["posterior.csv"] = Path(plan.posterior).read_text("utf-8")
        changed["effort"] = file.effort.model_copy(update={"posterior": "./posterior.csv"})
    if file.design.file:
        changed["design"] = file.design.model_copy(update={"file": "design.csv"})
    return {STUDY_FILE: study_text(file.model_copy(update=changed)), **texts}


def _warn(plan: StudyPlan, results: Results) -> None:
    """Warn of weak figures, of scenarios, of points that are no alternatives, of what draws leave."""
    budget, points = plan.budget, results.tables["points"]
    simulated = points[~_is_exact(points)]
    if len(simulated):
        warn_of_weak_figures(simulated, budget.total)
    warn_of_small_strata(results.table("strata"))
    warn_of_scenarios((each.side.scenario for each in plan.spots), budget.seed)
    if plan.apart:
        IncomparableWarning.say(
            f"{plan.loaded.name}: not every point is an alternative to the reference: {plan.apart[0]}. "
            "Other people, or another day to count from, make a difference that no treatment has made"
        )
    budget.warn_of_held(plan.loaded, swept=plan.keys)
