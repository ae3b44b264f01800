"""The trained text codec as a file, and what it does: sentences to 64 features, features to sentences.

`weights/<name>.safetensors` holds the tensors of `text_network.TextNetwork` (float16) and, as metadata
`codec`, a JSON object: sizes, vocabulary, thresholds p_th, corpora, training settings, quality, command.
Reading and running it needs NumPy only: torch is for training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from netsim.semantics.image_codec import WEIGHTS
from netsim.semantics.sbq import Sbq
from netsim.semantics.text_corpora import MAX_WORDS, Vocabulary
from netsim.semantics.text_inference import END, FEATURES, Inference
from phy.parameters import ParameterError

SHIPPED = ("english", "grammar")
BATCH = 64  # sentences that are encoded or decoded at once


@dataclass(frozen=True)
class TextCodec:
    """One trained codec; `tensors` as `text_network.TextNetwork.state_dict` names them."""

    name: str
    tensors: dict[str, np.ndarray]
    description: dict[str, Any]
    sha256: str

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Words that the codec knows."""
        return Vocabulary(self.description["words"].split())

    @property
    def max_words(self) -> int:
        """Longest sentence the codec was trained for, in words; the corpora's limit if its file has none."""
        return int(self.description.get("max_words", MAX_WORDS))

    @cached_property
    def inference(self) -> Inference:
        """Weights as float32, ready to run."""
        shape = self.description["shape"]
        return Inference(self.tensors, int(shape["heads"]))

    def quantizer(self, bits: int, mode: str = "midpoint") -> Sbq:
        """SBQ of 1, 2 or 3 bits with the threshold that the codec was trained with."""
        return Sbq(mode, bits, float(self.description["p_th"][bits - 1]))

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences to features float32[n, 64], >= 0, root mean square 1 in each row.

        Raises ParameterError for a word outside the vocabulary or more than 29 words.
        """
        tokens = self.vocabulary.encode(sentences)
        out = np.empty((len(tokens), FEATURES), np.float32)
        lengths = (tokens > 0).sum(1)
        order = np.argsort(lengths, kind="stable")
        for i in range(0, len(order), BATCH):
            chosen = order[i : i + BATCH]
            out[chosen] = self.inference.embed(tokens[chosen, : lengths[chosen].max()])
        return out

    def repair(self, received: np.ndarray, bits: np.ndarray | int | None) -> np.ndarray:
        """Received features float[n, 64] after the offset compensator of each row's number of bits.

        `bits` None: features that were never quantised, returned as they are.
        """
        features = np.ascontiguousarray(received, np.float32)
        if bits is None:
            return features
        of_row = np.broadcast_to(np.asarray(bits), (len(features),))
        out = features.copy()
        for n in np.unique(of_row):
            if n not in (1, 2, 3):
                raise ParameterError(f"bits = {n}: must be 1, 2 or 3")
            rows = of_row == n
            out[rows] = self.inference.compensate(features[rows], int(n))
        return out

    def decode(self, received: np.ndarray, bits: np.ndarray | int | None) -> list[str]:
        """Sentences from received features float[n, 64]: compensator, then greedy decoding."""
        features = self.repair(received, bits)
        sentences: list[str] = []
        for i in range(0, len(features), BATCH):
            sentences += self.vocabulary.decode(self.inference.greedy(features[i : i + BATCH]))
        return sentences


def load_text_codec(name: str = "english", path: Path | None = None) -> TextCodec:
    """The codec `name` that is shipped ('english', 'grammar'), or the one in `path`.

    Raises ParameterError in one line if the file is missing or damaged.
    """
    if path is None:
        if name not in SHIPPED:
            raise ParameterError(f"text codec = {name!r}: must be one of {', '.join(SHIPPED)}")
        path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        raise ParameterError(f"{path}: no such file: train it with `python -m netsim.semantics.train_text`")
    try:
        with safe_open(path, framework="numpy") as file:
            description = json.loads(file.metadata()["codec"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, TypeError, ValueError) as cause:
        raise ParameterError(
            f"{path}: not a codec ({str(cause).splitlines()[0]}): must be written by train_text"
        ) from None
    missing = {"shape", "words", "p_th"} - set(description)
    missing |= {"tokens.weight", "predictor.bias"} - set(tensors)
    if missing:
        raise ParameterError(
            f"{path}: not a text codec (no {', '.join(sorted(missing))}): must be written by train_text"
        )
    if tensors["tokens.weight"].shape[0] != len(description["words"].split()) + END + 2:
        raise ParameterError(f"{path}: words and token embedding differ in number: must be of one training")
    return TextCodec(name, tensors, description, hashlib.sha256(path.read_bytes()).hexdigest())


def shipped_text_tensors(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A network's weights as they are stored: float16; a predictor that is the token embedding only once."""
    kept = dict(state)
    if "predictor.weight" in kept and np.array_equal(kept["predictor.weight"], kept["tokens.weight"]):
        del kept["predictor.weight"]
    return {k: np.ascontiguousarray(v, np.float16) for k, v in kept.items()}
