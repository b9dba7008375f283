"""Chunks in a folder: kept whole or not at all, and never taken for what they are not."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.scenario.problems import DamagedChunkWarning
from sim.scenario.schema import Scenario
from sim.study.chunks import ChunkTask, play
from sim.study.experiment import Experiment
from sim.work.files import LOCK, lock
from sim.work.store import ChunkStore
from sim.work.task import Result

MakeScenario = Callable[..., Scenario]


@pytest.fixture
def task(scenario_of: MakeScenario) -> ChunkTask:
    return ChunkTask(Experiment((scenario_of({"cohort.patients": 5}),), 1, "arrays"), range(3))


@pytest.fixture
def result(task: ChunkTask) -> Result:
    return play(*task)


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    return ChunkStore(tmp_path / "chunks" / "run")


def only_file(folder: Path) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def test_what_is_loaded_is_what_was_saved(task: ChunkTask, result: Result, store: ChunkStore) -> None:
    assert store.load(0, task) is None
    store.save(0, task, result)
    loaded = store.load(0, task)
    assert loaded is not None
    assert list(loaded) == list(result)
    for name, values in result.items():
        assert loaded[name].dtype == values.dtype
        np.testing.assert_array_equal(loaded[name], values)
    assert len(list(store._folder.glob("*.npz"))) == 1


def test_other_chunks_and_other_experiments_are_not_there(
    task: ChunkTask, result: Result, store: ChunkStore
) -> None:
    store.save(1, task, result)
    assert store.load(0, task) is None
    assert store.load(1, task._replace(chunk=range(2))) is None
    assert store.load(1, task._replace(chunk=range(1, 3))) is None


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [flip, lambda content: content[:-1], lambda _: b""], ids=["flipped", "cut", "empty"]
)
def test_a_damaged_chunk_is_found_and_taken_away(
    task: ChunkTask, result: Result, store: ChunkStore, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    store.save(0, task, result)
    path = only_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(DamagedChunkWarning, match="replications 1 to 3 are simulated again"):
        assert store.load(0, task) is None
    assert not path.exists()
    assert store.load(0, task) is None  # without another warning


def test_a_full_disk_leaves_no_half_chunk(
    task: ChunkTask, result: Result, store: ChunkStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", half)
        with pytest.raises(OSError, match="No space left"):
            store.save(0, task, result)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    store.save(0, task, result)
    assert store.load(0, task) is not None


def test_a_folder_that_was_removed_is_not_made_again(task: ChunkTask, result: Result, tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "gone" / "chunks" / "run")
    with pytest.raises(FileNotFoundError):
        store.save(0, task, result)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lock(tmp_path, new=False)
    assert list(tmp_path.iterdir()) == []
    held = lock(tmp_path, new=True)
    assert held is not None
    assert lock(tmp_path, new=False) is None
    held.close()
    again = lock(tmp_path, new=False)
    assert again is not None
    again.close()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
