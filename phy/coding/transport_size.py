"""How many information bits a transport block carries: TS 38.214 5.1.3.2, one layer."""

from __future__ import annotations

import math
from bisect import bisect_left

from phy.coding.mcs import Mcs
from phy.parameters import ParameterError

# TS 38.214 Table 5.1.3.2-1 as runs (first, last, step) of equal spacing.
_RUNS = (
    (24, 192, 8), (208, 384, 16), (408, 528, 24), (552, 576, 24), (608, 768, 32), (808, 928, 40),
    (984, 984, 1), (1032, 1064, 32), (1128, 1352, 32), (1416, 1928, 64), (2024, 2024, 1), (2088, 2280, 64),
    (2408, 2856, 64), (2976, 3104, 128), (3240, 3752, 128), (3824, 3824, 1),
)  # fmt: skip
SMALL_SIZES = tuple(sorted({size for first, last, step in _RUNS for size in range(first, last + 1, step)}))


def transport_block_size(num_re: int, scheme: Mcs) -> int:
    """Information bits of a transport block on `num_re` data resource elements with this scheme.

    The limit of 156 resource elements per resource block is the caller's: give the elements that count.
    """
    if num_re < 1:
        raise ParameterError(f"num_re = {num_re}: must be >= 1")
    wanted = num_re * scheme.spectral_efficiency
    if wanted <= 3824:
        step = 2 ** max(3, math.floor(math.log2(wanted)) - 6)
        return SMALL_SIZES[bisect_left(SMALL_SIZES, max(24, step * math.floor(wanted / step)))]
    step = 2 ** (math.floor(math.log2(wanted - 24)) - 5)
    rounded = max(3840, step * math.floor((wanted - 24) / step + 0.5))
    if scheme.code_rate <= 0.25:
        blocks = math.ceil((rounded + 24) / 3816)
    else:
        blocks = math.ceil((rounded + 24) / 8424) if rounded > 8424 else 1
    return 8 * blocks * math.ceil((rounded + 24) / (8 * blocks)) - 24
