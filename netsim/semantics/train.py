"""Train the image codec: `python -m netsim.semantics.train --task cifar10 --epochs 60 --out FOLDER`.

Supervised training of extractor and classifier together with the cross-entropy P(10), through the noise
layer of P(6)-(7) at 13 dB. Stochastic gradient descent with Nesterov momentum; the step size rises linearly
and falls along a cosine; what is shipped is the exponential moving average of the weights. Called again after
an interruption, the command continues from its checkpoint to the same result.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from netsim.semantics.datasets import TASKS, ImageSet, item_hashes, load_images
from netsim.semantics.head import HeadTraining, train_head
from netsim.semantics.image_codec import ImageCodec, save_codec, shipped_tensors
from netsim.semantics.progress import Progress
from netsim.semantics.quantizer import clip_of
from netsim.semantics.training import PRECISIONS, Trainer, Training, accuracy, standardised
from phy.parameters import ParameterError

CLIP_IMAGES = 2000  # training images (first by hash) whose activations fix the clip
HEAD = HeadTraining()

PRESETS = {
    "mnist": Training(epochs=4),
    "fashion-mnist": Training(epochs=6, flip=True),
    "cifar10": Training(epochs=40, depth=2, flip=True, shift=4, cutout=8),
}


def train(
    data: ImageSet,
    check: ImageSet,
    training: Training,
    checkpoint: Path,
    say: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> Trainer:
    """Run (or continue) a training up to its last epoch, with a checkpoint after each.

    `check` are images to report the accuracy on after each epoch; they decide nothing. `say` takes one line.
    `stop_after` ends the training after so many epochs of its schedule; a later call can go on.
    """
    last = training.epochs if stop_after is None else min(stop_after, training.epochs)
    trainer = Trainer(data, training)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        say(f"continuing after epoch {trainer.epoch}")
    inputs = standardised(check.images, trainer.mean, trainer.deviation)
    remaining = (last - trainer.epoch) * trainer.steps_per_epoch
    with Progress(max(remaining, 1), "steps") as progress:
        while trainer.epoch < last:
            begun = time.monotonic()
            loss = trainer.run_epoch(progress)
            trainer.save(checkpoint)
            right = accuracy(trainer.averaged, inputs, check.labels)
            took_s = time.monotonic() - begun
            say(f"epoch {trainer.epoch}/{training.epochs}  loss {loss:.4f}  val {right:.4f}  {took_s:.0f} s")
    return trainer


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 done, 2 the user's mistake in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m netsim.semantics.train", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--task", required=True, choices=(*TASKS, "digits"))
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="checkpoint and codec go here"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="look for images here only")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--stop-after", type=int, metavar="N", help="end after N epochs of the schedule")
    parser.add_argument("--seed", type=int, help="seed of weights, order and noise")
    parser.add_argument(
        "--map-drop", type=float, help="share of batches in which the least important maps are zeroed"
    )
    parser.add_argument("--precision", choices=PRECISIONS, help="arithmetic of the extractor")
    given = parser.parse_args(arguments)
    try:
        run(given)
    except ParameterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(given: argparse.Namespace) -> None:
    """Load the data, train, write the codec."""
    preset = PRESETS.get(given.task, Training())
    names = ("epochs", "seed", "map_drop", "precision")
    training = replace(preset, **{n: getattr(given, n) for n in names if getattr(given, n) is not None})
    data = load_images(given.task, "train", given.data)
    check = load_images(given.task, "val", given.data)
    say(f"{given.task}: {len(data.labels)} training images, {data.source}")
    given.out.mkdir(parents=True, exist_ok=True)
    trainer = train(data, check, training, given.out / f"{given.task}.ckpt", say, given.stop_after)
    write_codec(
        trainer, load_images(given.task, "test", given.data), given.out / f"{given.task}.safetensors", say
    )


def write_codec(trainer: Trainer, test: ImageSet, path: Path, say: Callable[[str], None]) -> None:
    """Round the averaged weights, fix the clip, train the second classifier, state accuracies, write."""
    data, training = trainer.data, trainer.training
    tensors = shipped_tensors({k: v.numpy() for k, v in trainer.averaged.state_dict().items()})
    description: dict[str, Any] = {
        "task": data.task,
        "shape": asdict(trainer.shape),
        "mean": trainer.mean.tolist(),
        "deviation": trainer.deviation.tolist(),
        "clip": 1.0,
        "training": asdict(training),
        "head_training": asdict(HEAD),
        "epochs_done": trainer.epoch,
        "command": f"python -m netsim.semantics.train --task {data.task} --epochs {training.epochs} "
        f"--stop-after {trainer.epoch} --seed {training.seed} --map-drop {training.map_drop} "
        f"--precision {training.precision} --out DIR",
        "train_data": {"source": data.source, "sha256": data.sha256(), "num_images": len(data.labels)},
        "test_data": {"source": test.source, "sha256": test.sha256(), "num_images": len(test.labels)},
        "software": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
    codec = ImageCodec(data.task, tensors, description, "")
    by_hash = np.argsort(item_hashes(data.images), kind="stable")
    description["clip"] = clip_of(codec.extract(data.images[by_hash[:CLIP_IMAGES]]))
    chosen = by_hash[: HEAD.num_images]
    _, means = codec.map_means(data.images[chosen])
    plain = codec.classifier("plain")
    tensors["compressed.weight"], tensors["compressed.bias"] = train_head(
        means, data.labels[chosen], *plain, data.task, HEAD
    )
    exact, quantised = codec.map_means(test.images)
    description["test_accuracy"] = codec.accuracies(exact, test.labels)
    description["test_accuracy_8bit"] = codec.accuracies(quantised, test.labels)
    save_codec(path, tensors, description)
    for name, value in description["test_accuracy"].items():
        say(f"test, {name} classifier: {value:.4f}, quantised {description['test_accuracy_8bit'][name]:.4f}")


def say(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
