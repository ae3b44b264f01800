"""One training of the text codec: settings, batches, the merged recipe of Algorithms 1 to 3, checkpoints.

The first `clean_steps` are Algorithm 1 (error-free, unquantised). Then p_th is set by the MSE rule and every
sentence goes through SBQ with n drawn from 1, 2, 3 and independent bit errors (Algorithms 2 and 3 together,
loss L_SE + lambda L_SN with the sent features detached in L_SN). p_th follows the features with memory 0.7
and stays in the last `settled_steps`. Everything random in a block of steps comes from (seed, block): an
interrupted training continues to the same result. The step size is level after a short rise and falls in the
last `settled_steps`; until then `steps` may be raised and the training goes on as if it had been so.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netsim.semantics import sbq_levels
from netsim.semantics.checkpoint import load_checkpoint, save_checkpoint
from netsim.semantics.progress import Progress
from netsim.semantics.text_loss import PredictedLoss, SoftLink, StraightThrough
from netsim.semantics.text_network import END, PAD, START, UNKNOWN, TextNetwork, TextShape
from netsim.semantics.text_optimiser import TextOptimiser
from netsim.semantics.training import epoch_generator
from phy.parameters import (
    Checked,
    ParameterError,
    at_least_one,
    non_negative,
    one_of,
    parameter,
    positive,
    probability,
)


@dataclass(frozen=True)
class TextTraining(Checked):
    """What decides the result of a training."""

    steps: int = parameter(3200, meaning="gradient steps", source="9.3", rule=at_least_one)
    clean_steps: int = parameter(
        1600, meaning="first steps, without quantiser and errors (Alg. 1)", rule=non_negative
    )
    settled_steps: int = parameter(
        640, meaning="last steps: step size falls, p_th stays", rule=at_least_one, source="4.4"
    )
    batch_tokens: int = parameter(640, meaning="tokens a step, padding included", rule=at_least_one)
    optimiser: str = parameter(
        "adamw", meaning="adamw, or muon for the matrices of the layers", rule=one_of("adamw", "muon")
    )
    matrix_gain: float = parameter(1.5, meaning="step size of muon over that of adamw", rule=positive)
    clean_rate: float = parameter(1.5e-3, meaning="AdamW step size in Alg. 1", rule=positive)
    rate: float = parameter(5e-4, meaning="AdamW step size with the quantiser", source="E-09", rule=positive)
    rise_steps: int = parameter(100, meaning="steps in which the step size rises", rule=non_negative)
    weight_decay: float = parameter(5e-4, meaning="AdamW weight decay", source="Table I", rule=non_negative)
    penalty: float = parameter(0.1, meaning="weight of L_SN", source="Table I, E-08", rule=non_negative)
    error_free: float = parameter(0.5, meaning="share of sentences without bit errors", rule=probability)
    word_drop: float = parameter(
        0.0, meaning="share of the decoder's input words replaced by the unknown mark", rule=probability
    )
    swapped: float = parameter(
        0.0, meaning="share of words replaced by random ones, in half of the sentences", rule=probability
    )
    span_share: float = parameter(
        0.0, meaning="share of items that are stretches of longer sentences", rule=probability
    )
    per_sentence: bool = parameter(True, meaning="bits and error rate drawn per sentence, not per batch")
    precision: str = parameter("bf16", meaning="arithmetic of the products", rule=one_of("bf16", "fp32"))
    seed: int = parameter(0, meaning="seed of weights, order and errors", rule=non_negative)

    def check(self) -> None:
        if self.settled_steps + self.clean_steps > self.steps:
            raise self.error(
                "settled_steps", f"must leave clean_steps = {self.clean_steps} of steps = {self.steps}"
            )


BLOCK = 25  # steps between refreshes of p_th, and the unit of random numbers
MEMORY = 0.7
CLIP_NORM = 1.0
WEAKEST, STRONGEST = -3.5, -1.5  # log10 of the bit-error rates of a sentence with errors
SWAP_POWER = 0.5  # random words are drawn with their frequency to this power


class Batches:
    """Token batches of one length each, so that nothing is padded and few shapes occur.

    (Every new shape costs the bfloat16 products a compilation: with free shapes a step took twice the time.)
    """

    def __init__(
        self, whole: np.ndarray, stretches: np.ndarray, training: TextTraining, vocabulary: int
    ) -> None:
        """`whole`, `stretches`: ids int[n, t] with end tokens, padded with 0."""
        self.training = training
        lengths = (whole != PAD).sum(1)
        self.of_length = {int(t): whole[lengths == t, :t].astype(np.int16) for t in np.unique(lengths)}
        self.tokens = np.array([rows.size for rows in self.of_length.values()])
        used = stretches > END
        self.words = stretches[used].astype(np.int16)  # one stretch after another, end tokens dropped
        sizes = used.sum(1)
        left = np.repeat(np.cumsum(sizes), sizes) - np.arange(
            len(self.words)
        )  # words up to the stretch's end
        self.begins = np.argsort(-left, kind="stable")  # where a stretch of some length may begin: a prefix
        self.left = -left[self.begins]
        ids = np.concatenate([self.words, whole[whole > UNKNOWN]])
        weight = np.bincount(ids[ids > UNKNOWN], minlength=vocabulary).astype(np.float64) ** SWAP_POWER
        self.cumulative = np.cumsum(weight / weight.sum())

    def block(self, number: int) -> list[np.ndarray]:
        """The batches of steps [25 number, 25 number + 25): int64[items, length] each."""
        rng = epoch_generator(self.training.seed, "text", "block", number)
        lengths = rng.choice(list(self.of_length), BLOCK, p=self.tokens / self.tokens.sum())
        return [self._batch(int(t), rng) for t in lengths]

    def _batch(self, length: int, rng: np.random.Generator) -> np.ndarray:
        training, whole = self.training, self.of_length[length]
        count = max(training.batch_tokens // length, 1)
        rows = whole[rng.integers(0, len(whole), count)].astype(np.int64)
        possible = int(np.searchsorted(self.left, 1 - length, side="right"))
        if training.span_share > 0 and possible:
            where = np.nonzero(rng.random(count) < training.span_share)[0]
            begin = self.begins[rng.integers(0, possible, len(where))]
            rows[where, :-1] = self.words[begin[:, None] + np.arange(length - 1)]
        if training.swapped > 0:
            swap = (rng.random(rows.shape) < training.swapped) & (rng.random((count, 1)) < 0.5) & (rows > END)
            rows[swap] = np.searchsorted(self.cumulative, rng.random(int(swap.sum())))
        return rows


class TextTrainer:
    """Weights, moments and p_th of one training; `run_block` advances it, `save`/`resume` keep it."""

    def __init__(self, batches: Batches, shape: TextShape, training: TextTraining, data_hash: str) -> None:
        self.batches, self.shape, self.training, self.data_hash = batches, shape, training, data_hash
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(epoch_generator(training.seed, "text", "weights").integers(2**62)))
            self.network = TextNetwork(shape)
        self.optimiser = TextOptimiser(
            self.network, training.optimiser, training.matrix_gain, training.weight_decay
        )
        self.link = SoftLink()
        self.p_th = torch.ones(3)
        self.step = 0

    def start_from(self, weights: dict[str, np.ndarray], p_th: list[float]) -> None:
        """Begin with the weights of another training; layers that it did not have begin as identities.

        A layer whose output matrices are zero adds nothing, so the codec at the start is the one given, and
        can be deeper.
        """
        given = {k: torch.from_numpy(np.asarray(v, np.float32)) for k, v in weights.items()}
        own = self.network.state_dict()
        if self.shape.tied:
            given.setdefault("predictor.weight", given["tokens.weight"])
        wrong = [k for k, v in given.items() if k not in own or own[k].shape != v.shape]
        if wrong:
            raise ParameterError(
                f"start: {wrong[0]} does not fit: must be a codec of this vocabulary and tying"
            )
        for name in set(own) - set(given):
            if name.split(".", 2)[-1].startswith(("attention.out", "cross.out", "feed.2")):
                given[name] = torch.zeros_like(own[name])
        self.network.load_state_dict({**own, **given})
        self.p_th = torch.tensor(p_th)

    def step_size(self) -> float:
        """Step size of the present step."""
        t = self.training
        level = t.clean_rate if self.step < t.clean_steps else t.rate
        left = (t.steps - self.step) / t.settled_steps
        return level * min(
            1.0, (self.step + 1) / (t.rise_steps + 1), 0.5 - 0.5 * math.cos(math.pi * min(left, 1.0))
        )

    def run_block(self, progress: Progress | None = None) -> dict[str, float]:
        """At most 25 steps, up to the next multiple of 25; returns mean losses a token and a feature."""
        t = self.training
        number = self.step // BLOCK
        batches = self.batches.block(number)
        rng = epoch_generator(t.seed, "text", "errors", number)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        sums = {"ce": 0.0, "feature_mse": 0.0}
        features: list[np.ndarray] = []
        for i in range(min(BLOCK, t.steps - self.step)):
            if self.step == t.clean_steps and features:
                self._refresh(features, 0.0)
            losses, sent = self._advance(torch.from_numpy(batches[i]), rng, generator)
            features.append(sent)
            for name, value in losses.items():
                sums[name] += value
            if progress is not None:
                progress.advance(f"loss {sums['ce'] / (i + 1):.3f}")
        if self.step < t.steps - t.settled_steps:
            self._refresh(features, MEMORY if self.step > t.clean_steps + BLOCK else 0.0)
        return {name: value / len(features) for name, value in sums.items()}

    def _refresh(self, features: list[np.ndarray], memory: float) -> None:
        values = np.concatenate([f.ravel() for f in features[-BLOCK:]])
        found = [sbq_levels.threshold(values, "mse", "midpoint", n) for n in sbq_levels.BITS]
        self.p_th = memory * self.p_th + (1.0 - memory) * torch.tensor(found)

    def _advance(
        self, tokens: Tensor, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[dict[str, float], np.ndarray]:
        t = self.training
        self.optimiser.set_step_size(self.step_size())
        inputs = torch.cat([torch.full((len(tokens), 1), START), tokens[:, :-1]], 1)
        if t.word_drop > 0:
            dropped = torch.from_numpy(rng.random(inputs.shape) < t.word_drop) & (inputs > END)
            inputs = inputs.masked_fill(dropped, UNKNOWN)
        low = t.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            sent = self.network.embed(tokens)
            repaired, distance = self._over_link(sent, rng, generator)
            decoded = self.network.decode(inputs, self.network.unpool(repaired))
        predictor = self.network.predictor
        ce = PredictedLoss.apply(
            decoded.flatten(0, 1), predictor.weight, predictor.bias, tokens.flatten(), low
        )
        ce = ce / tokens.numel()
        loss = ce + t.penalty * distance
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        losses = {"ce": float(ce.detach()), "feature_mse": float(distance.detach()) / sent.shape[1]}
        return losses, sent.detach().numpy()

    def _over_link(
        self, sent: Tensor, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Features at the decoder and L_SN (sum over features, mean over sentences)."""
        t = self.training
        if self.step < t.clean_steps:
            return sent, torch.zeros(())
        draws = len(sent) if t.per_sentence else 1
        bits = torch.from_numpy(rng.integers(1, 4, draws)).expand(len(sent))
        rate = 10.0 ** rng.uniform(WEAKEST, STRONGEST, draws)
        rate[rng.random(draws) < t.error_free] = 0.0
        rates = torch.from_numpy(rate.astype(np.float32)).expand(len(sent))
        received = self.link.received(sent.detach(), bits, self.p_th, rates, generator)
        clip = torch.tensor([sbq_levels.clip_of(n) for n in sbq_levels.BITS]) * self.p_th
        passed = StraightThrough.apply(sent, received, clip[bits - 1][:, None])
        repaired = self.network.compensate(passed, bits)
        alone = self.network.compensate(received, bits)  # L_SN trains the compensator only
        return repaired, (sent.detach() - alone).square().sum(1).mean()

    def identity(self) -> dict[str, Any]:
        """What must agree before a checkpoint may be continued.

        The end of the schedule need not while the step size is level, see `resume`.
        """
        settings = {k: v for k, v in asdict(self.training).items() if k not in ("steps", "settled_steps")}
        return {"training": settings, "shape": asdict(self.shape), "data": self.data_hash}

    def save(self, path: Path) -> None:
        """Write the checkpoint; whole or not at all."""
        state = {
            "end": [self.training.steps, self.training.settled_steps],
            "step": self.step,
            "p_th": self.p_th,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        save_checkpoint(path, self.identity(), state)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of the same training on the same data, or say in one line why not."""
        state = load_checkpoint(path, self.identity())
        end = [self.training.steps, self.training.settled_steps]
        level_until = min(state["end"][0] - state["end"][1], end[0] - end[1])
        if state["end"] != end and state["step"] > level_until:
            raise ParameterError(
                f"{path}: step {state['step']} of {state['end'][0]}: the schedule's end can no longer change"
            )
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.p_th, self.step = state["p_th"], int(state["step"])
