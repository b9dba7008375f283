"""Addressed luck: a uniform is a pure function of (seed, stream, patient, replication, occurrence).

NumPy's Philox is a bijection of its 256-bit counter under one key. The key is the seed; the counter's four
words are

====  =====================================================================================
word  holds
====  =====================================================================================
0     32 x patient + step, where 32 steps of 8 lanes make the 256 replications of a block
1     block of 256 replications
2     8-byte BLAKE2b digest of the stream's name
3     occurrence
====  =====================================================================================

Each 64-bit output word gives two lanes of 32 bits; a lane w becomes u = (w + 1/2) / 2^32, never 0 or 1.
Address to (counter, lane) is one-to-one as long as the digests of the names differ, which is checked below.
"""

from __future__ import annotations

import sys
from functools import cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from sim.patient.streams import MAX_SEED, Stream

BLOCK = 256
_STEPS = 32
_WORDS_PER_PATIENT = 128
_WORD = 2**64
_COUNTER = 2**256


@cache
def _address(stream: Stream) -> int:
    """Return the stream's counter word."""
    return int.from_bytes(blake2b(stream.value.encode(), digest_size=8).digest(), "little")


if len({_address(stream) for stream in Stream}) != len(Stream):
    raise ImportError("two stream names share a digest: rename the newer one")


def independent(seed: int, count: int) -> NDArray[np.float64]:
    """Return independent uniforms strictly between 0 and 1, for what is done with results: folds, bootstraps.

    They are no patient's: a seed that is derived from a study's gives each use its own.
    """
    bits = np.random.Philox(key=seed)
    return np.asarray(((bits.random_raw(count) >> np.uint64(11)) + 0.5) / 2.0**53, dtype=np.float64)


class Luck:
    """All the luck there is under one seed.

    Parameters
    ----------
    seed
        0 to 2^64 - 1; the Philox key.
    """

    def __init__(self, seed: int) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"a seed lies between 0 and {MAX_SEED}, not {seed}")
        # One reused generator whose counter is set for each tile: building one costs several times more.
        self._bits = np.random.Philox(key=seed)
        self._state = self._bits.state
        self._seed = seed

    @property
    def seed(self) -> int:
        """The seed."""
        return self._seed

    def words(self, stream: Stream, patients: range, block: int, occurrence: int = 0) -> NDArray[np.uint32]:
        """Return the lanes of consecutive patients in one block of replications.

        Parameters
        ----------
        stream, patients, block, occurrence
            The address; `patients` has step 1.

        Returns
        -------
        array of uint32, shape (len(patients), 256)
            Column j belongs to replication ``256 block + j``.
        """
        first = patients.start * _STEPS + block * _WORD + _address(stream) * _WORD**2 + occurrence * _WORD**3
        # NumPy advances the counter before it generates, so it is set one step early.
        early = (first - 1) % _COUNTER
        state = self._state
        state["state"]["counter"] = np.array(
            [(early >> shift) % _WORD for shift in (0, 64, 128, 192)], dtype=np.uint64
        )
        state["buffer_pos"] = 4
        self._bits.state = state
        raw = self._bits.random_raw(len(patients) * _WORDS_PER_PATIENT)
        if sys.byteorder == "big":  # the lower half of a word is its first lane everywhere
            raw = (raw >> np.uint64(32)) | (raw << np.uint64(32))
        return raw.view(np.uint32).reshape(len(patients), BLOCK)

    def lanes(
        self, stream: Stream, patients: range, replications: range, occurrence: int = 0
    ) -> NDArray[np.uint32]:
        """Return lanes, shape (len(patients), len(replications)).

        Parameters
        ----------
        replications
            Consecutive; blocks of 256 that are used in part cost as much as whole ones.
        """
        parts = []
        for block in range(replications.start // BLOCK, -(-replications.stop // BLOCK)):
            first, last = max(replications.start - block * BLOCK, 0), replications.stop - block * BLOCK
            parts.append(self.words(stream, patients, block, occurrence)[:, first : min(last, BLOCK)])
        return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts, axis=1)
