"""What is told of a study beside its figures: above all, what its intervals leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.show import studied

LEFT_OUT = "What is not known about the values that are not varied is in none of these figures"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("draws", "held"),
    [
        ({"effort.posterior": ""}, None),
        ({"effort.draws": 2}, {"mobilisation.infection.case_fatality", "aplasia.infection.case_fatality"}),
    ],
    ids=["calibrated values alone", "draws"],
)
def test_what_the_intervals_leave_out_is_told(
    draws: dict[str, object], held: set[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = studied.how(sim.study("centre_experience", set=draws))
    never = [each for each in said if each.startswith("Never drawn")]
    assert any(LEFT_OUT in each for each in said) is (held is None)
    assert len(never) == (held is not None)
    assert all(key in never[0] for key in held or ())
