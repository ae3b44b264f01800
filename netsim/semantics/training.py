"""One training of the image codec: settings, images changed at random, steps, checkpoints.

Interrupted training continues from its checkpoint with the result it would have had: every random number of
an epoch comes from (seed, task, epoch), nothing is carried over but weights, momenta and averages.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn import functional

from netsim.semantics.checkpoint import load_checkpoint, save_checkpoint
from netsim.semantics.datasets import ImageSet
from netsim.semantics.network import Network, Shape, pooled_noise
from netsim.semantics.progress import Progress
from phy.parameters import (
    Checked,
    at_least_one,
    non_negative,
    one_of,
    parameter,
    positive,
    probability,
)

PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True)
class Training(Checked):
    """What decides the result of a training."""

    epochs: int = parameter(4, meaning="passes over the training images", rule=at_least_one)
    depth: int = parameter(1, meaning="residual blocks a stage", rule=at_least_one)
    batch_size: int = parameter(128, meaning="images a step", rule=at_least_one)
    peak_step: float = parameter(0.1, meaning="largest step size", rule=positive)
    warmup: float = parameter(
        0.15, meaning="share of the steps in which the step size rises", rule=probability
    )
    momentum: float = parameter(0.9, meaning="Nesterov momentum", rule=probability)
    weight_decay: float = parameter(5e-4, meaning="L2 penalty on every weight", rule=non_negative)
    average: float = parameter(0.998, meaning="memory of the weight average, a step", rule=probability)
    snr_db: float = parameter(
        13.0, unit="dB", meaning="mean SNR of the noise layer", source="TOSCN section 5"
    )
    shift: int = parameter(2, unit="pixel", meaning="largest random shift of an image", rule=non_negative)
    flip: bool = parameter(False, meaning="mirror half of the images left to right")
    cutout: int = parameter(
        0, unit="pixel", meaning="side of the square that is blanked, 0 = none", rule=non_negative
    )
    map_drop: float = parameter(
        0.0,
        meaning="share of batches of which a random share of the least important maps is zeroed",
        rule=probability,
    )
    precision: str = parameter("bf16", meaning="arithmetic of the extractor", rule=one_of(*PRECISIONS))
    seed: int = parameter(1, meaning="seed of weights, order and noise", rule=non_negative)


def epoch_generator(seed: int, *names: object) -> np.random.Generator:
    """The random stream that belongs to `names`, whoever else draws."""
    text = "/".join(str(n) for n in ("train", seed, *names))
    return np.random.Generator(
        np.random.Philox(key=int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
    )


def new_network(shape: Shape, seed: int) -> Network:
    """A network with initial weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(epoch_generator(seed, "weights").integers(2**62)))
        return Network(shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Augmenter:
    """Random shifts, mirroring and blanked squares of uint8 images, then standardisation."""

    def __init__(
        self, images: np.ndarray, mean: np.ndarray, deviation: np.ndarray, training: Training
    ) -> None:
        self.training = training
        size = images.shape[2:]
        pad = training.shift
        padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        self.windows = sliding_window_view(padded, size, axis=(2, 3))
        self.mean = mean[:, None, None]
        self.deviation = deviation[:, None, None]

    def batch(self, index: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Images `index` as float32[len(index), c, s, s], changed at random."""
        n, size = len(index), self.windows.shape[-1]
        row, column = rng.integers(0, 2 * self.training.shift + 1, (2, n))
        mirrored = rng.random(n) < 0.5
        corner = rng.integers(0, size, (2, n))
        x = (self.windows[index, :, row, column] / np.float32(255.0) - self.mean) / self.deviation
        if self.training.flip:
            x[mirrored] = x[mirrored, :, :, ::-1]
        side = self.training.cutout
        if side:
            low = np.maximum(corner - side // 2, 0)
            high = np.minimum(corner - side // 2 + side, size)
            for i in range(n):
                x[i, :, low[0, i] : high[0, i], low[1, i] : high[1, i]] = 0.0
        return torch.from_numpy(x.astype(np.float32))


def standardised(images: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> Tensor:
    """uint8[n, c, s, s] to float32 with the codec's mean and deviation a channel."""
    x = (images / np.float32(255.0) - mean[:, None, None]) / deviation[:, None, None]
    return torch.from_numpy(x.astype(np.float32)).to(memory_format=torch.channels_last)


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel on the scale 0..1, as float32[c]."""
    channels = images.transpose(1, 0, 2, 3).reshape(images.shape[1], -1)
    counts = np.stack([np.bincount(c, minlength=256) for c in channels]).astype(np.float64)
    level = np.arange(256) / 255.0
    mean = counts @ level / counts.sum(1)
    variance = counts @ level**2 / counts.sum(1) - mean**2
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def accuracy(network: Network, images: Tensor, labels: np.ndarray, batch_size: int = 250) -> float:
    """Share of images classified correctly, without noise and at full precision."""
    network.eval()
    correct = 0
    with torch.inference_mode():
        for i in range(0, len(images), batch_size):
            pooled = network.pooled(network.features(images[i : i + batch_size]))
            guess = network.classify(pooled).argmax(1).numpy()
            correct += int((guess == labels[i : i + batch_size]).sum())
    return correct / len(labels)


class Trainer:
    """Weights, momenta and averages of one training; `run_epoch` advances it, `save`/`resume` keep it."""

    def __init__(self, data: ImageSet, training: Training) -> None:
        self.data = data
        self.training = training
        self.shape = Shape(data.images.shape[1], data.images.shape[2], training.depth)
        self.network = new_network(self.shape, training.seed)
        self.averaged = new_network(self.shape, training.seed)
        self.optimiser = torch.optim.SGD(
            self.network.parameters(),
            lr=training.peak_step,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            nesterov=training.momentum > 0,
        )
        self.mean, self.deviation = channel_statistics(data.images)
        self.augmenter = Augmenter(data.images, self.mean, self.deviation, training)
        self.epoch = 0

    @property
    def steps_per_epoch(self) -> int:
        return max(len(self.data.labels) // self.training.batch_size, 1)

    def step_size(self, step: int) -> float:
        """Step size at `step`: linear rise, then half a cosine down to zero at the end of the training."""
        total = self.training.epochs * self.steps_per_epoch
        rise = max(self.training.warmup * total, 1.0)
        if step < rise:
            return self.training.peak_step * (step + 1) / rise
        return (
            self.training.peak_step * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(total - rise, 1.0)))
        )

    def run_epoch(self, progress: Progress | None = None) -> float:
        """One pass over the images in a new random order; returns the mean loss."""
        rng = epoch_generator(self.training.seed, self.data.task, "epoch", self.epoch)
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        order = rng.permutation(len(self.data.labels))
        labels = torch.from_numpy(self.data.labels.astype(np.int64))
        self.network.train()
        losses = 0.0
        for i in range(self.steps_per_epoch):
            index = order[i * self.training.batch_size : (i + 1) * self.training.batch_size]
            step = self.epoch * self.steps_per_epoch + i
            losses += self._step(self.augmenter.batch(index, rng), labels[index], step, rng, noise)
            if progress is not None:
                progress.advance(f"loss {losses / (i + 1):.3f}")
        self.epoch += 1
        return losses / self.steps_per_epoch

    def _step(
        self, images: Tensor, labels: Tensor, step: int, rng: np.random.Generator, noise: torch.Generator
    ) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self.step_size(step)
        images = images.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.training.precision == "bf16"):
            maps = self.network.features(images)
        pooled = self.network.pooled(maps) + pooled_noise(maps, self.training.snr_db, noise)
        if rng.random() < self.training.map_drop:
            pooled = pooled * self._kept_maps(rng)
        loss = functional.cross_entropy(self.network.classify(pooled), labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self._average(step)
        return float(loss.detach())

    def _kept_maps(self, rng: np.random.Generator) -> Tensor:
        """1 for the first maps of the present task_avg list, 0 for a random share of 0 to 90 % at its end."""
        order = torch.argsort(self.network.fc.weight.detach().abs().mean(0), descending=True)
        kept = torch.zeros(len(order))
        kept[order[: max(int(len(order) * (1.0 - 0.9 * rng.random())), 1)]] = 1.0
        return kept

    def _average(self, step: int) -> None:
        memory = min(self.training.average, (step + 1) / (step + 10))
        with torch.no_grad():
            pairs = zip(self.averaged.state_dict().values(), self.network.state_dict().values())
            for mean, now in pairs:
                if mean.is_floating_point():
                    mean.lerp_(now, 1.0 - memory)
                else:
                    mean.copy_(now)

    def identity(self) -> dict[str, Any]:
        """What must agree before a checkpoint may be continued."""
        return {"training": asdict(self.training), "data": self.data.sha256()}

    def save(self, path: Path) -> None:
        """Write the checkpoint; whole or not at all."""
        state = {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        save_checkpoint(path, self.identity(), state)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of the same training on the same data, or say in one line why not."""
        state = load_checkpoint(path, self.identity())
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch = int(state["epoch"])
