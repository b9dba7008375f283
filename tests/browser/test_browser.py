"""The app's page in Chromium, as people use it: by mouse, by keyboard, on small and on dark screens."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from app_served import served
from browsing import MISSING, Tabs, browsing, programs
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from sim.app import page
from sim.app.engine import Engine
from sim.app.question import question
from sim.app.reports import Reports
from sim.app.server import Desk, shelf_of
from sim.scenario.load import Loaded

pytestmark = pytest.mark.skipif(programs() is None, reason=MISSING)
CHECKS = (Path(__file__).parent / "checks.js").read_text("utf-8")
KEY = "mobilisation.infection.case_fatality"
CHANGED = f"of=chicago2006&{KEY}=0.12&transplant.delay_days=90"
NAMED = (
    "button",
    "link",
    "textbox",
    "searchbox",
    "slider",
    "combobox",
    "img",
    "image",
    "heading",
    "region",
    "group",
)
Wrong = Callable[..., list[str]]


@pytest.fixture(scope="module")
def shelf() -> dict[str, Loaded]:
    return shelf_of()


@pytest.fixture(scope="module")
def opened(shelf: dict[str, Loaded], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    folder = tmp_path_factory.mktemp("browser")
    desk = Desk(shelf, Engine(), Reports(folder / "results", replications=4), page)
    with served(desk) as client, browsing(client.own, folder / "chromium") as tabs:
        yield tabs
    desk.reports.close()


@pytest.fixture
def tabs(opened: Tabs) -> Iterator[Tabs]:
    """A browser with one tab; afterwards its console was silent and nothing has left this machine."""
    opened.sized(1280)
    opened.scheme("light")
    yield opened
    opened.alone()
    assert opened.messages() == []
    allowed = (f"{opened.own}/", "data:", "blob:", "chrome://", "about:")
    assert [each for each in opened.requests() if not each.startswith(allowed)] == []


@pytest.fixture
def wrong(tabs: Tabs) -> Wrong:
    def check(call: str) -> list[str]:
        return list(tabs.js(f"{CHECKS}; return {call}"))

    return check


def counts(tabs: Tabs) -> list[list[int]]:
    """Return how many icons each array has, fate by fate, as its legend says."""
    said = tabs.js(
        "return [...document.querySelectorAll('.array')].map("
        "(each) => [...each.querySelectorAll('.count')].map((count) => count.textContent))"
    )
    return [[int(each.replace(",", "")) for each in array] for array in said]


def test_a_slider_is_dragged_and_the_answer_is_the_engines(tabs: Tabs, shelf: dict[str, Loaded]) -> None:
    tabs.open()
    assert len(counts(tabs)) == 1
    before = tabs.text("finding")
    address = tabs.drag(KEY, 40)
    assert tabs.text("finding") != before
    assert address.startswith(f"of=chicago2006&{KEY}=")
    answer = Engine().answer(question([*(each.split("=") for each in address.split("&"))], shelf))
    assert counts(tabs) == [[*side.values()] for side in _in_order(answer.base.counts, answer.changed.counts)]
    assert [sum(each) for each in counts(tabs)] == [answer.per] * 2
    cells = tabs.js(
        "return [...document.querySelector('table.figures tbody tr').cells].map((each) => each.innerText)"
    )
    row = answer.rows[0]
    assert cells[:4] == [row.label, row.base, row.changed, row.difference]
    icons = tabs.js(
        "return [...document.querySelectorAll('.icons')].map((each) => each.getAttribute('aria-label'))"
    )
    assert len(icons) == 2
    assert all(f"of {answer.per:,}" in each for each in icons)


def test_a_link_says_the_same_in_a_fresh_tab_and_history_goes_back(tabs: Tabs) -> None:
    tabs.open(CHANGED)
    assert tabs.address == CHANGED
    second = tabs.drag(KEY, 20)
    tabs.rested()
    said = [tabs.text(each) for each in ("changed", "answer")]
    tabs.open(second, tab=True)
    tabs.rested()
    assert [tabs.text(each) for each in ("changed", "answer")] == said
    assert (
        tabs.js("return fetch(document.getElementById('toml').href).then((each) => each.text())").count(KEY)
        == 1
    )
    tabs.by_id(f"reset-{KEY}").click()
    third = tabs.answered(second)
    assert KEY not in third
    tabs.driver.back()
    assert tabs.answered(third) == second
    tabs.by_id("reset-all").click()
    assert tabs.answered(second) == "of=chicago2006"
    assert len(counts(tabs)) == 1
    box = tabs.by_id(f"s-{KEY}")
    assert box.get_attribute("value") == tabs.js("return arguments[0].closest('.control').dataset.at", box)


def test_everything_is_done_by_keyboard(tabs: Tabs, wrong: Wrong) -> None:
    tabs.open()

    def press(*keys: str, held: str = "") -> None:
        keyboard = ActionChains(tabs.driver, duration=0)
        if held:
            keyboard.key_down(held)
        keyboard.send_keys(*keys)
        if held:
            keyboard.key_up(held)
        keyboard.perform()

    focused = "return document.activeElement.id || document.activeElement.className"
    press(Keys.TAB)
    assert tabs.js(focused) == "skip"
    press(Keys.ENTER, Keys.TAB)
    assert tabs.js("return document.activeElement.closest('#answer') !== null")
    press(Keys.TAB, held=Keys.SHIFT)
    tabs.js("document.activeElement.blur(); document.querySelector('.presets summary').focus()")
    seen = []
    while tabs.js(focused) != f"s-{KEY}":
        press(Keys.TAB)
        seen.append(tabs.js(focused))
        assert wrong("unseen()") == []
        assert len(seen) < 40, seen
    before = tabs.address
    press(Keys.ARROW_RIGHT)
    address = tabs.answered(before)
    assert KEY in address
    assert tabs.js(focused) == f"s-{KEY}"
    press("n")
    assert "trial=2" in tabs.answered(address)
    press(Keys.TAB)
    assert tabs.js(focused) == f"v-{KEY}"
    before = tabs.address
    press("a", held=Keys.CONTROL)
    press("0.2", Keys.ENTER)
    assert f"{KEY}=0.2&" in tabs.answered(before)
    before = tabs.address
    tabs.js(f"document.getElementById('reset-{KEY}').focus()")
    press(Keys.ENTER)
    assert KEY not in tabs.answered(before)
    assert tabs.js("return document.activeElement !== document.body")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_everybody_can_read_it(tabs: Tabs, wrong: Wrong, width: int, scheme: str) -> None:
    tabs.sized(width)
    tabs.scheme(scheme)
    tabs.open(CHANGED)
    tabs.rested()
    assert (tabs.js(f"{CHECKS}; return luminance(behind(document.body))") < 0.2) == (scheme == "dark")
    assert wrong("wide()") == []
    tabs.js("for (const each of document.querySelectorAll('details')) each.open = true")
    assert [*wrong("wide()"), *wrong("faint(4.5)"), *wrong("untidy()")] == []
    # And they do find what is wrong.
    tabs.js(
        "const it = document.getElementById('finding'); it.style.color = '#777'; it.style.width = '2000px'"
    )
    tabs.js("document.querySelector('main').id = 'answer'")
    tabs.js("document.querySelector('h3').outerHTML = '<h5>Deep</h5>'")
    assert [len(wrong(each)) for each in ("faint(4.5)", "wide()")] == [1, 1]
    assert len(wrong("untidy()")) >= 2
    if (width, scheme) == (1280, "light"):
        nodes = [
            each for each in tabs.command("Accessibility.getFullAXTree")["nodes"] if not each.get("ignored")
        ]
        roles = [each["role"]["value"] for each in nodes]
        assert {role: roles.count(role) for role in ("main", "banner", "contentinfo")} == {
            "main": 1,
            "banner": 1,
            "contentinfo": 1,
        }
        named = [each for each in nodes if each["role"]["value"] in NAMED[:8]]
        assert len(named) > 40
        assert [each["role"] for each in named if not each["name"].get("value", "").strip()] == []


def test_a_print_is_one_sheet(tabs: Tabs) -> None:
    tabs.open(CHANGED)
    tabs.rested()
    printed = b64decode(
        tabs.command("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)["data"]
    )
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) == 1
    assert len(printed) > 20_000


def test_a_report_is_made_and_opened(tabs: Tabs) -> None:
    tabs.open(CHANGED)
    tabs.by_id("report").submit()
    link = tabs.wait("return document.querySelector('#progress a')")
    assert tabs.text("progress").startswith("Open the report (")
    tabs.driver.get(link.get_attribute("href"))
    assert "mobilisation infection case fatality 0.12) compared with chicago2006" in tabs.driver.title
    assert tabs.js("return document.querySelectorAll('img, svg').length") >= 3
    assert tabs.js("return [...document.images].every((each) => each.complete && each.naturalWidth > 0)")


def test_three_tabs_are_answered_at_once(tabs: Tabs) -> None:
    for number in range(3):
        tabs.open(tab=number > 0)
    for number, handle in enumerate(tabs.driver.window_handles):
        tabs.driver.switch_to.window(handle)
        tabs.step(KEY, number + 1)  # and nobody waits for the answer yet
    addresses = set()
    for handle in tabs.driver.window_handles:
        tabs.driver.switch_to.window(handle)
        addresses.add(tabs.answered("of=chicago2006"))
    assert len(addresses) == 3


def test_a_clinic_sharpens_by_itself_and_shows_its_rooms(tabs: Tabs) -> None:
    tabs.open("of=open_clinic&clinic.isolation_rooms=5")
    said = "/Simulated: ([0-9,]+)/.exec(document.getElementById('answer').innerText)"
    trials = f"Number({said}[1].replace(',', ''))"
    first = tabs.js(f"return {trials}")
    assert first >= 32
    tabs.wait(f"return {trials} > arguments[0]", first)
    assert "rooms in use" in tabs.text("answer").lower()
    assert [sum(each) for each in counts(tabs)] in ([100, 100], [1000, 1000])
    tabs.js("document.getElementById('rooms').click()")
    tabs.wait("return document.getElementById('answer').innerText.includes('Once it has settled')")


def test_a_wrong_link_is_refused_with_one_message(tabs: Tabs) -> None:
    tabs.driver.get(f"{tabs.own}/?of=chicago2006&{KEY}=2")
    assert KEY in tabs.text("refused")
    assert tabs.js(f"{CHECKS}; return document.querySelectorAll('h1').length") == 1
    assert len(tabs.messages()) <= 1  # Chromium itself may say that the page was refused


def test_controls_are_found_by_words(tabs: Tabs) -> None:
    tabs.open()
    shown = (
        "return [...document.querySelectorAll('.control')].filter((each) => each.checkVisibility())"
        ".map((each) => each.dataset.key)"
    )
    before = tabs.js(shown)
    for words, key in (
        ("relapse shape", "relapse.shape"),
        ("ward relative", "aplasia.infection.ward_relative_risk"),
    ):
        tabs.by_id("search").clear()
        tabs.by_id("search").send_keys(words)
        assert tabs.wait("return document.getElementById('matches').textContent") == "1 found"
        assert tabs.js(shown) == [key]
    tabs.by_id("search").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    tabs.wait("return document.getElementById('matches').textContent === ''")
    assert tabs.js(shown) == before


def _in_order(*sides: dict[str, int]) -> list[dict[str, int]]:
    from sim.app.drawn import ORDER

    return [{fate: side[fate] for fate in ORDER if fate in side} for side in sides]
