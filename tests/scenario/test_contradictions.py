"""Figures that can't all be true of the same patients are refused, in targets and in cohorts alike."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sim.scenario.cohort import load_cohort
from sim.scenario.contradictions import contradictions
from sim.scenario.endpoints import BY_NAME
from sim.scenario.load import load
from sim.scenario.problems import RequestError
from sim.scenario.schema import Scenario
from sim.scenario.shipped import shipped_names

Rows = list[tuple[str, float | None, float]]

WRONG: dict[str, tuple[Rows, tuple[int, ...]]] = {
    "survival that rises": ([("overall_survival", 2, 0.80), ("overall_survival", 3, 0.88)], (1, 2)),
    "also unsorted": ([("overall_survival", 3, 0.88), ("overall_survival", 2, 0.80)], (1, 2)),
    "an incidence that falls": ([("relapse_incidence", 2, 0.6), ("relapse_incidence", 3, 0.3)], (1, 2)),
    "more free of disease than alive": (
        [("overall_survival", 3, 0.8), ("disease_free_survival", 5, 0.9)], (1, 2)),
    "parts above the whole": ([("disease_free_survival", 2, 0.7), ("relapse_incidence", 2, 0.6)], (1, 2)),
    "had it before": (
        [("relapse_incidence", 1, 0.6), ("overall_survival", 1, 0.9), ("disease_free_survival", 3, 0.5)],
        (1, 3)),
    "three parts": (
        [("relapse_incidence", 2, 0.4), ("no_response", 2, 0.4), ("death_without_relapse", 1, 0.4)],
        (1, 2, 3)),
    "died and alive": ([("death_without_relapse", 1, 0.3), ("overall_survival", 2, 0.8)], (1, 2)),
    "a part of the treatment's deaths": (
        [("treatment_related_mortality", None, 0.02), ("transplant_related_mortality", None, 0.05)], (1, 2)),
}  # fmt: skip

RIGHT: dict[str, Rows] = {
    "rounded up": [("overall_survival", 2, 0.80), ("overall_survival", 3, 0.81)],
    "all of them": [("disease_free_survival", 2, 0.405), ("relapse_incidence", 2, 0.6)],
    "relapse later": [("disease_free_survival", 2, 0.7), ("relapse_incidence", 5, 0.6)],
    "of others": [("overall_survival", 2, 0.7), ("disease_free_survival_enrolled", 2, 0.8)],
}


def file_of(kind: str, rows: Rows) -> str:
    if kind == "cohort":
        head = 'kind = "cohort"\nbase = "chicago2006"\ntitle = "t"\nsource = "read off"\n'
    else:
        head = 'kind = "scenario"\nbase = "chicago2006"\ntitle = "t"\nalternative = []\n'
    listed = "observed" if kind == "cohort" else "target"
    tables = (
        f'[[{listed}]]\nendpoint = "{name}"\nvalue = {value}\nsource = "read off"\n'
        + ("" if time is None else f"time_years = {time}\n")
        for name, time, value in rows
    )
    return head + "".join(tables)


@pytest.mark.parametrize("kind", ["scenario", "cohort"])
@pytest.mark.parametrize("case", WRONG)
def test_the_contradicting_rows_are_named(kind: str, case: str, tmp_path: Path) -> None:
    rows, named = WRONG[case]
    path = tmp_path / "mine.toml"
    path.write_text(file_of(kind, rows))
    with pytest.raises(RequestError) as refused:
        (load_cohort if kind == "cohort" else load)(str(path))
    first = str(refused.value).splitlines()[0]
    assert first.startswith(str(path))
    listed = "observed" if kind == "cohort" else "target"
    assert {n for n in range(1, len(rows) + 1) if f"[[{listed}]] number {n}," in first} == {*named}


@pytest.mark.parametrize("case", RIGHT)
def test_what_may_be_true_is_taken(case: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(file_of("cohort", RIGHT[case]))
    assert len(load_cohort(str(path)).figures) == len(RIGHT[case])


def test_what_the_twin_expects_never_contradicts_itself() -> None:
    from sim.outcomes.twin.expected import expected

    def figures(scenario: Scenario) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(endpoint=name, time_years=time, value=value, rounded_to=0.0)
            for (name, time), value in expected(scenario).items()
            if BY_NAME[name].kind == "share"
        ]

    told = [figures(load(name).scenario) for name in shipped_names() if name != "open_clinic"]
    assert all(told)
    assert not [text for each in told for text in contradictions("target", each)]
