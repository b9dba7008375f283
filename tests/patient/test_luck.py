"""Luck is a pure function of its address, and the addresses never change."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.patient.luck import Luck
from sim.patient.quantiles import uniforms
from sim.patient.streams import MAX_SEED, Stream

# The number of patient 3 in replication 300 at occurrence 2, under the seeds 1 and 2^64 - 1. Published
# results depend on these: a change here is never right.
PINNED = {
    "arrival": (3202055767, 2371109281),
    "age": (308289050, 3870026770),
    "sex": (953495087, 4013454794),
    "mobilisation.duration": (4079465928, 2067541055),
    "mobilisation.infection": (3829642568, 3962984984),
    "mobilisation.infection.fatal": (1891118922, 1047915602),
    "harvest.yield": (3174757410, 1130520958),
    "harvest.duration": (1414821193, 544997488),
    "harvest.marrow.failure": (263742766, 761562767),
    "recovery.duration": (3853440526, 2401452579),
    "recovery.postponement": (1347193012, 1992961275),
    "recovery.postponement.duration": (2421667790, 2780192884),
    "immunoablation.duration": (3936879133, 1572617159),
    "toxicity": (1950757121, 3193837824),
    "aplasia.duration": (288274153, 3599137312),
    "aplasia.infection": (3960668703, 3825294730),
    "aplasia.infection.fatal": (1157939792, 3102042205),
    "aplasia.infection.duration": (3968553084, 3014051549),
    "aplasia.discharge_delay": (1084283399, 512689796),
    "clinic.room_turnaround": (2611964609, 1454140657),
    "late_infection": (1971250235, 243732678),
    "late_infection.fatal": (2528559731, 1172713465),
    "response": (3601837923, 80377224),
    "relapse": (4006117537, 2962774271),
    "lupus": (2516052219, 2279452663),
    "background": (2238848919, 1253953184),
    "background.extra": (2053753213, 815813811),
    "after_relapse.remission": (3957064671, 973550635),
    "transplant.delay": (3380828164, 2212608936),
}
# Made with `printf %s NAME | b2sum -l 64`.
DIGESTS = {"arrival": "8f23ba65992e946e", "harvest.yield": "c1d2dd46362acdc4"}

seeds = st.integers(0, MAX_SEED)
streams = st.sampled_from(Stream)


@pytest.mark.parametrize(("column", "seed"), [(0, 1), (1, MAX_SEED)])
def test_addresses_never_change(column: int, seed: int) -> None:
    luck = Luck(seed)
    found = {stream.value: int(luck.words(stream, range(3, 4), 1, 2)[0, 44]) for stream in Stream}
    assert found == {name: words[column] for name, words in PINNED.items()}


def test_a_uniform_is_the_middle_of_its_word() -> None:
    uniform = uniforms(Luck(1).lanes(Stream.ARRIVAL, range(3, 4), range(300, 301), occurrence=2))
    assert uniform.tolist() == [[(PINNED["arrival"][0] + 0.5) / 2**32]]


@pytest.mark.parametrize("name", DIGESTS)
@pytest.mark.parametrize("seed", [0, 1, MAX_SEED])
@pytest.mark.parametrize("patient", [0, 1, 70_000])
@pytest.mark.parametrize("block", [0, 3])
def test_words_are_philox_at_the_documented_counter(name: str, seed: int, patient: int, block: int) -> None:
    words = Luck(seed).words(Stream(name), range(patient, patient + 1), block, 1)[0]
    for column in (0, 7, 8, 255):
        step, lane = divmod(column, 8)
        digest = int.from_bytes(bytes.fromhex(DIGESTS[name]), "little")
        counter = 32 * patient + step | block << 64 | digest << 128 | 1 << 192
        fresh = np.random.Philox(key=seed, counter=(counter - 1) % 2**256)  # it steps before it generates
        word = int(fresh.random_raw(4)[lane // 2])
        assert words[column] == (word >> 32 if lane % 2 else word & 0xFFFFFFFF)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seeds, streams, st.integers(0, 200), st.integers(1, 40), st.integers(0, 255), st.integers(0, 3))
def test_tiles_starting_anywhere_agree(
    seed: int, stream: Stream, first: int, patients: int, column: int, block: int
) -> None:
    luck = Luck(seed)
    large = luck.lanes(stream, range(first + patients), range(256 * block, 256 * block + 256))
    replication = 256 * block + column
    small = luck.lanes(stream, range(first, first + patients), range(replication, replication + 1))
    np.testing.assert_array_equal(small[:, 0], large[first:, column])


@settings(deadline=None, max_examples=20, derandomize=True)
@given(seeds, streams, streams)
def test_what_was_drawn_before_does_not_matter(seed: int, stream: Stream, other: Stream) -> None:
    used = Luck(seed)
    used.words(other, range(5), 2, 1)
    np.testing.assert_array_equal(
        used.words(stream, range(3, 9), 1), Luck(seed).words(stream, range(3, 9), 1)
    )


def test_neighbouring_addresses_never_collide() -> None:
    luck = Luck(1)
    # The counter is one-to-one with 256 bits of output, so all 64-bit words differ but for a chance of 1e-8.
    words = [
        luck.words(stream, range(20), block, occurrence).view(np.uint64).ravel()
        for stream, block, occurrence in itertools.product(Stream, range(3), range(3))
    ]
    everything = np.concatenate(words)
    assert np.unique(everything).size == everything.size


def test_uniforms_are_uniform_and_unrelated_between_neighbours() -> None:
    u, sex, other = (
        uniforms(Luck(seed).lanes(stream, range(400), range(256)))
        for seed, stream in ((1, Stream.AGE), (1, Stream.SEX), (2, Stream.AGE))
    )
    assert 0 < u.min() < u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-4
    neighbours = [
        (u[1:], u[:-1]),
        (u[:, 1:], u[:, :-1]),
        (u, sex),
        (u, other),
    ]
    for a, b in neighbours:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.5 / np.sqrt(a.size)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="a seed lies between"):
        Luck(seed)


def test_a_call_over_several_blocks_is_the_blocks_beside_each_other() -> None:
    luck = Luck(1)
    parts = [
        luck.lanes(Stream.AGE, range(3), part) for part in (range(250, 256), range(256, 512), range(512, 520))
    ]
    found = luck.lanes(Stream.AGE, range(3), range(250, 520))
    np.testing.assert_array_equal(found, np.concatenate(parts, axis=1))
