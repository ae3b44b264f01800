"""Clairvoyant upper bound of TOSCN: a linear programme over all slots of an episode (specification toscn 5,
`oracle`).

It sees every gain and every arrival in advance and may send fractions of packets, so no policy can do better
at equal power density. `slack` widens the bandwidth for what a joint optimisation of bandwidth and power
could gain (F6): 1.004 is the mean, 1.025 the largest measured.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

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
    efficiency = np.log2(1.0 + radio.power_w * gain / (radio.n0 * radio.bandwidth_hz))
    carried = (
        scenario.slot_ns / 1e9 * efficiency * radio.bandwidth_hz * slack
    )  # [T, U] bits of the whole band
    cost = np.stack([model.packet_bits(grid) for grid in grids])[None] / carried[:, :, None]  # [T, U, K]

    # variables: x[t, u, k] packets sent, y[t, u] arrivals accepted, q[t, u] queue at the start of slot t
    x = np.arange(slots * ues * points).reshape(slots, ues, points)
    y = x.size + np.arange(slots * ues).reshape(slots, ues)
    q = y.max() + 1 + np.arange((slots + 1) * ues).reshape(slots + 1, ues)
    size = int(q.max()) + 1
    objective = np.zeros(size)
    objective[x] = -accuracy[None]

    rows, columns, values = [], [], []

    def add(row: np.ndarray, column: np.ndarray, value) -> None:
        row, column, value = np.broadcast_arrays(row, column, value)
        rows.append(row.ravel())
        columns.append(column.ravel())
        values.append(value.ravel())

    slot = np.arange(slots)[:, None, None]
    device = np.arange(ues)[None, :, None]
    add(slot, x, cost)  # bandwidth of each slot
    served = slots + (slot * ues + device)  # packets sent do not exceed the queue
    add(served, x, 1.0)
    add(served[:, :, 0], q[:-1], -1.0)
    upper = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(slots + slots * ues, size),
    )
    limit = np.concatenate([np.ones(slots), np.zeros(slots * ues)])

    rows, columns, values = [], [], []
    balance = (slot * ues + device)[:, :, 0]  # q' - q + sum x - y = 0
    add(balance, q[1:], 1.0)
    add(balance, q[:-1], -1.0)
    add(balance[:, :, None], x, 1.0)
    add(balance, y, -1.0)
    equal = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(slots * ues, size)
    )
    bounds = np.zeros((size, 2))
    bounds[x.ravel(), 1] = np.inf
    bounds[y.ravel(), 1] = arrivals.ravel()
    bounds[q.ravel(), 1] = capacity
    bounds[q[0], 0] = bounds[q[0], 1] = initial
    result = linprog(
        objective,
        A_ub=upper.tocsr(),
        b_ub=limit,
        A_eq=equal.tocsr(),
        b_eq=np.zeros(slots * ues),
        bounds=bounds,
        method="highs",
    )
    if result.status != 0:
        raise RuntimeError(f"oracle: {result.message}")
    return -float(result.fun)


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
