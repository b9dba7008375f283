"""Studies that are broken off, killed or spoilt, and go on: the files are those of a study left in peace."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from drivers import (
    PROGRAM,
    chunks,
    digests,
    environment,
    interrupt_after,
    is_running,
    no_figures,
    small_chunks,
    start,
    wait_for_chunks,
    wait_until,
    workers_of,
)

import sim
from sim.cli import run as command_line
from sim.study.chunks import ChunkTask
from sim.work import software
from sim.work.files import lock
from sim.work.results import read_results
from sim.work.store import ChunkStore
from sim.work.task import do

STUDY = ("run", "chicago2006", "--set", "cohort.patients=10", "--engine", "simpy", "--replications", "1500")
NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
KEPT = "kept: the same command with --resume goes on from there"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_chunks(monkeypatch)
    no_figures(monkeypatch)


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of the study by one worker, left in peace."""
    folder = tmp_path_factory.mktemp("peace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_chunks(patch)
        no_figures(patch)
        assert call(*STUDY, "--workers", "1", "--out", "mine") == 0
    return digests(folder / "mine")


@pytest.fixture(scope="module")
def once_broken_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of the study, of which three chunks are done."""
    folder = tmp_path_factory.mktemp("broken_off")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_chunks(patch)
        interrupt_after(3, patch)
        assert call(*STUDY, "--out", "mine") == 130
    (work,) = folder.glob(".*")
    assert len(chunks(folder)) == 3
    return work


@pytest.fixture
def broken_off(once_broken_off: Path) -> Path:
    """A copy of that working folder, here."""
    return Path(shutil.copytree(once_broken_off, once_broken_off.name))


def call(*arguments: str) -> int:
    return command_line(list(arguments))


def count_simulated(patch: pytest.MonkeyPatch) -> list[range]:
    """Return a list that will hold the chunks that are simulated in this process."""
    found: list[range] = []

    def counted(task: ChunkTask) -> object:
        found.append(task.chunk)
        return do(task)

    patch.setattr("sim.work.workers.do", counted)
    return found


def assert_only_mine(expected: dict[str, str]) -> None:
    assert digests(Path("mine")) == expected
    assert [path.name for path in Path().iterdir()] == ["mine"]


def test_two_workers_one_of_which_is_killed(
    in_peace: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save, killed = ChunkStore.save, []

    def then_kill(store: ChunkStore, *what: object) -> None:
        save(store, *what)  # type: ignore[arg-type]
        if not killed:
            killed.append(multiprocessing.active_children()[0])
            killed[0].kill()

    monkeypatch.setattr(ChunkStore, "save", then_kill)
    assert call(*STUDY, "--workers", "2", "--out", "mine") == 0
    assert killed[0].exitcode == -signal.SIGKILL
    assert not multiprocessing.active_children()
    assert_only_mine(in_peace)


@NEEDS_PROC
def test_a_killed_driver_leaves_no_process_and_can_be_resumed(
    tmp_path: Path, in_peace: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(tmp_path, *STUDY, "--workers", "2", "--out", "mine") as process:
        wait_for_chunks(process, tmp_path, 2)
        pids = workers_of(process.pid)
        assert len(pids) == 2
        process.kill()
    wait_until(lambda: not any(map(is_running, pids)), "workers outlive their parent")
    kept = len(chunks(tmp_path))
    simulated = count_simulated(monkeypatch)
    assert call(*STUDY, "--out", "mine", "--workers", "1", "--resume") == 0
    assert 2 <= kept == 6 - len(simulated)
    assert_only_mine(in_peace)


@NEEDS_PROC
@pytest.mark.parametrize(
    ("ending", "status", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Ended")]
)
def test_an_ended_study_says_what_is_kept(
    tmp_path: Path, ending: signal.Signals, status: int, word: str
) -> None:
    with start(tmp_path, *STUDY, "--workers", "2", "--out", "mine") as process:
        wait_for_chunks(process, tmp_path, 2)
        pids = workers_of(process.pid)
        os.killpg(process.pid, ending)  # as a terminal does: to everybody
        out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert not any(map(is_running, pids))
    assert out == ""
    assert err.strip().splitlines() == [f"{word}. {len(chunks(tmp_path))} chunks are {KEPT}"]


@NEEDS_PROC
def test_ctrl_c_while_the_workers_start_is_one_message(tmp_path: Path) -> None:
    with start(tmp_path, *STUDY, "--workers", "2", "--out", "mine") as process:
        wait_until(lambda: process.poll() is not None or bool(workers_of(process.pid)), "no workers")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().startswith("Interrupted")
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "other",
    [
        ("--seed", "2"),
        ("--replications", "1499"),
        ("--engine", "arrays"),
        ("--set", "relapse.shape=0.7"),
        ("--patients", "3"),
        ("--out", "another"),
    ],
    ids=lambda other: other[0],
)
def test_another_request_does_not_take_the_chunks(
    broken_off: Path, other: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after(0, monkeypatch)  # it would simulate, and store, the first chunk
    assert call(*STUDY, "--out", "mine", *other, "--resume") == 130
    assert len(chunks(Path())) == 3
    assert broken_off.exists()


def test_a_changed_scenario_file_does_not_take_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'kind = "scenario"\nbase = "chicago2006"\ntitle = "Mine"\n[cohort]\npatients = 10\n'
    path = Path("my[1].toml")  # a name that is a pattern for files too
    path.write_text(text, "utf-8")
    request = ("run", "./my[1].toml", "--replications", "600", "--engine", "simpy", "--out", "mine")
    with monkeypatch.context() as patch:
        interrupt_after(1, patch)
        assert call(*request) == 130
    path.write_text(f"{text}[relapse]\nshape = 0.7\n", "utf-8")
    with monkeypatch.context() as patch:
        interrupt_after(0, patch)
        assert call(*request, "--resume") == 130
    assert len(chunks(Path())) == 1
    path.write_text(text, "utf-8")
    simulated = count_simulated(monkeypatch)
    assert call(*request, "--resume") == 0
    assert simulated == [range(256, 512), range(512, 600)]


def test_a_finished_study_is_read_back_and_another_request_refused(
    broken_off: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*STUDY, "--out", "mine", "--resume") == 0
    assert not broken_off.exists()
    printed, before = capsys.readouterr().out, digests(Path("mine"))
    simulated = count_simulated(monkeypatch)
    assert call(*STUDY, "--out", "mine", "--workers", "2", "--resume") == 0
    assert capsys.readouterr().out == printed
    assert call(*STUDY, "--out", "mine", "--seed", "7", "--resume") == 2
    said = capsys.readouterr().err
    assert "mine holds a finished study of another request (seed is 7 here and 1 there)" in said
    assert not simulated
    assert_only_mine(before)


def test_of_several_scenarios_those_that_are_finished_are_read_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    several = ("run", "chicago2006", "ebmt2004", "--set", "cohort.patients=5", "--engine", "simpy")
    several += ("--replications", "300")
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)  # two chunks a scenario
        assert call(*several) == 130
    first = digests(Path("results", "chicago2006-5-patients-1"))
    simulated = count_simulated(monkeypatch)
    capsys.readouterr()
    assert call(*several, "--workers", "1", "--resume") == 0
    assert simulated == [range(256, 300)]
    assert sorted(path.name for path in Path("results").iterdir()) == [
        f"{name}-5-patients-1" for name in ("chicago2006", "ebmt2004")
    ]
    assert digests(Path("results", "chicago2006-5-patients-1")) == first
    assert "Written to results/chicago2006-5-patients-1" in capsys.readouterr().out


def test_what_a_killed_driver_left_before_its_request_is_cleared_away() -> None:
    parent = Path("results")
    abandoned, locked, young, other = (
        parent / name
        for name in (
            ".chicago2006.partial-one",
            ".chicago2006.partial-two",
            ".chicago2006.partial-three",
            ".another.partial-four",
        )
    )
    for folder in (abandoned, locked, young, other):
        folder.mkdir(parents=True)
    held = lock(locked, new=True)
    (abandoned / "lock").touch()
    for folder in (abandoned, locked, other):
        os.utime(folder, (0, 0))
    assert call("run", "chicago2006", "--replications", "2") == 0
    assert held is not None
    held.close()
    assert not abandoned.exists()
    assert all(folder.exists() for folder in (locked, young, other))


def test_a_second_study_is_refused_while_the_first_is_at_work_or_goes_its_own_way(
    tmp_path: Path, in_peace: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with start(tmp_path, *STUDY, "--workers", "1") as process:
        wait_for_chunks(process, tmp_path, 1)
        process.send_signal(signal.SIGSTOP)
        try:
            assert call(*STUDY, "--resume") == 2
        finally:
            process.send_signal(signal.SIGCONT)
        said = capsys.readouterr().err
        assert said.startswith("Error: --resume: another process is at work on this study; wait for it")
        assert call(*STUDY) == 0
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    names = [f"chicago2006-10-patients-{number}" for number in (1, 2)]
    assert sorted(path.name for path in Path("results").iterdir()) == names
    for name in names:
        assert digests(Path("results", name)) == in_peace


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_chunks_are_simulated_again(
    broken_off: Path,
    in_peace: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second, _ = chunks(Path())
    flip(first)
    second.write_bytes(b"")
    simulated = count_simulated(monkeypatch)
    assert call(*STUDY, "--out", "mine", "--resume", "--workers", "1") == 0
    assert capsys.readouterr().err.count("Warning (DamagedChunkWarning)") == 2
    assert simulated[:2] == [range(256), range(256, 512)]
    assert len(simulated) == 5
    assert not broken_off.exists()
    assert_only_mine(in_peace)


def test_a_chunk_removed_under_a_study_is_one_message(
    broken_off: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load, loaded = ChunkStore.load, [0]

    def then_gone(store: ChunkStore, *what: object) -> object:
        found = load(store, *what)  # type: ignore[arg-type]
        loaded[0] += 1
        if loaded[0] == 6:  # all have been looked at
            chunks(Path())[1].unlink()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(ChunkStore, "load", then_gone)
        assert call(*STUDY, "--out", "mine", "--resume", "--workers", "1") == 1
    said = capsys.readouterr().err
    assert "the chunk of replications 257 to 512 was removed or damaged while the study ran" in said
    assert f"2 chunks are {KEPT}" in said
    assert call(*STUDY, "--out", "mine", "--resume", "--workers", "1") == 0
    assert not broken_off.exists()


def test_a_working_folder_removed_under_a_study_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save, saved = ChunkStore.save, [0]

    def then_gone(store: ChunkStore, *what: object) -> None:
        save(store, *what)  # type: ignore[arg-type]
        saved[0] += 1
        if saved[0] == 3:
            (work,) = Path().glob(".*")
            shutil.rmtree(work)

    monkeypatch.setattr(ChunkStore, "save", then_gone)
    assert call(*STUDY, "--out", "mine", "--workers", "1") == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: the working folder was removed while the study ran")
    assert said.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_folder_removed_when_all_is_done_is_the_same_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def remove(*_: object) -> None:
        for work in Path().glob(".*"):
            shutil.rmtree(work)

    monkeypatch.setattr("sim.show.page.write_page", remove)
    assert call(*STUDY[:-1], "20", "--out", "mine") == 1
    assert "the working folder was removed while the study ran" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_disk_that_fills_up_keeps_what_is_done(
    in_peace: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(4, patch, OSError(errno.ENOSPC, "No space left on device"))
        assert call(*STUDY, "--out", "mine", "--workers", "1") == 1
    assert capsys.readouterr().err == f"Error: No space left on device. 4 chunks are {KEPT}\n"
    assert call(*STUDY, "--out", "mine", "--workers", "1", "--resume") == 0
    assert_only_mine(in_peace)


def test_a_disk_too_full_to_begin_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sim.work.files.write_json", full)
    assert call(*STUDY, "--out", "deep/er/mine") == 1
    assert capsys.readouterr().err == "Error: No space left on device\n"
    assert list(Path().iterdir()) == []


def test_a_disk_that_fills_up_at_the_very_end_keeps_the_chunks(
    in_peace: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sim.work.folder.NewFolder._write_timings", full)
        assert call(*STUDY, "--out", "mine") == 1
    said = capsys.readouterr().err
    assert "Error: No space left on device. All that was simulated is in " in said
    assert said.endswith(f", and is {KEPT}\n")
    simulated = count_simulated(monkeypatch)
    assert call(*STUDY, "--out", "mine", "--resume") == 0
    assert not simulated
    assert_only_mine(in_peace)


@pytest.mark.parametrize("there", [False, True])
def test_a_last_rename_that_fails_loses_nothing(
    there: bool, in_peace: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name.startswith(".") and Path(target).name == "mine":
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        return rename(path, target)

    older, force = (
        ("run", "chicago2006", "--replications", "2", "--out", "mine"),
        ("--force",) if there else (),
    )
    if there:
        assert call(*older) == 0
    before = digests(Path("mine"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refused)
        assert call(*STUDY, "--out", "mine", *force) == 1
    said = capsys.readouterr().err
    assert "Error: Operation not permitted: " in said
    assert "All that was simulated is in " in said
    assert digests(Path("mine")) == before  # what --force was to replace is where it was
    (work,) = Path().glob(".*")
    assert len(read_results(work).tables["endpoints"])
    simulated = count_simulated(monkeypatch)
    monkeypatch.setattr("sim.commands.run.simulate_run", None)  # nor is anything counted again
    shutil.rmtree("mine", ignore_errors=True)
    assert call(*STUDY, "--out", "mine", "--resume") == 0
    assert not simulated
    assert_only_mine(in_peace)


def test_tables_that_were_damaged_meanwhile_are_made_again_from_the_chunks(
    in_peace: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sim.show.page.write_page", None)
        with pytest.raises(TypeError) as failure:
            call(*STUDY, "--out", "mine")
    assert failure.value.__notes__[0].endswith(KEPT)
    (work,) = Path().glob(".*")
    (work / "endpoints.csv").write_text("damaged", "utf-8")
    simulated = count_simulated(monkeypatch)
    assert call(*STUDY, "--out", "mine", "--resume") == 0
    assert not simulated
    assert_only_mine(in_peace)


def test_only_software_that_moves_figures_matters_and_it_is_said_which(
    broken_off: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = json.loads((broken_off / "request.json").read_text("utf-8"))
    assert set(asked["software"]) == {"lupus-hsct", "numpy", "scipy", "simpy", "source"}
    asked["software"]["numpy"] = "1.0"
    (broken_off / "request.json").write_text(json.dumps(asked), "utf-8")
    interrupt_after(0, monkeypatch)
    assert call(*STUDY, "--out", "mine", "--resume") == 130
    said = capsys.readouterr().err
    assert (
        f"--resume: the unfinished study in {broken_off.absolute()} is of another request (software" in said
    )
    assert 'and "1.0" there); it is left alone, and this one begins anew' in said
    assert len(chunks(Path())) == 3


def test_what_only_draws_or_tells_is_no_part_of_what_moves_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(software._SOURCE, tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(software, "_SOURCE", tmp_path / "sim")
    found = []
    for file in ("work/task.py", "show/page.py", "commands/run.py", "cli/output.py", "patient/luck.py"):
        with (tmp_path / "sim" / file).open("a") as source:
            source.write("# more\n")
        found.append(software.what_moves_figures.__wrapped__()["source"])
    assert found[0] == found[1] == found[2] == found[3] != found[4]


def test_an_out_that_is_no_text_is_one_message_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in (("--out", "b\udcff"), ("--out", "b\udcff/mine"), ("--set", 'title="\udcff"')):
        assert call(*STUDY, *arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("Error: ")
        assert len(said.splitlines()) == 1
    with pytest.raises(ValueError, match="surrogates"):
        sim.run("chicago2006", replications=2, out="b\udcff")
    assert list(Path().iterdir()) == []


def test_a_request_that_was_not_written_whole_is_cleared_away() -> None:
    left = Path("results") / ".chicago2006.partial-left"
    left.mkdir(parents=True)
    for name in ("lock", "request.json"):
        (left / name).touch()
    os.utime(left, (0, 0))
    assert call("run", "chicago2006", "--replications", "2") == 0
    assert not left.exists()


def test_chunks_replaced_by_folders_heal(
    broken_off: Path, in_peace: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = chunks(Path())
    first.unlink()
    (first / "deep").mkdir(parents=True)
    assert call(*STUDY, "--out", "mine", "--resume", "--workers", "1") == 0
    assert "Warning (DamagedChunkWarning)" in capsys.readouterr().err
    assert_only_mine(in_peace)


@pytest.mark.parametrize("kilobytes", [1_000_000])
def test_limited_memory_is_one_message(tmp_path: Path, kilobytes: int) -> None:
    shell = f'ulimit -v {kilobytes} && exec "{sys.executable}" -c "{PROGRAM}" {" ".join(STUDY)} --out mine'
    command = ["sh", "-c", shell]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: the process may use ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_refused_request_takes_no_chunks_away(broken_off: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*STUDY, "--out", "mine", "--resume", "--cluster", "nonsense") == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: --cluster: nonsense can't be reached")
    assert f"3 chunks are {KEPT}" in said
    assert broken_off.exists()
    assert len(chunks(Path())) == 3


def test_too_little_memory_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_little(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("sim.show.page.write_page", too_little)
    assert call(*STUDY[:-1], "20", "--out", "mine") == 1
    assert "Error: there is not enough memory" in capsys.readouterr().err


def test_too_little_memory_for_a_library_is_the_same_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_little(*_: object) -> None:
        raise ImportError("libmany.so: failed to map segment from shared object")

    monkeypatch.setattr("sim.show.page.write_page", too_little)
    assert call(*STUDY[:-1], "20", "--out", "mine") == 1
    assert capsys.readouterr().err.count("Error: there is not enough memory") == 1


@pytest.mark.parametrize("command", ["compare", "sweep", "range"])
def test_comparisons_sweeps_and_ranges_resume_too(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ("--set", "cohort.patients=10", "--replications", "300", "--engine", "arrays")
    key = "aplasia.infection.ward_relative_risk"
    request = {
        "compare": ("compare", "chicago2006", "no_isolation", *small),
        "sweep": ("sweep", "chicago2006", "--vary", f"{key}=1,3", *small),
        "range": ("run", "no_isolation", *small),
    }[command]
    with monkeypatch.context() as patch:
        interrupt_after(1, patch)
        assert call(*request, "--out", "mine") == 130
    simulated = count_simulated(monkeypatch)
    assert call(*request, "--out", "mine", "--workers", "1", "--resume") == 0
    resumed = len(simulated)
    simulated.clear()
    assert call(*request, "--out", "again", "--workers", "1") == 0
    assert resumed == len(simulated) - 1
    assert digests(Path("mine")) == digests(Path("again"))
