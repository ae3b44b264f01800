"""Losses and gradient rules of the text codec's training (torch).

The cross-entropy of E-01 over the vocabulary is computed together with the predictor's product in blocks of
rows, and its gradients at once, so that no array of all rows by all words is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from netsim.semantics import sbq_levels

ROWS = 1024
SMALLEST = 1e-30


class PredictedLoss(torch.autograd.Function):
    """Sum of -log softmax(x W^T + b)[target] over rows; gradients are formed in the forward pass."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, weight: Tensor, offset: Tensor, target: Tensor, low: bool
    ) -> Tensor:
        """x float[r, 128], weight float[v, 128], offset float[v], target int64[r].

        `low`: products and probabilities in bfloat16, which halves the traffic of the widest arrays.
        """
        kind = torch.bfloat16 if low else torch.float32
        rows, matrix, shift = x.to(kind), weight.to(kind), offset.to(kind)
        across = matrix.T.contiguous()
        grad_x = torch.empty_like(rows)
        grad_weight, grad_offset = torch.zeros_like(weight), torch.zeros_like(offset)
        total = torch.zeros(())
        for i in range(0, len(x), ROWS):
            part, wanted = rows[i : i + ROWS], target[i : i + ROWS, None]
            slope = torch.softmax(torch.addmm(shift, part, across), 1)
            right = slope.gather(1, wanted)
            total -= right.float().clamp_min(SMALLEST).log().sum()
            slope.scatter_(1, wanted, right - 1.0)
            grad_x[i : i + ROWS] = slope @ matrix
            grad_weight += slope.T @ part
            grad_offset += slope.sum(0)
        ctx.save_for_backward(grad_x.to(x.dtype), grad_weight, grad_offset)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        grad_x, grad_weight, grad_offset = ctx.saved_tensors
        return grad_x * grad, grad_weight * grad, grad_offset * grad, None, None


class StraightThrough(torch.autograd.Function):
    """The received value forward; backward the gradient of the sent value where it is below the clip.

    Rule of Algorithm 3 as resolved: d received / d sent = 1 where sent <= (2^(n-1) + 1) p_th, else 0.
    """

    @staticmethod
    def forward(ctx: Any, sent: Tensor, received: Tensor, clip: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(sent <= clip)
        return received.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        (passes,) = ctx.saved_tensors
        return grad * passes, None, None


class SoftLink:
    """SBQ in mode `mode`, bit errors of a given rate, inverse SBQ; rows may differ in bits and rate.

    Labels as on the link: Gray for one and two bits, natural binary for three (spec 3.3).
    """

    def __init__(self, mode: str = "midpoint") -> None:
        self.levels, self.edges, self.labels, self.words = [], [], [], []
        for n in sbq_levels.BITS:
            word = np.arange(2**n)
            label = word ^ (word >> 1) if n == 2 else word
            self.levels.append(torch.from_numpy(sbq_levels.levels(mode, n).astype(np.float32)))
            self.edges.append(torch.from_numpy(sbq_levels.edges(mode, n).astype(np.float32)))
            self.labels.append(torch.from_numpy(label))
            self.words.append(torch.from_numpy(np.argsort(label)))

    def received(
        self, sent: Tensor, bits: Tensor, p_th: Tensor, rate: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Features float32[b, d] after the link; bits int64[b] in 1..3, p_th float32[3], rate float32[b]."""
        out = torch.zeros_like(sent)
        for n in sbq_levels.BITS:
            rows = torch.nonzero(bits == n)[:, 0]
            scaled = sent[rows] / p_th[n - 1]
            # the edge p_th belongs to the cell below; a value on another edge has measure zero
            label = self.labels[n - 1][torch.bucketize(scaled, self.edges[n - 1])]
            for bit in range(n):
                wrong = torch.rand(scaled.shape, generator=generator) < rate[rows, None]
                label = label ^ (wrong.long() << bit)
            out[rows] = self.levels[n - 1][self.words[n - 1][label]] * p_th[n - 1]
        return out
