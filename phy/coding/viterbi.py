"""Soft-input Viterbi kernels for the 64-state code (133, 171), one codeword per call.

The state is the last six input bits, the newest one most significant: state r and input u give the register
(u << 6) | r, whose bits line up with the octal generators, and the next state (u << 5) | (r >> 1). So the new
states i and i + 32 come from the old states 2i and 2i + 1, the 64 comparisons of a step form one 64-bit word
in state order, and tracing back is `r = 2 r + decision`.

Costs are unsigned integers of 8 or 16 bits: bit 0 costs max(-llr, 0), bit 1 costs max(llr, 0). Any state is
reached from any other in six steps, so with |llr| <= q two path costs never differ by more than 12 q. Every
`block` steps the kernel subtracts the minimum it found one block before (which takes the search off the
critical path); costs stay below (12 + 4 block) q + 1, hence q = 9 for 8 bits (block 4) and 511 for 16 bits
(block 8).

`_step_all` is the hot loop. Compiled, it is LLVM vector code on all 64 states, because the loop vectoriser of
plain numba finds neither the permutation nor the packed comparison (`benchmarks/coding.py` has that version);
in Python it is the NumPy text below. Tests compare the two.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from phy.jit import entry, part, scratch

GENERATORS = (0o133, 0o171)
MEMORY = 6
NUM_STATES = 64
MAX_LLR = {8: 9, 16: 511}  # q, by bits of the path metric
_BLOCK = {8: 4, 16: 8}


def _outputs(parity: int) -> list[int]:
    """For each new state p: code bits 2 c0 + c1 of the branch from old state 2 (p & 31) + parity."""
    result = []
    for p in range(NUM_STATES):
        register = ((p >> 5) << 6) | (2 * (p & 31) + parity)
        c0, c1 = (bin(register & g).count("1") & 1 for g in GENERATORS)
        result.append(2 * c0 + c1)
    return result


_EVEN_OUTPUT, _ODD_OUTPUT = _outputs(0), _outputs(1)


def _step_all(words, metric, survivors):
    """Run all steps of one codeword.

    Args:
        words: uint32[n] (8-bit metrics) or uint64[n]: costs of the code bits 00, 01, 10, 11, lowest bits
            first.
        metric: uint8[64] or uint16[64], cost of each state; replaced by the final cost less its minimum.
        survivors: uint64[n], written: bit r is set where state r was reached from old state 2 (r & 31) + 1.
    """
    width = 8 * metric.itemsize
    mask = (1 << width) - 1
    even, odd = np.array(_EVEN_OUTPUT), np.array(_ODD_OUTPUT)
    origin = 2 * (np.arange(NUM_STATES) & 31)
    cost = metric.astype(np.int64)
    for t in range(len(words)):
        branch = np.array([(int(words[t]) >> (width * k)) & mask for k in range(4)])
        a, b = cost[origin] + branch[even], cost[origin + 1] + branch[odd]
        survivors[t] = int("".join("1" if d else "0" for d in (b < a)[::-1]), 2)
        cost = np.minimum(a, b)
    metric[:] = cost - cost.min()


class _Emitter:
    """Writes the vector code of the step: 64 unsigned lanes of `width` bits."""

    def __init__(self, builder, width: int):
        self.builder = builder
        self.lane = ir.VectorType(ir.IntType(width), NUM_STATES)
        self.word = ir.VectorType(ir.IntType(4 * width), NUM_STATES // 4)

    def shuffle(self, vector, indices):
        index = ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), list(indices))
        return self.builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), index)

    def minimum(self, vector):
        """The least lane, in every lane."""
        for distance in (32, 16, 8, 4, 2, 1):
            other = self.shuffle(vector, [p ^ distance for p in range(NUM_STATES)])
            vector = self.builder.select(self.builder.icmp_unsigned("<", other, vector), other, vector)
        return vector

    def step(self, state, word):
        """One trellis step: (new state costs, comparisons as an i64)."""
        builder = self.builder
        first = builder.insert_element(
            ir.Constant(self.word, ir.Undefined), word, ir.Constant(ir.IntType(32), 0)
        )
        branch = builder.bitcast(self.shuffle(first, [0] * (NUM_STATES // 4)), self.lane)
        from_even = self.shuffle(branch, [4 * (p // 4) + _EVEN_OUTPUT[p] for p in range(NUM_STATES)])
        from_odd = self.shuffle(branch, [4 * (p // 4) + _ODD_OUTPUT[p] for p in range(NUM_STATES)])
        even = self.shuffle(state, [2 * (p & 31) for p in range(NUM_STATES)])
        odd = self.shuffle(state, [2 * (p & 31) + 1 for p in range(NUM_STATES)])
        a, b = builder.add(even, from_even), builder.add(odd, from_odd)
        chosen = builder.icmp_unsigned("<", b, a)
        return builder.select(chosen, b, a), builder.bitcast(chosen, ir.IntType(64))


@intrinsic
def _step_all_vector(typingctx, words, metric, survivors):
    """`_step_all` as vector code; same arguments."""
    signature = types.void(words, metric, survivors)
    width = metric.dtype.bitwidth
    block = _BLOCK[width]

    def codegen(context, builder, signature, args):
        arrays = [context.make_array(t)(context, builder, v) for t, v in zip(signature.args, args)]
        words_at, metric_at, survivors_at = (a.data for a in arrays)
        num_steps = cgutils.unpack_tuple(builder, arrays[0].shape, 1)[0]
        emit = _Emitter(builder, width)
        metric_at = builder.bitcast(metric_at, emit.lane.as_pointer())
        state = cgutils.alloca_once_value(builder, builder.load(metric_at, align=1))
        lowest = cgutils.alloca_once_value(builder, ir.Constant(emit.lane, [0] * NUM_STATES))
        length = num_steps.type

        def step(t):
            new, chosen = emit.step(builder.load(state), builder.load(builder.gep(words_at, [t])))
            builder.store(new, state)
            builder.store(chosen, builder.gep(survivors_at, [t]))

        def normalise():
            builder.store(builder.sub(builder.load(state), builder.load(lowest)), state)
            builder.store(emit.minimum(builder.load(state)), lowest)

        blocks = builder.sdiv(num_steps, ir.Constant(length, block))
        with cgutils.for_range(builder, blocks) as loop:
            normalise()
            start = builder.mul(loop.index, ir.Constant(length, block))
            for k in range(block):
                step(builder.add(start, ir.Constant(length, k)))
        normalise()
        done = builder.mul(blocks, ir.Constant(length, block))
        with cgutils.for_range(builder, builder.sub(num_steps, done)) as loop:
            step(builder.add(done, loop.index))
        final = builder.load(state)
        builder.store(builder.sub(final, emit.minimum(final)), metric_at, align=1)
        return context.get_dummy_value()

    return signature, codegen


@overload(_step_all)
def _step_all_overload(words, metric, survivors):
    def run(words, metric, survivors):
        _step_all_vector(words, metric, survivors)  # type: ignore[call-arg]

    return run


_TINY = np.float32(1e-30)


@part(fastmath={"reassoc"})
def mean_magnitude(llr):
    """Mean |llr| of float32[N] (each at most 1e6, so that infinite LLRs are allowed); NaN if one is NaN."""
    limit = np.float32(1e6)
    total = np.float32(0.0)
    for i in range(llr.shape[0]):
        size = abs(llr[i])
        total += limit if size > limit else size
    return total / np.float32(llr.shape[0])


@part
def branch_costs(llr, scale, max_llr, width, words):
    """Quantise llr float32[2 n] to integers in [-max_llr, max_llr] and write the branch costs words[n]."""
    w1, w2, w3 = np.uint64(width), np.uint64(2 * width), np.uint64(3 * width)
    half, high = np.float32(0.5), np.float32(max_llr)
    for t in range(words.shape[0]):
        first, second = llr[2 * t] * scale, llr[2 * t + 1] * scale
        first = first if first > -high else -high
        second = second if second > -high else -high
        i = np.int64(np.floor((first if first < high else high) + half))
        j = np.int64(np.floor((second if second < high else high) + half))
        one0, zero0 = np.uint64(i if i > 0 else 0), np.uint64(-i if i < 0 else 0)
        one1, zero1 = np.uint64(j if j > 0 else 0), np.uint64(-j if j < 0 else 0)
        pairs = (zero0 + zero1) | ((zero0 + one1) << w1) | ((one0 + zero1) << w2) | ((one0 + one1) << w3)
        words[t] = pairs


@part
def trace_back(survivors, state, out):
    """Follow survivors uint64[n] back from `state`; write the bits of the first out.size steps."""
    one, five, low = np.uint64(1), np.uint64(5), np.uint64(63)
    r = np.uint64(state)
    for t in range(survivors.shape[0] - 1, out.shape[0] - 1, -1):
        r = (r << one) | ((survivors[t] >> (r & low)) & one)
    for t in range(out.shape[0] - 1, -1, -1):
        out[t] = (r >> five) & one
        r = (r << one) | ((survivors[t] >> (r & low)) & one)


@entry
def viterbi_kernel(llr, positions, circular, clip, metric, words, out):
    """Decode a batch.

    Args:
        llr: float32[B, N], positive = bit 0.
        positions: int64[N] or a multiple: entry i says where llr[i % N] stands among the 2 n code bits of the
            trellis run (punctured code bits count as 0).
        circular: 0 for a zero-terminated block. Else the steps that precede the block and that follow it,
            which repeat it (tail-biting; unknown start and end states).
        clip: LLRs are clipped at this multiple of the codeword's mean |llr| and scaled to the metric's range.
        metric: uint8[64] or uint16[64] and words: uint32[n] or uint64[n], scratch that sets the precision.
        out: uint8[B, num_bits], written.

    Returns:
        False if some LLR was NaN.
    """
    width = 8 * metric.itemsize
    max_llr = 9 if width == 8 else 511
    num_steps = words.shape[0]
    num_llr = llr.shape[1]
    survivors = scratch(num_steps, np.uint64)
    mother = scratch(2 * num_steps, np.float32)
    for i in range(mother.shape[0]):
        mother[i] = np.float32(0.0)
    decoded = scratch(circular + out.shape[1], np.uint8)
    valid = True
    for b in range(llr.shape[0]):
        mean = mean_magnitude(llr[b])
        valid = valid and mean == mean
        scale = np.float32(max_llr) / (clip * (mean if mean > _TINY else _TINY))
        if positions.shape[0] == mother.shape[0] and circular == 0:
            branch_costs(llr[b], scale, max_llr, width, words)
        else:
            for i in range(positions.shape[0]):
                mother[positions[i]] = llr[b, i % num_llr]
            branch_costs(mother, scale, max_llr, width, words)
        for r in range(64):
            metric[r] = 0 if circular > 0 or r == 0 else 12 * max_llr + 1
        _step_all(words, metric, survivors)
        last = 0
        if circular > 0:
            while metric[last] > 0:
                last += 1
        trace_back(survivors, last, decoded)
        for t in range(out.shape[1]):
            out[b, t] = decoded[circular + t]
    return valid
