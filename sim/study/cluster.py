"""A Dask cluster as workers: an optional dependency, imported only here."""

from __future__ import annotations

from concurrent.futures import Future
from importlib import metadata
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sim.scenario.problems import RequestError
from sim.study.chunks import Result, play
from sim.study.workers import MOST_TRIES, Task

if TYPE_CHECKING:
    from distributed import Client

_PACKAGE = "lupus-hsct"
_SECONDS = 10
# What must be the same everywhere, or the figures might differ in their last digits.
_SAME = (_PACKAGE, "numpy", "scipy", "simpy")


def versions() -> dict[str, str]:
    """Return the versions on which figures depend; asked of every worker too."""
    return {package: metadata.version(package) for package in _SAME}


class Cluster:
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
        self._client: Client | None = None
        self._executor: Any = None
        self.size = 1

    def __enter__(self) -> Self:
        try:
            from distributed import Client
        except ImportError as error:
            raise RequestError(
                f'--cluster: Dask is not installed; pip install "{_PACKAGE}[cluster]", or leave it away'
            ) from error
        try:
            self._client = Client(self._address, timeout=_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RequestError(
                f"--cluster: {self._address} can't be reached ({error}); give the address of a running Dask "
                "scheduler, as in tcp://host:8786, or leave --cluster away"
            ) from error
        try:
            self._check()
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False, retries=MOST_TRIES - 1)
        return self

    def _check(self) -> None:
        """Refuse a cluster that would give other figures, or none."""
        assert self._client is not None  # noqa: S101 (entered)
        self.size = 2 * sum(self._client.nthreads().values())
        if not self.size:
            raise RequestError(
                f"--cluster: {self._address} has no workers; start some: dask worker {self._address}"
            )
        try:
            found = self._client.run(versions)
        except Exception as error:  # whatever a worker says when it can't import this package
            raise RequestError(
                f"--cluster: a worker of {self._address} can't run {_PACKAGE} ({error}); install the same "
                "version everywhere"
            ) from error
        here = versions()
        for worker, there in found.items():
            other = [f"{name} {there[name]}" for name in _SAME if there[name] != here[name]]
            if other:
                ours = ", ".join(f"{name} {here[name]}" for name in _SAME if there[name] != here[name])
                raise RequestError(
                    f"--cluster: the worker {worker} has {', '.join(other)} and here is {ours}; install the "
                    "same versions everywhere"
                )

    def submit(self, task: Task) -> Future[Result]:
        """Hand a chunk to the cluster, which tries it again if a worker is lost."""
        future: Future[Result] = self._executor.submit(play, *task)
        return future

    def renew(self) -> None:
        """Do nothing: the cluster replaces its workers itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        if self._client is not None:
            self._client.close()
