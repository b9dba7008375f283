"""What is installed: pinned files, lower bounds that are tested, and a wheel with all that it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import sim

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
POSTERIOR = "results/reference/chicago2006/posterior.csv"
FILES = ["requirements.txt", "requirements-dev.txt", "requirements-lowest.txt"]


def pins(name: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE))


@pytest.mark.parametrize("name", FILES)
def test_everything_is_pinned_and_hashed_and_comes_from_no_place_in_particular(name: str) -> None:
    entries = re.split(r"\n(?! )", (ROOT / name).read_text("utf-8").strip())
    for entry in entries:
        pin = r"[\w-]+==[\w.]+( ; [\w .<>='\"!]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
        assert re.fullmatch(pin, entry), entry[:200]


def test_tests_use_the_versions_that_running_uses() -> None:
    assert pins("requirements.txt") < pins("requirements-dev.txt")


def test_every_lower_bound_is_the_version_that_is_tested() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = [*PROJECT["dependencies"], *extras["cluster"], *extras["editable"], *extras["test"]]
    tested = dict(pins("requirements-lowest.txt"))
    for bound in declared:
        if not bound.startswith("lupus-hsct["):
            name, version = bound.split(">=")
            assert tested[name] in (version, f"{version}.0"), bound
    assert PROJECT["requires-python"] == ">=3.11"  # as make lowest says


def test_the_tests_of_the_lowest_versions_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    (named,) = re.findall(r"^LOWEST_TESTS := (.*)$", makefile, flags=re.MULTILINE)
    assert [path for path in named.split() if not (ROOT / path).exists()] == []


def test_the_version_is_the_projects_installed_or_not(tmp_path: Path) -> None:
    assert sim.__version__ == PROJECT["version"]
    # Without site-packages nothing is installed.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import sim; print(sim.__version__)"
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == PROJECT["version"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel holds that was built from the source distribution and nothing else."""
    folder = tmp_path_factory.mktemp("built")

    def build(kind: str, source: Path, ending: str) -> Path:
        command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
        (built,) = folder.glob(f"*{ending}")
        return built

    with tarfile.open(build("sdist", ROOT, ".tar.gz")) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    for name in (*FILES, "Makefile", "CITATION.cff", "tests/test_install.py", "benchmarks/race.py"):
        assert (source / name).is_file(), name
    with zipfile.ZipFile(build("wheel", source, ".whl")) as archive:
        archive.extractall(folder / "unpacked")  # noqa: S202 (our own)
    return folder / "unpacked"


def test_the_wheel_holds_all_that_the_package_is_made_of(unpacked: Path) -> None:
    data = unpacked / "sim" / "scenario" / "data"
    pairs = [(path, unpacked / path.relative_to(ROOT)) for path in (ROOT / "sim").rglob("*")]
    pairs += [(path, data / path.relative_to(ROOT)) for path in (ROOT / "scenarios").rglob("*")]
    pairs += [(ROOT / POSTERIOR, data / "posteriors" / "chicago2006.csv")]
    for path, packed in pairs:
        if path.is_file() and "__pycache__" not in path.parts:
            assert packed.read_bytes() == path.read_bytes(), path
    assert (unpacked / "sim" / "py.typed").is_file()


def test_the_wheel_finds_what_it_holds(unpacked: Path, tmp_path: Path) -> None:
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(unpacked)!r})
        import sim
        from sim.cli import run
        from sim.scenario.shipped import shipped_posteriors
        print(sim.__file__, sim.load_scenario("chicago2006_reading_b").path, sim.__version__)
        print(shipped_posteriors()["chicago2006"])
        sys.exit(run(["scenario", "list"]))
    """
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    places, posterior, *listed = found.stdout.splitlines()
    package, scenario, version = places.split()
    data = unpacked / "sim" / "scenario" / "data"
    assert Path(package) == unpacked / "sim" / "__init__.py"
    assert Path(scenario) == data / "scenarios" / "chicago2006_reading_b.toml"
    assert Path(posterior) == data / "posteriors" / "chicago2006.csv"
    assert version == PROJECT["version"]
    for path in (ROOT / "scenarios").glob("*.toml"):
        assert path.stem in "\n".join(listed)
