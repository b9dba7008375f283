"""Debian's Chromium at the app's page, driven by selenium; of tests and of benchmarks/app.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

MISSING = "no Chromium here: apt-get install chromium chromium-driver"
_PATIENCE = 30
# Nothing but this machine can be reached, and Chromium itself asks for nothing.
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--force-device-scale-factor=1", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
_ANSWERED = """
const answer = document.getElementById("answer"), now = answer.dataset.address;
const busy = answer.getAttribute("aria-busy") === "true";
return !busy && now !== arguments[0] && location.search.slice(1) === now;
"""
_STEP = """
const it = document.getElementById(arguments[0]);
it.value = Number(it.value) + arguments[1];
for (const kind of ["input", "change"]) it.dispatchEvent(new Event(kind, { bubbles: true }));
"""


def programs() -> tuple[str, str] | None:
    """Return where Chromium and its driver are; None where either is missing."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Tabs:
    """A browser at one server.

    Parameters
    ----------
    driver
        Chromium.
    own
        The server's address.
    """

    def __init__(self, driver: webdriver.Chrome, own: str) -> None:
        self.driver, self.own = driver, own

    def open(self, address: str = "", *, tab: bool = False) -> None:
        """Open an address, in a new tab if asked to, and wait until its script has run."""
        if tab:
            self.driver.switch_to.new_window("tab")
        self.driver.get(f"{self.own}/{address and '?'}{address}")
        self.wait("return document.documentElement.classList.contains('scripted')")

    def js(self, script: str, *facts: Any) -> Any:
        """Run a script."""
        return self.driver.execute_script(script, *facts)

    def wait(self, script: str, *facts: Any) -> Any:
        """Wait until a script returns something, and return it."""
        return WebDriverWait(self.driver, _PATIENCE, 0.02).until(lambda _: self.js(script, *facts))

    def by_id(self, name: str) -> WebElement:
        """Return an element, scrolled to where it can be used."""
        found: WebElement = self.wait("return document.getElementById(arguments[0])", name)
        self.js("arguments[0].scrollIntoView({block: 'center'})", found)
        return found

    def text(self, name: str) -> str:
        """Return what an element says."""
        return str(self.js("return document.getElementById(arguments[0]).innerText", name))

    @property
    def address(self) -> str:
        """The query of the address that the answer is of."""
        return str(self.js("return document.getElementById('answer').dataset.address"))

    def answered(self, before: str) -> str:
        """Wait for the answer to another address than before, and return that."""
        self.wait(_ANSWERED, before)
        return self.address

    def rested(self) -> None:
        """Wait for what follows when the hand rests: the table has ranges of single trials."""
        self.wait(
            "return !!document.querySelector('#answer .band') && !document.querySelector('[aria-busy=true]')"
        )

    def drag(self, key: str, pixels: int) -> str:
        """Drag a slider's thumb with the mouse and let go; return the address that is answered then."""
        before, slider = self.address, self.by_id(f"s-{key}")
        share = self.js("const it = arguments[0]; return (it.value - it.min) / (it.max - it.min)", slider)
        width = slider.size["width"] - 16  # the thumb's own
        mouse = ActionChains(self.driver, duration=20)
        mouse.move_to_element_with_offset(slider, round((share - 0.5) * width), 0).click_and_hold()
        mouse.move_by_offset(pixels // 2, 0).move_by_offset(pixels - pixels // 2, 0).release().perform()
        return self.answered(before)

    def step(self, key: str, steps: int) -> None:
        """Let a slider jump by some steps and be let go, without waiting for the answer."""
        self.js(_STEP, f"s-{key}", steps)

    def command(self, name: str, **facts: Any) -> Any:
        """Ask Chromium's own protocol."""
        return self.driver.execute_cdp_cmd(name, facts)

    def sized(self, width: int, height: int = 900) -> None:
        """Make the page so many pixels wide."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def scheme(self, name: str) -> None:
        """Choose a light or a dark screen."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def alone(self) -> None:
        """Close all tabs but the first."""
        first, *others = self.driver.window_handles
        for each in others:
            self.driver.switch_to.window(each)
            self.driver.close()
        self.driver.switch_to.window(first)

    def messages(self) -> list[str]:
        """Return what the console has said since the last time."""
        return [str(each["message"]) for each in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return what was asked for since the last time, wherever it is."""
        told = [json.loads(each["message"])["message"] for each in self.driver.get_log("performance")]
        return [
            str(each["params"]["request"]["url"])
            for each in told
            if each["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def browsing(own: str, folder: Path) -> Iterator[Tabs]:
    """Open Chromium for a server.

    Parameters
    ----------
    folder
        Where Chromium may keep what it wants to.
    """
    found = programs()
    if found is None:
        raise FileNotFoundError(MISSING)
    options = Options()
    options.binary_location = found[0]
    for each in (*_OPTIONS, f"--user-data-dir={folder}"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found[1]))
    try:
        yield Tabs(driver, own)
    finally:
        driver.quit()
