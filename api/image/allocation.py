"""How glibc's allocator keeps freed memory: for the next image, up to a limit."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h
LARGE_BLOCK = 8 * 1024 * 1024  # bytes; from here on a block goes back to the system once it is free
KEPT = 16 * 1024 * 1024


def keep_freed_memory() -> None:
    """Have blocks of usual size used again, where the C library is glibc; large ones go back to the system.

    By itself it gives each freed image back, and getting the pages anew takes a quarter of the time of decoding; or it
    learns from the first large image to keep all, and 40 megapixels leave 100 MB behind.
    """
    with suppress(OSError, AttributeError):  # no such library, or one without this
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        library.mallopt(M_TRIM_THRESHOLD, KEPT)
