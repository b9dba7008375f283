"""A question is an address and a file: either opens as the same."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.app.question import asked_by, question
from sim.app.server import shelf_of
from sim.scenario.load import load

VALUES = st.fixed_dictionaries(
    {},
    optional={
        "aplasia.infection.ward_relative_risk": st.floats(0.5, 3.0),
        "recovery.duration_days.mean": st.floats(10.0, 60.0),
        "clinic.isolation_rooms": st.integers(1, 9),
        "cohort.patients": st.integers(20, 80),
        "follow_up.horizon_years": st.floats(1.0, 9.0),
    },
)


@given(VALUES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_downloaded_file_opens_as_its_question(tmp_path: Path, values: dict[str, float]) -> None:
    shelf = shelf_of()
    asked = question([("of", "chicago2006"), *((key, f"{value!r}") for key, value in values.items())], shelf)
    (tmp_path / "scenario.toml").write_text(asked.toml, "utf-8")
    again = asked_by(load(str(tmp_path / "scenario.toml")), shelf_of(str(tmp_path / "scenario.toml")))
    assert again is not None
    assert again.address == asked.address
    assert again.changed.scenario == asked.changed.scenario


def test_a_centre_of_its_own_is_no_question_about_another(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'kind = "scenario"\nbase = "chicago2006"\ntitle = "Our centre"\nrelapse.shape = 0.5\n', "utf-8"
    )
    shelf = shelf_of(str(own))
    assert asked_by(shelf["own"], shelf) is None
    assert asked_by(shelf["chicago2006"], shelf) is None
