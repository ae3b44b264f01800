"""The trained image codec as a file: extractor weights, classifier, quantiser and where they come from.

`weights/<task>.safetensors` holds the tensors of `network.Network` (convolutions as float16, normalisation
and classifier as float32) and, as metadata `codec`, a JSON object: shape, standardisation, clip, training
settings, hash of the training data, accuracies, software versions and the command. Reading it needs no torch;
only `ImageCodec.extract` imports it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from netsim.semantics.quantizer import Quantizer
from phy.parameters import ParameterError

WEIGHTS = Path(__file__).parent / "weights"
EXTRACT_BATCH = 250


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

    @property
    def fc_weight(self) -> np.ndarray:
        """Classifier matrix, float32[10, 512]."""
        return self.tensors["fc.weight"]

    @property
    def fc_bias(self) -> np.ndarray:
        """Classifier offsets, float32[10]."""
        return self.tensors["fc.bias"]

    def network(self) -> Any:
        """The torch module (`network.Network`) in evaluation mode."""
        import torch

        from netsim.semantics.network import Network, Shape

        network = Network(Shape(**self.description["shape"]))
        network.load_state_dict(
            {k: torch.from_numpy(v.astype(np.float32)) for k, v in self.tensors.items()}, strict=False
        )
        return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def extract(self, images: np.ndarray) -> np.ndarray:
        """Images uint8[n, c, s, s] to feature maps float32[n, 512, 49], all >= 0 (imports torch)."""
        import torch

        shape = self.description["shape"]
        wanted = (shape["image_channels"], shape["image_size"], shape["image_size"])
        if images.shape[1:] != wanted:
            raise ParameterError(f"images of shape {images.shape[1:]}: the {self.task} codec takes {wanted}")
        network = self.network()
        mean, deviation = (
            np.array(self.description[k], np.float32)[:, None, None] for k in ("mean", "deviation")
        )
        parts = []
        with torch.inference_mode():
            for i in range(0, len(images), EXTRACT_BATCH):
                inputs = ((images[i : i + EXTRACT_BATCH] / np.float32(255.0) - mean) / deviation).astype(
                    np.float32
                )
                batch = torch.from_numpy(inputs).to(memory_format=torch.channels_last)
                parts.append(network.features(batch).contiguous().numpy().reshape(len(inputs), -1, 49))
        return np.concatenate(parts)

    def accuracy(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Share of features float32[n, 512, 49] that the server's classifier puts into the right class."""
        logits = features.mean(axis=2) @ self.fc_weight.T + self.fc_bias
        return float(np.mean(logits.argmax(axis=1) == labels))


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
    missing |= {"fc.weight", "fc.bias"} - set(tensors)
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
