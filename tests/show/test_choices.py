"""What is told of a choice under what is not known: words, bounds, pictures, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.text import Text

import sim
from sim.scenario.problems import FewDrawsWarning, NoisyDrawsWarning, RequestError
from sim.show import chances, studied, worth
from sim.show.figures import probability, value_of_information

ALIVE = "overall_survival_enrolled@5"
BOTH = [{"kind": "probability", "endpoint": ALIVE}, {"kind": "value_of_information", "endpoint": ALIVE}]


def asked(**more: Any) -> sim.Results:
    return sim.study("worth_isolating", set={"effort.draws": 24, "answer": BOTH, **more})


@pytest.fixture(scope="module")
def exact() -> sim.Results:
    with pytest.warns(FewDrawsWarning, match="set effort.draws to 100"):
        return asked()


def test_a_probability_is_told_with_what_it_is_given(exact: sim.Results) -> None:
    said = " ".join(chances.found_sentences(exact) + chances.given_sentences(exact))
    assert said.startswith("The probability that isolation saves lives, against ordinary ward, is ")
    assert "averts at least 1 death per 100, less than " in said
    assert "what is assumed about aplasia infection ward relative risk" in said
    assert "24 more assumptions are held" in said
    assert (
        exact.tables["probability"]["counted"].tolist() == exact.tables["probability"]["probability"].tolist()
    )
    assert [each.name for each in studied.answers(exact)] == ["probability", "value_of_information"]


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((0.633, 0.603, 0.662), "63% (60 to 66%)"),
        ((0.993, 0.976, 0.998), "99.3% (97.6 to 99.8%)"),
        ((0.0, 0.0, 0.0038), "less than 0.4%"),
        ((1.0, 0.9962, 1.0), "more than 99.6%"),
        ((1e-5, 0.0, 0.05), "less than 5%"),
        ((float("nan"),) * 3, "not known"),
    ],
)
def test_no_limit_is_written_as_none_or_all_that_is_not(figures: tuple[float, ...], text: str) -> None:
    names = ("probability", "probability_lower", "probability_upper")
    assert chances.probability_text(dict(zip(names, figures, strict=True))) == text


def test_what_is_not_told_from_nothing_is_a_bound(exact: sim.Results) -> None:
    read = worth.worths(exact)
    assert read[0]["what"] == "evpi"
    assert all(row["upper"] > 0 for row in read)
    assert (
        worth.worth_text({"what": "evppi", "value": 0.01, "lower": 0.0, "upper": 0.0341}) == "less than 0.035"
    )
    assert worth.known({"what": "trial", "patients": 200.0}) == "a trial of 200 in each arm"
    said = " ".join(worth.found_sentences(exact))
    assert said.startswith("Deciding now for isolation loses ")
    assert "Not in it: prices" in said


def test_both_are_drawn_with_their_sentence_as_title(exact: sim.Results) -> None:
    for draw, sentence in (
        (probability.of_study, chances.found_sentences(exact)[0]),
        (value_of_information.of_study, worth.found_sentences(exact)[0]),
    ):
        figure = draw(exact)
        assert figure is not None
        assert " ".join(figure.get_suptitle().split()) == sentence
        words = " ".join(" ".join(text.get_text().split()) for text in figure.findobj(Text))
        assert "24 " in words


@pytest.mark.filterwarnings("ignore")
def test_simulated_draws_are_told_with_what_their_noise_does() -> None:
    with pytest.warns(NoisyDrawsWarning, match="is Monte Carlo error of 2 trials each"):
        found = asked(**{"effort.engine": "simulated", "effort.replications": 2})
    table = found.tables["probability"]
    assert (table["reliability"] < 0.5).all()
    assert (table["tied"] > 0.3).any()
    said = " ".join(chances.scatter_sentences(found))
    assert "is not Monte Carlo error" in said or "nothing that draws differ by" in said
    assert "within error" in [column.heading for column in chances.table(found).columns]


@pytest.mark.filterwarnings("ignore")
def test_where_draws_agree_shares_of_variance_are_told() -> None:
    wide = {"aplasia.infection.ward_relative_risk": {"dist": "lognormal", "median": 6.0, "sigma": 0.2}}
    drawn = [{"key": key, "value": value, "arm": "ordinary ward"} for key, value in wide.items()]
    found = asked(uncertain=drawn)
    said = " ".join(worth.found_sentences(found))
    assert "All 24 draws agree on isolation" in said
    assert "in less than 13%, 95%" in said
    assert "share of the variance" in said
    assert value_of_information.of_study(found) is not None


@pytest.mark.filterwarnings("ignore")
def test_other_people_are_no_treatment_and_alternative() -> None:
    arms = [
        {"name": "Chicago"},
        {"name": "older", "set": {"cohort.age_years": {"dist": "fixed", "value": 60}}},
    ]
    with pytest.raises(RequestError, match="nobody chooses between them"):
        asked(arm=arms, uncertain=[])
    found = asked(arm=arms, uncertain=[], answer=BOTH[:1])
    said = " ".join(chances.found_sentences(found))
    assert "saves lives" not in said
    assert "older and Chicago are no treatment and alternative" in said


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"uncertain": [], "effort.posterior": ""}, "nothing unknown in this study: state effort.posterior"),
        ({"answer": [{"kind": "probability", "endpoint": "mean_follow_up"}]}, "neither good nor bad"),
        ({"answer": [{**BOTH[0], "margins": [5.0]}]}, "margins = 5.*5% is 0.05"),
        ({"answer": [{**BOTH[1], "keys": ["relapse.shap"]}]}, "keys: relapse.shap: .*did you mean relapse"),
        ({"answer": [{**BOTH[1], "groups": {"lupus": []}}]}, "groups.lupus: is empty"),
    ],
    ids=["nothing unknown", "neither good nor bad", "a percentage", "a key", "an empty group"],
)  # fmt: skip
def test_what_can_not_be_told_is_refused_before_anything_runs(changes: dict[str, Any], refused: str) -> None:
    with pytest.raises(RequestError, match=refused):
        asked(**changes)
