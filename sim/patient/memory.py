"""How much memory the process may have, and how it keeps it, for arrays that come and go by the thousand."""

from __future__ import annotations

import ctypes
import errno

# Names and meanings of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_KEPT_BYTES = 2**29, 2**25
# Of addresses: a run of the shipped trial with its figures takes 1.12e9, most of it for libraries.
_LEAST_BYTES = 1.25e9


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, instead of asking the system for the same pages again and again.

    It is GNU's alone that gives memory back so eagerly; others are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)


def refuse_too_little_memory() -> None:
    """Refuse to begin where the process is limited to less than libraries take: they end it without a word.

    Raises
    ------
    OSError
        The limit of ``ulimit -v`` is too low.
    """
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_BYTES:
        raise OSError(
            errno.ENOMEM,
            f"the process may use {limit / 1e9:.2g} GB of memory, and a study takes {_LEAST_BYTES / 1e9} GB "
            f"and more; raise the limit: ulimit -v {int(_LEAST_BYTES / 1024) + 1}, or unlimited",
        )
