"""How the process keeps memory, for arrays that come and go by the thousand."""

from __future__ import annotations

import ctypes

# Names and meanings of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_KEPT_BYTES = 2**29, 2**25


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
