"""What was measured on: the processor, its caches, and the versions of what took part."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("numpy", "scipy", "pandas", "duckdb", "simpy", "ciw", "salabim")


def describe() -> list[str]:
    """Return lines that describe machine and software."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return [
        f"- Processor: {_processor()}; {_cores()} cores",
        f"- Caches: {_caches()}",
        f"- {platform.system()} on {platform.machine()}, {platform.python_implementation()} "
        f"{platform.python_version()}",
        f"- {versions}",
        f"- Load of the machine before the start: {_load()}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _caches() -> str:
    """Return the caches of the first core, as Linux tells them."""
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text("utf-8").strip() for name in ("level", "type", "size"))
        found.append(f"L{level} {kind.lower()} {size}")
    return ", ".join(found) or "unknown"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
