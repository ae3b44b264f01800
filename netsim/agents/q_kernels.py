"""Kernels of the stations' Q-networks: gradients and values of DQN and DRQN, RMSprop.

The matrices are small (32 rows, 7 to 140 columns): what a call from Python costs would be most of an update,
so a station's whole update is one compiled function that calls BLAS. Every station is computed on its own
numbers alone, so a stack equals stations one at a time bit for bit. All arrays float32; weights of a station
are one row, its parts in the order of the network's `shapes`.

Compiled by numba as it comes: what calls BLAS makes arrays, which a `phy.jit.part` must not.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# tanh as a quotient of polynomials in float32, 13th over 6th order (minimax on +-7.9, as linear-algebra
# libraries use it); the largest error is 3e-7
_LARGEST = np.float32(7.90531110763549805)
_A1, _A3 = np.float32(4.89352455891786e-03), np.float32(6.37261928875436e-04)
_A5, _A7 = np.float32(1.48572235717979e-05), np.float32(5.12229709037114e-08)
_A9, _A11 = np.float32(-8.60467152213735e-11), np.float32(2.00018790482477e-13)
_A13 = np.float32(-2.76076847742355e-16)
_B0, _B2 = np.float32(4.89352518554385e-03), np.float32(2.26843463243900e-03)
_B4, _B6 = np.float32(1.18534705686654e-04), np.float32(1.19825839466702e-06)
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_KEPT, _NEW = np.float32(0.9), np.float32(0.1)


@njit(error_model="numpy", fastmath=True)
def tanh_in_place(x: np.ndarray) -> None:
    """x float32[n], contiguous <- tanh(x)."""
    for i in range(len(x)):
        v = x[i] if x[i] < _LARGEST else _LARGEST
        v = v if v > -_LARGEST else -_LARGEST
        q = v * v
        top = _A1 + q * (_A3 + q * (_A5 + q * (_A7 + q * (_A9 + q * (_A11 + q * _A13)))))
        x[i] = v * top / (_B0 + q * (_B2 + q * (_B4 + q * _B6)))


@njit(error_model="numpy", fastmath=True)
def _layer(x, w, at, out, rectified):
    """out [B, m] = x [B, n] W + b; W begins at `at` of the row w, b follows it."""
    n, m = x.shape[1], out.shape[1]
    np.dot(x, w[at : at + n * m].reshape(n, m), out)
    bias = w[at + n * m : at + (n + 1) * m]
    for b in range(len(out)):
        for j in range(m):
            out[b, j] += bias[j]
    if rectified:
        for b in range(len(out)):
            for j in range(m):
                out[b, j] = out[b, j] if out[b, j] > _ZERO else _ZERO


@njit(error_model="numpy", fastmath=True)
def _layer_gradient(x, slope, at, out):
    """Writes d loss / d (W, b) of a layer to their place in the row `out`; slope: of its output [B, m]."""
    n, m = x.shape[1], slope.shape[1]
    np.dot(x.T, slope, out[at : at + n * m].reshape(n, m))
    _column_sums(slope, out[at + n * m : at + (n + 1) * m])


@njit(error_model="numpy", fastmath=True)
def _column_sums(x, out):
    out[:] = _ZERO
    for b in range(len(x)):
        for j in range(x.shape[1]):
            out[j] += x[b, j]


@njit(error_model="numpy", fastmath=True)
def _below(slope, w, at, active, out):
    """out [B, n] = slope [B, m] W^T where the ReLU below is active (> 0), else 0."""
    n, m = active.shape[1], slope.shape[1]
    np.dot(slope, w[at : at + n * m].reshape(n, m).T, out)
    for b in range(len(out)):
        for j in range(n):
            out[b, j] = out[b, j] if active[b, j] > _ZERO else _ZERO


@njit(cache=True, nogil=True, error_model="numpy")
def dqn_values(weights, first_row, x, size_1, size_2, out):
    """Q of every action, float32[r, A], of stations first_row .. first_row + r - 1 for x float32[r, n]."""
    inputs = x.shape[1]
    at_2 = (inputs + 1) * size_1
    at_3 = at_2 + (size_1 + 1) * size_2
    one, two = np.empty((1, size_1), np.float32), np.empty((1, size_2), np.float32)
    for r in range(x.shape[0]):
        w = weights[first_row + r]
        _layer(x[r : r + 1], w, 0, one, True)
        _layer(one, w, at_2, two, True)
        _layer(two, w, at_3, out[r : r + 1], False)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def dqn_gradient(
    online, target, first_row, x, action, reward, next_x, discount, size_1, size_2, num_actions, out, loss
):
    """Gradient of the mean squared TD error of stations first_row + r.

    online, target: [M, P]. x, next_x: [r, B, n]. action: int64[r, B]. reward: [r, B]. out: [r, P]. loss: [r].
    """
    batch, inputs = x.shape[1], x.shape[2]
    at_2 = (inputs + 1) * size_1
    at_3 = at_2 + (size_1 + 1) * size_2
    bias_3 = at_3 + size_2 * num_actions
    one, two = np.empty((batch, size_1), np.float32), np.empty((batch, size_2), np.float32)
    slope_1, slope_2 = np.empty_like(one), np.empty_like(two)
    values = np.empty((batch, num_actions), np.float32)
    for r in range(x.shape[0]):
        w, later, gradient = online[first_row + r], target[first_row + r], out[r]
        _layer(next_x[r], later, 0, one, True)
        _layer(one, later, at_2, two, True)
        _layer(two, later, at_3, values, False)
        _layer(x[r], w, 0, one, True)
        _layer(one, w, at_2, two, True)
        gradient[at_3:] = _ZERO
        squares = _ZERO
        for b in range(batch):
            a = action[r, b]
            value = w[bias_3 + a]
            for i in range(size_2):
                value += two[b, i] * w[at_3 + i * num_actions + a]
            error = value - (reward[r, b] + discount * values[b].max())
            squares += error * error
            scaled = _TWO / np.float32(batch) * error
            gradient[bias_3 + a] += scaled
            for i in range(size_2):
                place = at_3 + i * num_actions + a
                gradient[place] += scaled * two[b, i]
                slope_2[b, i] = scaled * w[place] if two[b, i] > _ZERO else _ZERO
        loss[r] = squares / np.float32(batch)
        _layer_gradient(one, slope_2, at_2, gradient)
        _below(slope_2, w, at_2, one, slope_1)
        _layer_gradient(x[r], slope_1, 0, gradient)


@njit(error_model="numpy", fastmath=True)
def _unroll(w, x, batch, first, gates, cell, bent, state):
    """ReLU layer and LSTM from the zero state over rows in the order (step, window).

    x [S B, n]; what each step leaves: first [S B, hidden], gates i, f, g, o after their functions [S B, 4 H],
    cell, its tanh (`bent`) and state [S B, H].
    """
    rows, inputs = x.shape
    hidden, memory = first.shape[1], cell.shape[1]
    wide = 4 * memory
    at_x = (inputs + 1) * hidden
    at_h = at_x + hidden * wide
    bias = w[at_h + memory * wide : at_h + (memory + 1) * wide]
    recurrent = w[at_h : at_h + memory * wide].reshape(memory, wide)
    _layer(x, w, 0, first, True)
    np.dot(first, w[at_x:at_h].reshape(hidden, wide), gates)
    back = np.zeros((batch, wide), np.float32)
    for begin in range(0, rows, batch):
        if begin > 0:
            np.dot(state[begin - batch : begin], recurrent, back)
        for b in range(batch):
            z, row = gates[begin + b], begin + b
            # sigmoid(z) = tanh(z / 2) / 2 + 1/2: one tanh serves all four gates
            for j in range(wide):
                z[j] += bias[j] + back[b, j]
            for j in range(2 * memory):
                z[j] *= _HALF
            for j in range(3 * memory, wide):
                z[j] *= _HALF
            tanh_in_place(z)
            for j in range(2 * memory):
                z[j] = z[j] * _HALF + _HALF
            for j in range(3 * memory, wide):
                z[j] = z[j] * _HALF + _HALF
            for j in range(memory):
                cell[row, j] = z[j] * z[2 * memory + j]
            if begin > 0:
                for j in range(memory):
                    cell[row, j] += z[memory + j] * cell[row - batch, j]
            bent[row] = cell[row]
            tanh_in_place(bent[row])
            for j in range(memory):
                state[row, j] = z[3 * memory + j] * bent[row, j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def drqn_values(weights, first_row, history, hidden, memory, out):
    """Q of every action, float32[r, A], after the observations history float32[r, S, n]."""
    steps, inputs, num_actions = history.shape[1], history.shape[2], out.shape[1]
    at_out = (inputs + 1) * hidden + (hidden + memory + 1) * 4 * memory
    first, gates = np.empty((steps, hidden), np.float32), np.empty((steps, 4 * memory), np.float32)
    shape = (steps, memory)
    cell, bent, state = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    for r in range(history.shape[0]):
        w = weights[first_row + r]
        _unroll(w, history[r], 1, first, gates, cell, bent, state)
        head = w[at_out : at_out + num_actions * memory].reshape(num_actions, memory)
        out[r] = np.dot(head, state[steps - 1])
        out[r] += w[at_out + num_actions * memory :]


@njit(error_model="numpy", fastmath=True)
def _through_time(w, x, batch, first, gates, cell, bent, state, from_head, gradient):
    """Writes to `gradient` what follows below the head from the slopes from_head [S B, H] at the states."""
    rows, inputs = x.shape
    hidden, memory = first.shape[1], cell.shape[1]
    wide = 4 * memory
    at_x = (inputs + 1) * hidden
    at_h = at_x + hidden * wide
    recurrent = w[at_h : at_h + memory * wide].reshape(memory, wide)
    dz = np.empty((rows, wide), np.float32)
    dh, dc = np.zeros((batch, memory), np.float32), np.zeros((batch, memory), np.float32)
    for begin in range(rows - batch, -1, -batch):
        for b in range(batch):
            row = begin + b
            z = gates[row]
            for j in range(memory):
                slope = dh[b, j] + from_head[row, j]
                i, f, g, o = z[j], z[memory + j], z[2 * memory + j], z[3 * memory + j]
                inner = dc[b, j] + slope * o * (_ONE - bent[row, j] * bent[row, j])
                before = cell[row - batch, j] if begin > 0 else _ZERO
                dz[row, j] = inner * g * i * (_ONE - i)
                dz[row, memory + j] = inner * before * f * (_ONE - f)
                dz[row, 2 * memory + j] = inner * i * (_ONE - g * g)
                dz[row, 3 * memory + j] = slope * bent[row, j] * o * (_ONE - o)
                dc[b, j] = inner * f
        if begin > 0:
            np.dot(dz[begin : begin + batch], recurrent.T, dh)
    np.dot(first.T, dz, gradient[at_x:at_h].reshape(hidden, wide))
    into = gradient[at_h : at_h + memory * wide].reshape(memory, wide)
    if rows > batch:
        np.dot(state[: rows - batch].T, dz[batch:], into)
    else:
        into[:] = _ZERO
    _column_sums(dz, gradient[at_h + memory * wide : at_h + (memory + 1) * wide])
    below = np.empty((rows, hidden), np.float32)
    _below(dz, w, at_x, first, below)
    _layer_gradient(x, below, 0, gradient)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def drqn_gradient(
    online, target, first_row, x, longer, action, reward, batch, discount, hidden, memory, num_actions,
    last_only, out, loss,
):  # fmt: skip
    """Gradient of the mean squared TD error of stations first_row + r, through time.

    Rows in the order (step, window). online, target: [M, P]. x: [r, S B, n]. longer: [r, (S + 1) B, n], x and
    the observation after its last step. action: int64[r, S B]. reward: [r, S B]. last_only: errors of the
    last step alone. out: [r, P]. loss: [r].
    """
    rows, inputs = x.shape[1], x.shape[2]
    at_out = (inputs + 1) * hidden + (hidden + memory + 1) * 4 * memory
    bias_out = at_out + num_actions * memory
    shape, more = (rows, memory), (rows + batch, memory)
    first, gates = np.empty((rows, hidden), np.float32), np.empty((rows, 4 * memory), np.float32)
    cell, bent, state = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    first_t = np.empty((rows + batch, hidden), np.float32)
    gates_t = np.empty((rows + batch, 4 * memory), np.float32)
    cell_t, bent_t, state_t = (
        np.empty(more, np.float32),
        np.empty(more, np.float32),
        np.empty(more, np.float32),
    )
    begin = rows - batch if last_only else 0
    terms = rows - begin
    values, from_head = np.empty((terms, num_actions), np.float32), np.empty(shape, np.float32)
    for r in range(x.shape[0]):
        w, later, gradient = online[first_row + r], target[first_row + r], out[r]
        _unroll(later, longer[r], batch, first_t, gates_t, cell_t, bent_t, state_t)
        head = later[at_out:bias_out].reshape(num_actions, memory)
        np.dot(state_t[begin + batch :], head.T, values)
        for b in range(terms):
            for a in range(num_actions):
                values[b, a] += later[bias_out + a]
        _unroll(w, x[r], batch, first, gates, cell, bent, state)
        gradient[at_out:] = _ZERO
        from_head[:] = _ZERO
        squares = _ZERO
        for row in range(begin, rows):
            a = action[r, row]
            at = at_out + a * memory
            value = w[bias_out + a]
            for j in range(memory):
                value += w[at + j] * state[row, j]
            error = value - (reward[r, row] + discount * values[row - begin].max())
            squares += error * error
            scaled = _TWO / np.float32(terms) * error
            gradient[bias_out + a] += scaled
            for j in range(memory):
                gradient[at + j] += scaled * state[row, j]
                from_head[row, j] = scaled * w[at + j]
        loss[r] = squares / np.float32(terms)
        _through_time(w, x[r], batch, first, gates, cell, bent, state, from_head, gradient)


@njit(cache=True, nogil=True, error_model="numpy")
def rmsprop(weights, gradient, square, rate, epsilon, smallest):
    """v <- 0.9 v + 0.1 g^2, w <- w - rate g / (sqrt(v) + epsilon), v >= smallest; [r, P], rate [r]."""
    for r in range(weights.shape[0]):
        w, g, v, step = weights[r], gradient[r], square[r], rate[r]
        for p in range(len(w)):
            new = _KEPT * v[p] + _NEW * g[p] * g[p]
            v[p] = new if new > smallest else smallest
        for p in range(len(w)):
            w[p] -= step * g[p] / (np.sqrt(v[p]) + epsilon)
