"""The trained image codec as a file: extractor weights, classifier, quantiser and where they come from.

`weights/<task>.safetensors` holds the tensors of `network.Network` (convolutions as float16, normalisation
and classifier as float32) and, as metadata `codec`, a JSON object: shape, standardisation, clip, training
settings, hash of the training data, accuracies, software versions and the command. Reading it needs no torch;
only `ImageCodec.extract` imports it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from netsim.semantics.quantizer import Quantizer
from phy.parameters import ParameterError

WEIGHTS = Path(__file__).parent / "weights"
EXTRACT_BATCH = 250
CLASSIFIERS = {"compressed": "compressed", "plain": "fc"}  # name of a classifier: name of its tensors


@dataclass(frozen=True)
class ImageCodec:
    """One task's extractor (device) and classifier (server)."""

    task: str
    tensors: dict[str, np.ndarray]
    description: dict[str, Any]
    sha256: str

    @property
    def quantizer(self) -> Quantizer:
        """8-bit quantiser on [0, 99.9 % quantile of the training activations]."""
        return Quantizer(float(self.description["clip"]))

    def classifier(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Matrix float32[10, 512] and offsets float32[10] of a classifier, 'compressed' or 'plain'."""
        if name not in CLASSIFIERS:
            raise ParameterError(f"classifier = {name!r}: must be one of {', '.join(CLASSIFIERS)}")
        return self.tensors[f"{CLASSIFIERS[name]}.weight"], self.tensors[f"{CLASSIFIERS[name]}.bias"]

    def network(self) -> Any:
        """The torch module (`network.Network`) in evaluation mode; its own classifier is the plain one."""
        import torch

        from netsim.semantics.network import Network, Shape

        network = Network(Shape(**self.description["shape"]))
        state = network.state_dict()
        state.update(
            {k: torch.from_numpy(v.astype(np.float32)) for k, v in self.tensors.items() if k in state}
        )
        network.load_state_dict(state)
        return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batches(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Maps of uint8[n, c, s, s] in parts of 250 images, float32[<= 250, 512, 49] (imports torch)."""
        import torch

        shape = self.description["shape"]
        wanted = (shape["image_channels"], shape["image_size"], shape["image_size"])
        if images.shape[1:] != wanted:
            raise ParameterError(f"images of shape {images.shape[1:]}: the {self.task} codec takes {wanted}")
        network = self.network()
        mean = np.array(self.description["mean"], np.float32)[:, None, None]
        deviation = np.array(self.description["deviation"], np.float32)[:, None, None]
        for i in range(0, len(images), EXTRACT_BATCH):
            inputs = (images[i : i + EXTRACT_BATCH] / np.float32(255.0) - mean) / deviation
            batch = torch.from_numpy(inputs.astype(np.float32)).to(memory_format=torch.channels_last)
            with torch.inference_mode():
                maps = network.features(batch).contiguous().numpy()
            yield maps.reshape(len(inputs), -1, 49)

    def extract(self, images: np.ndarray) -> np.ndarray:
        """Images uint8[n, c, s, s] to feature maps float32[n, 512, 49], all >= 0 (imports torch)."""
        return np.concatenate(list(self.batches(images)))

    def map_means(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Average of each map as it is and after quantisation, float32[n, 512] each (imports torch)."""
        quantizer = self.quantizer
        pairs = [
            (maps.mean(axis=2), quantizer.decode(quantizer.encode(maps)).mean(axis=2))
            for maps in self.batches(images)
        ]
        return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])

    def accuracies(self, means: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Share of map averages float32[n, 512] that each classifier puts into the right class."""
        found = {}
        for name in CLASSIFIERS:
            weight, bias = self.classifier(name)
            found[name] = float(np.mean((means @ weight.T + bias).argmax(axis=1) == labels))
        return found


def load_codec(task: str, path: Path | None = None) -> ImageCodec:
    """The codec of `task` from `path`, or the one that is shipped.

    Raises ParameterError in one line if the file is missing, damaged or of another task.
    """
    path = WEIGHTS / f"{task}.safetensors" if path is None else path
    if not path.is_file():
        raise ParameterError(
            f"{path}: no such file: train it with `python -m netsim.semantics.train --task {task}`"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            description = json.loads(file.metadata()["codec"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, TypeError, ValueError) as cause:
        raise ParameterError(
            f"{path}: not a codec ({str(cause).splitlines()[0]}): must be written by train"
        ) from None
    missing = {"task", "shape", "clip", "mean", "deviation"} - set(description)
    missing |= {f"{name}.{part}" for name in CLASSIFIERS.values() for part in ("weight", "bias")} - set(
        tensors
    )
    if missing:
        raise ParameterError(
            f"{path}: not a codec (no {', '.join(sorted(missing))}): must be written by train"
        )
    if description["task"] != task:
        raise ParameterError(f"{path}: codec of {description['task']}: must be of {task}")
    return ImageCodec(task, tensors, description, hashlib.sha256(path.read_bytes()).hexdigest())


def shipped_tensors(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A network's weights as they are stored: convolutions float16, the rest float32, no step counters."""
    kept = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    return {k: np.ascontiguousarray(v, np.float16 if v.ndim == 4 else np.float32) for k, v in kept.items()}


def save_codec(path: Path, tensors: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """Write a codec file; `tensors` as `shipped_tensors` gives them."""
    from safetensors.numpy import save

    part = path.with_name(path.name + ".part")
    part.write_bytes(save(tensors, metadata={"codec": json.dumps(description, sort_keys=True)}))
    part.replace(path)
