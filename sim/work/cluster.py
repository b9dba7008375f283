"""A Dask cluster as workers: an optional dependency, imported only here."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self

from sim.scenario.problems import RequestError
from sim.work.software import PACKAGE, what_moves_figures
from sim.work.task import Result, Task, Workers, do

_SECONDS = 10
# How long a cluster may be without any worker before it is given up.
_PATIENCE = 60.0


def play_alike(here: dict[str, str], task: Task) -> Result:
    """Simulate a chunk on a worker, which may have joined the cluster after it was checked.

    Raises
    ------
    RequestError
        This worker has other versions.
    """
    _refuse_others("a worker that joined later", what_moves_figures(), here)
    return do(task)


def _refuse_others(worker: str, there: dict[str, str], here: dict[str, str]) -> None:
    """Refuse a worker that would give other figures."""
    other = [name for name in here if there.get(name) != here[name]]
    if other:
        theirs, ours = (
            ", ".join(f"{name} {found.get(name, 'missing')}" for name in other) for found in (there, here)
        )
        raise RequestError(
            f"--cluster: {worker} has {theirs} and here is {ours}; install the same versions everywhere"
        )


class Cluster(Workers):
    """The workers of a Dask scheduler.

    Parameters
    ----------
    address
        Of the scheduler, as in tcp://host:8786.

    Raises
    ------
    RequestError
        On entry: Dask is not installed, the scheduler can't be reached, it has no workers, or one of them has
        another version.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        # Of Dask, which need not be installed; there from entry on.
        self._client: Any = None
        self._executor: Any = None
        self._seen = time.monotonic()

    def __enter__(self) -> Self:
        try:
            from distributed import Client
        except ImportError as error:
            raise RequestError(
                f'--cluster: Dask is not installed; pip install "{PACKAGE}[cluster]", or leave it away'
            ) from error
        for name in ("distributed", "distributed.client"):  # what matters is said in one message
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            # Asked before there is a client: one that finds nobody takes long to give up, and tells more.
            asyncio.run(asyncio.wait_for(_greet(self._address), _SECONDS))
            self._client = Client(self._address, timeout=_SECONDS, set_as_default=False)
        except Exception as error:  # whatever comes from an address that is none, or of something else
            raise RequestError(
                f"--cluster: {self._address or 'an empty address'} can't be reached ({_reason(error)}); give "
                "the address of a running Dask scheduler, as in tcp://host:8786, or leave --cluster away"
            ) from error
        try:
            self._check()
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False)
        return self

    def _check(self) -> None:
        """Refuse a cluster that would give other figures, or none."""
        self.size = 2 * sum(self._client.nthreads().values())
        if not self.size:
            raise RequestError(
                f"--cluster: {self._address} has no workers; start some: dask worker {self._address}"
            )
        try:
            found = self._ask()
        except Exception as error:  # whatever a worker says when it can't import this package
            raise RequestError(
                f"--cluster: a worker of {self._address} can't run {PACKAGE} ({_reason(error)}); install "
                "the same version everywhere"
            ) from error
        for worker, there in found.items():
            _refuse_others(f"the worker {worker}", there, what_moves_figures())

    def _ask(self) -> dict[str, dict[str, str]]:
        """Return the versions of every worker."""
        found: dict[str, dict[str, str]] = self._client.run(what_moves_figures)
        return found

    def look_after(self) -> None:
        """Give a cluster up that has lost all its workers, or whose scheduler is gone.

        Raises
        ------
        ConnectionError
            For a minute there was nobody to simulate anything.
        """
        try:
            there = bool(asyncio.run(asyncio.wait_for(_greet(self._address), _SECONDS))["workers"])
        except Exception:  # noqa: BLE001 (a scheduler that does not answer, for whatever reason)
            there = False
        if there:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _PATIENCE:
            raise self._lost("nobody has answered for a minute")

    def submit(self, task: Task) -> Future[Result]:
        """Hand a chunk to the cluster, which tries it again if a worker is lost."""
        try:
            future: Future[Result] = self._executor.submit(play_alike, what_moves_figures(), task)
        except Exception as error:  # whatever is said of a scheduler that is gone
            raise self._lost(_reason(error)) from error
        return future

    def _lost(self, why: str) -> ConnectionError:
        said = " ".join(why.split())  # one message is one line
        return ConnectionError(
            f"--cluster: {self._address} has lost its scheduler or all of its workers ({said})"
        )

    # Nor is there anything to renew: the cluster replaces its workers itself.

    def __exit__(self, *failure: object) -> None:
        with suppress(Exception):  # a cluster that is gone can't be told to stop
            if self._executor is not None:
                self._executor.shutdown(wait=False)
            if self._client is not None:
                self._client.close()


async def _greet(address: str) -> dict[str, Any]:
    """Ask a scheduler who it is, and who its workers are."""
    from distributed import rpc

    async with rpc(address) as scheduler:
        identity: dict[str, Any] = await scheduler.identity()
        return identity


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or "no answer"
