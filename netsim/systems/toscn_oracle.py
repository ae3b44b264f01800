"""Clairvoyant upper bound of TOSCN: a linear programme over all slots of an episode (specification toscn 5,
`oracle`).

It sees every gain and every arrival in advance and may send fractions of packets, so no policy can do better
at equal power density. `slack` widens the bandwidth for what a joint optimisation of bandwidth and power
could gain (F6): 1.004 is the mean, 1.025 the largest measured.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array

from netsim.link import PaperLink
from netsim.systems.toscn import Model

_GRID_POINTS = 48


def oracle_bound(
    model: Model,
    task: np.ndarray,
    gain: np.ndarray,
    arrivals: np.ndarray,
    initial: np.ndarray,
    slack: float = 1.004,
) -> float:
    """Largest sum of v A over an episode.

    Args:
        model: sizes and accuracy curves.
        task: int64[U], task of each device.
        gain: float64[T, U], power gain in each slot.
        arrivals: int64[T, U], captures offered at the end of each slot.
        initial: int64[U], queue before the first slot.
        slack: factor on the bandwidth.

    Raises:
        RuntimeError: the solver found no optimum.
    """
    scenario = model.scenario
    radio, capacity = scenario.radio, scenario.traffic.buffer_packets
    slots, ues = gain.shape
    grids, accuracies = zip(*(_task_grid(model, int(j)) for j in task))
    points, accuracy = _GRID_POINTS, np.stack(accuracies)  # [U, K]
    efficiency = PaperLink(radio).spectral_efficiency(gain)
    carried = (
        scenario.slot_ns / 1e9 * efficiency * radio.bandwidth_hz * slack
    )  # [T, U] bits of the whole band
    cost = np.stack([model.packet_bits(grid) for grid in grids])[None] / carried[:, :, None]  # [T, U, K]

    # variables: x[t, u, k] packets sent, y[t, u] arrivals accepted, q[t, u] queue at the start of slot t
    x = np.arange(slots * ues * points).reshape(slots, ues, points)
    y = x.size + np.arange(slots * ues).reshape(slots, ues)
    q = y.max() + 1 + np.arange((slots + 1) * ues).reshape(slots + 1, ues)
    objective = np.zeros(q.max() + 1)
    objective[x] = -accuracy[None]
    bounds = np.zeros((objective.size, 2))
    bounds[x.ravel(), 1] = np.inf
    bounds[y.ravel(), 1] = arrivals.ravel()
    bounds[q.ravel(), 1] = capacity
    bounds[q[0]] = np.repeat(initial[:, None], 2, axis=1)

    slot, row = np.arange(slots)[:, None, None], np.arange(slots * ues).reshape(slots, ues)
    band = [(slot, x, cost)]  # bandwidth of each slot
    served = [(slots + row[:, :, None], x, 1.0), (slots + row, q[:-1], -1.0)]  # at most what waits is sent
    balance = [(row, q[1:], 1.0), (row, q[:-1], -1.0), (row[:, :, None], x, 1.0), (row, y, -1.0)]
    result = linprog(
        objective,
        A_ub=_sparse(band + served, (slots + row.size, objective.size)),
        b_ub=np.concatenate([np.ones(slots), np.zeros(row.size)]),
        A_eq=_sparse(balance, (row.size, objective.size)),
        b_eq=np.zeros(row.size),
        bounds=bounds,
        method="highs",
    )
    if result.status != 0:
        raise RuntimeError(f"oracle: {result.message}")
    return -float(result.fun)


def _sparse(entries: list[tuple], shape: tuple[int, int]) -> csr_array:
    """A matrix from triples (row, column, value) of arrays that are broadcast against each other."""
    triples = [[part.ravel() for part in np.broadcast_arrays(*entry)] for entry in entries]
    rows, columns, values = (np.concatenate(part) for part in zip(*triples))
    return coo_array((values, (rows, columns)), shape=shape).tocsr()


def _task_grid(model: Model, task: int) -> tuple[np.ndarray, np.ndarray]:
    """Compression values up to eta_max, and accuracies that lie above the curve wherever the programme mixes
    them.

    The points are uniform in eta^(a2/2), where a chord of A = a1 eta^a2 + a3 misses the curve by nearly the
    same amount everywhere. The largest miss (found on a fine grid) is added, so that the bound is one.
    """
    most = float(model.max_compression(np.array(task)))
    a2 = float(model.curve_slope(np.array(task))[1])
    grid = most * np.linspace(0.0, 1.0, _GRID_POINTS) ** (2.0 / a2)
    fine = np.linspace(0.0, most, 20 * _GRID_POINTS)
    miss = model.accuracy(task, fine) - np.interp(fine, grid, model.accuracy(task, grid))
    return grid, model.accuracy(task, grid) + miss.max()
