"""The app's page says what the answer says, can be used by everybody, and carries nothing that leaves."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pages import Page

from sim.app import drawn
from sim.app.answer import FATES, AnswerShown, LaneShown, RowShown, SideShown
from sim.app.controls import controls, presets
from sim.app.page import answer_html, finding, page_html, refused_html, static_files
from sim.app.question import Question, question
from sim.scenario.load import load
from sim.show.kit import looks, style
from sim.show.kit.prose import declared

HAZARD, ROOMS = "aplasia.infection.hazard_per_day", "clinic.isolation_rooms"
SHELF = {name: load(name) for name in ("chicago2006", "open_clinic")}
CHANGE = ("aplasia infection hazard", "0.0087 per day", "0.05 per day")
AS_IT_IS = {"remission": 52, "active": 30, "treatment": 2, "lupus": 12, "background": 4}
WORSE = {"remission": 50, "active": 29, "treatment": 5, "lupus": 12, "background": 4}


def asked(*pairs: tuple[str, str]) -> Question:
    return question(pairs, SHELF)


def side(title: str, counts: dict[str, int], hazard: float = 0.04) -> SideShown:
    years = np.linspace(0, 5, 241)
    per = sum(counts.values())
    shares = {fate: count / per for fate, count in counts.items()}
    return SideShown(title, shares, counts, years, np.exp(-hazard * years), {})


def made_up(**other: Any) -> AnswerShown:
    lane = LaneShown(
        7,
        [(0, 70, "mobilising"), (70, 1826.25, "remission")],
        [(0, 70, "mobilising"), (70, 90, "aplasia"), (90, 90, "infection")],
        "Patient 7 dies of infection on day 90 instead of living on.",
    )
    row = RowShown("Alive of all enrolled", "82.0%", "79.0%", "−3.0", "±0.2", "80% to 84%", "71% to 92%")
    facts: dict[str, Any] = {
        "years": 5.0, "per": 100,
        "base": side("Chicago", AS_IT_IS), "changed": side("Chicago, changed", WORSE),
        "rows": [row, RowShown("Treatment-related mortality", "2.0%", "5.0%", "+3.0")],
        "words": ["3 more of 100 die."], "lanes": [lane], "trial_size": 50, "changes": [CHANGE],
        "cautions": ["Outside the published range."], "exact": True,
    }  # fmt: skip
    return AnswerShown(**(facts | other))


def unchanged() -> AnswerShown:
    base = side("Chicago", AS_IT_IS)
    return made_up(base=base, changed=base, lanes=[], changes=[])


@cache
def text_of(kind: str) -> str:
    """Return a page as it is asked for first, or with changes: of a number, and of a word to a number."""
    if kind == "base":
        return page_html(asked(), controls(asked()), unchanged(), "token-1", presets(SHELF))
    about = asked((HAZARD, "0.05"), (ROOMS, "3"), ("trial", "3"))
    return page_html(about, controls(about), made_up(changes=[CHANGE] * 2), "token-1", presets(SHELF))


KINDS = ("base", "changed")


class Labels(HTMLParser):
    """What is named by a `label` around or elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.named: set[str | None] = set()
        self.inputs: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        if tag == "label":
            self.named.add(held["for"])
        if tag in ("input", "select", "textarea") and held.get("type") != "hidden":
            self.inputs.append((tag, held))


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_whole_and_small(kind: str) -> None:
    page = Page(text_of(kind))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    described = [held["aria-describedby"] for _, held in page.elements if "aria-describedby" in held]
    assert described
    assert set(described) <= set(ids)
    assert len(text_of(kind).encode()) < 200_000
    assert all(word in page.text for word in list(declared("glossary"))[:5])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_runs_leaves_or_is_styled_in_place(kind: str) -> None:
    page = Page(text_of(kind))
    assert page.all("style") == []
    names = {name for _, held in page.elements for name in held}
    assert [name for name in names if name == "style" or name.startswith("on")] == []
    assert [held.get("src") for held in page.all("script")] == ["/static/app.js"]
    assert "".join(page.texts.get("script", [])).strip() == ""
    addresses = [
        str(held[name]) for _, held in page.elements for name in ("href", "src", "action") if name in held
    ]
    assert addresses
    assert all(re.match(r"/(?!/)|#|data:,$", each) for each in addresses), addresses
    assert all("http" not in text for text in (static_files()["app.css"], text_of(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_has_a_label_and_every_picture_words(kind: str) -> None:
    labels = Labels(text_of(kind))
    assert len(labels.inputs) > 80
    for tag, held in labels.inputs:
        assert held["id"] in labels.named or held.get("aria-label"), (tag, held)
    for name, held in Page(text_of(kind)).elements:
        if name == "svg" and "role" in held:
            assert held["aria-label"]


def test_controls_stand_where_the_question_put_them_and_know_the_base() -> None:
    page = Page(text_of("changed"))
    stages = controls(asked((HAZARD, "0.05"), (ROOMS, "3"))).stages
    every = {each.key: each for _, stage in stages for each in stage}
    boxes = {str(held["data-key"]): held for held in page.all("div") if held.get("class") == "control"}
    assert set(boxes) == set(every)  # each of them once: no address that names one twice comes of the form
    fields = {held["name"]: held for held in page.all("input") if held.get("type") == "text"}
    sliders = {str(held["id"])[2:]: held for held in page.all("input") if held["type"] == "range"}
    for key, each in every.items():
        stops = str(boxes[key]["data-stops"]).split(" ")
        assert tuple(stops) == each.stops
        assert stops[int(str(boxes[key]["data-at"]))] == each.stops[each.at]
        if each.scale != "words":
            assert fields[key]["value"] == each.stops[each.now]
            assert sliders[key]["value"] == str(each.now)
    assert (fields[HAZARD]["value"], fields[ROOMS]["value"]) == ("0.05", "3")
    assert "no stated range" in page.text


def test_a_form_without_script_asks_the_same() -> None:
    page = Page(text_of("changed"))
    sent = [(str(held["name"]), str(held["value"])) for held in page.all("input") if "name" in held]
    about = asked((HAZARD, "0.05"), (ROOMS, "3"), ("trial", "3"))
    every = [each for _, stage in controls(about).stages for each in stage]
    words = [(each.key, each.stops[each.now]) for each in every if each.scale == "words"]
    assert {key for key, _ in words} == {held["name"] for held in page.all("select")}
    assert question([*sent, *words], SHELF).address == about.address


def icons_in(text: str) -> list[dict[str, int]]:
    """Count icons, array by array: each begins a path anew."""
    arrays = re.findall(r'<svg class="icons.*?</svg>', text, re.DOTALL)
    paths = [re.findall(r'id="\w+-(\w+)" d="([^"]*)"', array) for array in arrays]
    return [{fate: path.count("M") for fate, path in array} for array in paths]


@pytest.mark.parametrize("per", [100, 1000])
def test_icons_are_as_many_as_the_answer_counts_each_in_a_place_of_its_own(per: int) -> None:
    counts = {fate: count * per // 100 for fate, count in AS_IT_IS.items()}
    more = {"waiting": 3, **{fate: count * per // 100 for fate, count in WORSE.items()}}
    more["remission"] -= 3
    answer = made_up(per=per, base=side("a", counts), changed=side("b", more))
    text = answer_html(asked((HAZARD, "0.05")), answer)
    assert icons_in(text) == [counts, more]
    for one in (answer.base, answer.changed):
        path = "".join(each.path for each in drawn.icons(one, answer.base, per))
        places = re.findall(r"M(\d+) (\d+)", path)
        assert len(places) == len(set(places)) == per
        assert max(int(x) for x, _ in places) < drawn.CELL * drawn.columns(per)
        assert max(int(y) for _, y in places) < drawn.CELL * per // drawn.columns(per)
    assert set(drawn.ORDER) == set(FATES)
    assert len(text.encode()) < 60_000
    page = Page(text)
    assert f"What becomes of {per:,} enrolled, 5 years after the decision" in page.text
    assert f"dead of the treatment, {3 * per // 100} more" in page.text


def test_the_head_line_counts_the_living_and_decimals_stand_on_demand() -> None:
    assert finding(made_up()) == "79 of 100 are alive 5 years after the decision, instead of 82."
    assert finding(unchanged()) == "82 of 100 are alive 5 years after the decision."
    same = made_up(changed=replace(side("b", AS_IT_IS), shares={"remission": 0.5243, "active": 0.3}))
    assert finding(same) == "82 of 100 are alive 5 years after the decision, as it is and as it is changed."
    assert finding(same, decimals=True).startswith("82.4 of 100 are alive 5 years after the decision, ins")
    others = "82 of 100 are alive 5 years after the decision as it is, and 79 of others as it is changed."
    assert finding(made_up(apart=True)) == others
    assert "3 more" not in answer_html(asked((HAZARD, "0.05")), made_up(apart=True, words=[]))
    plain = answer_html(asked((HAZARD, "0.05")), made_up())
    exact = answer_html(asked((HAZARD, "0.05"), ("decimals", "yes")), made_up())
    assert '<span class="count">50</span>' in plain
    assert '<span class="count">50.0</span>' in exact
    assert "decimals=yes" in plain
    assert "decimals=yes" not in re.findall(r'id="decimals" href="([^"]*)"', exact)[0]


def test_a_fragment_says_all_five_views_with_their_years_and_what_it_rests_on() -> None:
    page = Page(answer_html(asked((HAZARD, "0.05")), made_up()))
    heads = [text for text in page.texts["h3"] if text.strip()]
    assert len(heads) == 5
    assert all("5 years" in text for text in heads)
    for said in ("Not a prediction for one patient", "Outside the published range.", "3 more of 100 die.",
                 "Patient 7 dies of infection", "80% to 84%", "71% to 92%", "±0.2"):  # fmt: skip
        assert said in page.text
    assert "0.05 per day instead of 0.0087 per day" in page.text
    assert "reset" in page.texts["a"]
    alone = Page(answer_html(asked(), unchanged()))
    assert "Changed" not in alone.texts["th"]
    assert "Move a control" in alone.text
    rough = replace(unchanged(), exact=False, trials=1200, more={"unfinished": True})
    simulated = Page(answer_html(asked(), rough))
    assert "Simulated: 1,200 virtual trials so far, more to come" in simulated.text
    assert [held["data-unfinished"] for held in simulated.all("section") if held.get("id") == "answer"] == [
        "yes"
    ]


def test_links_ask_what_they_say() -> None:
    text = answer_html(asked((HAZARD, "0.05"), (ROOMS, "3"), ("trial", "2")), made_up(changes=[CHANGE] * 2))
    links = {held.get("id"): str(held.get("href")) for held in Page(text).all("a")}
    assert links[f"reset-{HAZARD}"] == "/?of=chicago2006&clinic.isolation_rooms=3&trial=2"
    assert links["reset-all"] == "/?of=chicago2006&trial=2"
    assert links["another"].endswith("&trial=3")
    last = answer_html(asked((HAZARD, "0.05"), ("trial", "10000")), made_up())
    assert "trial" not in next(h["href"] or "" for h in Page(last).all("a") if h.get("id") == "another")


def test_curves_end_where_the_figures_do_and_their_names_stand_apart() -> None:
    years, alive = np.linspace(0, 8, 1000), np.linspace(1, 0.2, 1000)
    line = drawn.Plotted("base", years, alive, (alive - 0.1, alive), "As it is", "50%")
    made = drawn.chart([line], 5.0, 1.0, share=True)
    points = [tuple(map(float, point.split())) for point in made.lines[0].path.removeprefix("M").split("L")]
    assert made.levels[0] == ("0%", 100)
    assert made.levels[-1] == ("100%", 0)
    assert made.marks[-1] == ("5", 100)
    assert points[0] == (0, 0)
    assert points[-1] == pytest.approx((1000, 500), abs=2)
    assert len(points) <= 81
    assert made.lines[0].band.count("L") == 2 * len(points) - 1
    for ends in ([0.84, 0.84], [0.84, 0.8], [1.0, 1.0], [0.0, 0.0], [0.9, 0.3]):
        upper, lower = drawn.label_places(ends)
        assert 0 <= upper < lower <= 100
        assert lower - upper >= 17
    assert drawn.label_places([0.8, 0.84])[0] > drawn.label_places([0.8, 0.84])[1]
    assert [drawn.round_top(most) for most in (0.5, 3.2, 4, 5, 61, 68, 250)] == [1, 4, 4, 8, 80, 80, 400]
    assert drawn.ticks(5.0) == [0, 1, 2, 3, 4, 5]
    assert drawn.ticks(20.0) == [0, 4, 8, 12, 16, 20]
    assert drawn.ticks(1.5) == [0, 0.5, 1, 1.5]


def test_a_clinic_shows_how_full_it_is_and_not_what_is_never_there() -> None:
    days = np.linspace(0, 730.5, 50)
    told = [
        SimpleNamespace(what=what, places=places, days=days, mean=mean, low=0 * mean, high=2 * mean)
        for what, places, mean in (("rooms_in_use", 5, days / 200), ("slot_queue", None, 0 * days))
    ]
    answer = made_up(exact=False, trials=160, more={"clinics": [told, told], "unfinished": True})
    text = answer_html(asked((HAZARD, "0.05")), answer)
    page = Page(text)
    assert page.texts["h4"] == ["Rooms in use, over 2 years"]
    assert "3.7 of 5" in page.text
    assert "unfinished" in text
    assert "Rooms in use" not in answer_html(asked((HAZARD, "0.05")), made_up())


def test_lanes_have_one_clock_and_room_for_all_that_happens() -> None:
    pair = drawn.lanes(made_up())[0]
    assert pair.sides[0][-1].begin + pair.sides[0][-1].width == pytest.approx(100)
    assert (pair.sides[1][-1].what, pair.sides[1][-1].width) == ("infection", 0)
    many = made_up(lanes=[made_up().lanes[0]] * 30)
    text = Page(answer_html(asked((HAZARD, "0.05")), many)).text
    assert f"And {30 - drawn.MOST_LANES} more." in text
    nobody = answer_html(asked((HAZARD, "0.05")), made_up(lanes=[]))
    assert "Nobody is named" in nobody


def test_whatever_others_wrote_is_text() -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=1>"
    base = load("chicago2006")
    shown = replace(base, scenario=base.scenario.model_copy(update={"title": evil}))
    about = question([(HAZARD, "0.05")], {evil: shown})
    answer = made_up(
        changed=side(evil, WORSE), words=[evil], cautions=[evil], rows=[RowShown(*[evil] * 7)],
        lanes=[replace(made_up().lanes[0], words=evil)],
    )  # fmt: skip
    text = page_html(about, controls(about), answer, evil, presets({evil: shown}))
    text += refused_html(evil, whole=True)
    assert "<img" not in text
    assert text.count("<script") == 1
    assert "&lt;script&gt;" in text
    assert Page(refused_html(evil)).text.startswith("Not asked.")


def colours(sheet: str) -> tuple[dict[str, str], dict[str, str]]:
    """Read the variables of a style sheet: by day and by night."""
    screen = sheet.replace(sheet[sheet.index("@media print") : sheet.index("/* What the app")], "")
    screen = screen[: screen.rindex("@media print")]
    nights = re.findall(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", screen, re.DOTALL)
    days = re.findall(r"^:root \{(.*?)\}", screen, re.DOTALL | re.MULTILINE)
    assert len(nights) == len(days) == 2
    day, night = (dict(re.findall(r"--([\w-]+): (#\w+)", " ".join(parts))) for parts in (days, nights))
    return day, day | night


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_letters_and_icons_can_be_seen_by_day_and_by_night(scheme: int) -> None:
    assert contrast("#fff", "#000") == pytest.approx(21)
    named = colours(static_files()["app.css"])[scheme]
    found = SimpleNamespace(**{name.replace("-", "_"): colour for name, colour in named.items()})
    for letters in (found.ink, found.soft, found.link, found.bad, found.written_orange):
        assert contrast(letters, found.page) >= 4.5
    for letters in (found.ink, found.soft):
        assert contrast(letters, found.band) >= 4.5
    assert contrast(found.on_link, found.link) >= 4.5
    for icon in (found.mid, found.orange, found.blue, found.edge):
        assert contrast(icon, found.page) >= 3


def test_colours_are_those_of_the_figures() -> None:
    day, _ = colours(static_files()["app.css"])
    assert day["blue"] == style.BLUE
    assert day["orange"] == style.ORANGE
    assert day["written-orange"] == style.written_in(style.ORANGE)
    assert day["pale"] == looks.STATUSES["remission"].colour
    assert day["mid"] == looks.STATUSES["relapsed"].colour
    assert day["other"] == looks.CAUSES["background"].area.colour
    assert day["grey"] == looks.PLACES["home"].colour
    fills = dict(re.findall(r"\.stretch\.(\w+) \{ fill: ([^;]*);", static_files()["app.css"]))
    told = {**looks.PLACES, **looks.STATUSES}
    assert set(told) - {"home"} == {*fills, "queueing"}
    for kind, fill in fills.items():
        if kind != "waiting_for_the_day":  # nothing happens, as in a queue
            assert day.get(fill[6:-1], fill) == told[kind].colour
