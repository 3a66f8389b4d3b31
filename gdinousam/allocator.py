"""Memory that a CPU run has freed stays with it.

glibc gives large blocks back to the kernel when they are freed and asks for them again at once, and the kernel hands
out zeroed pages one fault at a time. A training step frees and takes the same few hundred megabytes over and over.
"""

from __future__ import annotations

import ctypes
import platform

# names and numbers of glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = 2**31 - 1  # bytes free at the end of the heap before they are given back
_LARGE = 2**30  # bytes from which a block comes from the kernel on its own


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep what the process frees; true where that took effect (Linux with glibc)."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, _NEVER))
