"""How kernels are compiled: entries, which Python calls, and parts, which kernels call.

A part has no cache file of its own, since it is compiled into its entry, and no wrapper for C: with the
habits below that halves the time of a first call. Habits: no literal number where callers differ (numba
compiles a part once for each literal), no min, max or array assignment where a comparison or a loop does it
(each is a part of its own), few statements and few parts, whose front-end costs more than LLVM does.
Division by zero gives inf or nan as in NumPy, so that a division keeps no loop from vectorising.
"""

from __future__ import annotations

from typing import Any

PART: dict[str, Any] = {"error_model": "numpy", "no_cfunc_wrapper": True}
ENTRY: dict[str, Any] = {**PART, "cache": True, "nogil": True}
