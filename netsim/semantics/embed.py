"""Make the shipped bank: `python -m netsim.semantics.embed --task cifar10 --items 300`.

Takes the test images with the smallest hashes (so neither labels nor results choose them), extracts and
quantises their maps with the shipped codec, and writes netsim/semantics/weights/<task>.bank.npz with its
provenance. The images themselves are not stored.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from netsim.semantics.bank import embedded_bank, extract, write_bank
from netsim.semantics.datasets import TASKS, load_images
from netsim.semantics.image_codec import WEIGHTS, load_codec
from phy.parameters import ParameterError


def embed(task: str, num_items: int, data_dir: Path | None = None, weights: Path = WEIGHTS) -> Path:
    """Write the bank of `task` with `num_items` images; returns its path."""
    codec = load_codec(task, weights / f"{task}.safetensors")
    test = load_images(task, "test", data_dir)
    content = extract(codec, test, num_items)
    command = f"python -m netsim.semantics.embed --task {task} --items {num_items}"
    content = replace(content, provenance={**content.provenance, "command": command})
    path = weights / f"{task}.bank.npz"
    write_bank(path, content, zipfile.ZIP_DEFLATED)
    return path


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 done, 2 the user's mistake in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m netsim.semantics.embed", description="Make the shipped bank."
    )
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--items", type=int, default=300, help="test images in the bank")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="look for images here only")
    given = parser.parse_args(arguments)
    try:
        path = embed(given.task, given.items, given.data)
        bank = embedded_bank(given.task)
    except ParameterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(
        f"{path.name}: {path.stat().st_size} bytes, {bank.num_items} images, "
        f"accuracy {bank.noiseless_accuracy():.4f}, "
        f"whole test set {bank.test_accuracy:.4f}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
