"""Which maps matter: the importance lists of P(2)-(3), and how many of them a compression ratio keeps.

P ranks the maps by omega_i^c, the gradient of the logit of class c averaged over map i. With average pooling
and one fully connected layer that gradient is W_{c,i} / 49, the same for every image (erratum E25; the test
compares it with autograd). What remains open is the class (E24), hence the modes:

=============  =========================================  ============================  =====================
mode           list                                       known at a real device?       side information
=============  =========================================  ============================  =====================
`task_avg`     mean over classes of abs(W_{c,i})          yes                           number of maps
`class_pred`   abs(W_{c,i}), c = class the device finds   yes, but the list tells the   number of maps, class
                                                          answer before a bit is sent
`class_true`   abs(W_{c,i}), c = true class               no: it needs the label        number of maps, class
`gradact`      abs(W_{c,i}) * mean of map i, c found      as class_pred                 one bit a map
`random`       another order for every image              yes                           one bit a map
=============  =========================================  ============================  =====================

`task_avg` is the honest default for claims about the system; the class modes reproduce the paper's curves.
The side information counts as `header_bits` and is taken to arrive without errors (E26).
"""

from __future__ import annotations

import math

import numpy as np

from phy.parameters import ParameterError

MODES = ("task_avg", "class_pred", "class_true", "gradact", "random")
CLASS_BITS = 4


def num_kept(eta: float, num_maps: int = 512) -> int:
    """Maps that are sent at compression ratio `eta`: N - min(ceil(eta N - 1e-9), N - 1), at least 1 (M4)."""
    if not 0.0 <= eta <= 1.0:
        raise ParameterError(f"eta = {eta}: must be in [0, 1]")
    return num_maps - min(math.ceil(eta * num_maps - 1e-9), num_maps - 1)


def header_bits(mode: str, num_maps: int = 512) -> int:
    """Side information of one packet in bits: which maps follow (E26)."""
    check_mode(mode)
    count = math.ceil(math.log2(num_maps + 1))
    return {"task_avg": count, "class_pred": count + CLASS_BITS, "class_true": count + CLASS_BITS}.get(
        mode, num_maps
    )


def check_mode(mode: str) -> None:
    """Raise ParameterError for a mode that is not in the table above."""
    if mode not in MODES:
        raise ParameterError(f"importance mode = {mode!r}: must be one of {', '.join(MODES)}")


def descending(importance: np.ndarray) -> np.ndarray:
    """Indices of the last axis from the largest value down, ties by index: uint16[..., N]."""
    return np.argsort(-importance, axis=-1, kind="stable").astype(np.uint16)


def omega(fc_weight: np.ndarray, cells: int = 49) -> np.ndarray:
    """omega_i^c = W_{c,i} / cells: float32[classes, N], P(2) for this network."""
    return fc_weight / np.float32(cells)


def rankings(
    mode: str,
    fc_weight: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    map_means: np.ndarray,
    item_keys: np.ndarray,
) -> np.ndarray:
    """The importance list of every image: uint16[n, N], most important map first.

    Args:
        mode: see the table above.
        fc_weight: float32[classes, N].
        labels, predicted: uint8[n], true class and class found by the device.
        map_means: float32[n, N], mean of each map.
        item_keys: uint64[n], one key an image; mode `random` shuffles with it.
    """
    check_mode(mode)
    num_items, num_maps = map_means.shape
    magnitude = np.abs(omega(fc_weight))
    if mode == "task_avg":
        return np.broadcast_to(descending(magnitude.mean(axis=0)), (num_items, num_maps))
    if mode in ("class_pred", "class_true"):
        return descending(magnitude)[predicted if mode == "class_pred" else labels]
    if mode == "gradact":
        return descending(magnitude[predicted] * map_means)
    orders = [np.random.Generator(np.random.Philox(key=int(k))).permutation(num_maps) for k in item_keys]
    return np.array(orders, np.uint16)
