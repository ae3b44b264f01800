"""Banks of test images as extracted 8-bit feature maps: what the simulator sends, receives and scores.

A device of the simulator does not run a network in every slot: the feature maps of a task's test images are
extracted once, quantised, and kept. A packet is the codes of the most important maps of one image; the server
puts what arrived, wrong bits included, back into its maps (missing maps are zeros), averages every map and
multiplies by the classifier. No torch is needed for any of this.

Banks come from the repository (`embedded`: a few hundred images a task, with provenance) or from a user's
images (`data`: extracted with the shipped codec, kept in data/cache). `ImageBank.source` says which.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from netsim.semantics import importance
from netsim.semantics.datasets import TASKS, ImageSet, MissingData, item_hashes, load_images
from netsim.semantics.image_codec import WEIGHTS, ImageCodec, load_codec
from netsim.semantics.quantizer import Quantizer, map_sums, pack, unpack
from phy.parameters import ParameterError

CELLS = 49
NUM_MAPS = 512
SOURCES = ("auto", "embedded", "data")
CACHE = Path("data") / "cache"
LIVE_ITEMS = 1000


class Codec(Protocol):
    """What the simulator asks of a semantic codec: packets of items in, scores of what arrived out."""

    @property
    def num_items(self) -> int: ...

    def packet_bits(self, eta: float) -> int:
        """Payload bits of one packet at compression ratio `eta`."""

    def encode(self, item: int, eta: float) -> np.ndarray:
        """The packet of one item: uint8[ceil(packet_bits / 8)]."""

    def score(
        self, payload: np.ndarray, offset: np.ndarray, items: np.ndarray, kept: np.ndarray
    ) -> np.ndarray:
        """Scores in [0, 1] of received packets, float32[packets]; see `ImageBank.score`."""


@dataclass(frozen=True)
class ImageBank:
    """Feature maps of test images of one task, with the server's classifier.

    Attributes:
        task: 'mnist', 'fashion-mnist' or 'cifar10'.
        source: one line for people: where images and codes come from.
        labels: uint8[n], true classes.
        codes: uint8[n, 512, 49], quantised maps.
        item_keys: uint64[n], hash of each image (identifies it in the data set).
        quantizer: its step turns codes into features.
        fc_weight, fc_bias: float32[10, 512], float32[10].
        provenance: data source and hash, codec hash, accuracies, command.
        classifier: 'compressed' or 'plain', the one that fc_weight and fc_bias are (see `head`).
        mode: importance mode (see `importance`).
    """

    task: str
    source: str
    labels: np.ndarray
    codes: np.ndarray
    item_keys: np.ndarray
    quantizer: Quantizer
    fc_weight: np.ndarray
    fc_bias: np.ndarray
    provenance: dict[str, Any] = field(repr=False)
    classifier: str = "compressed"
    mode: str = "task_avg"

    def __post_init__(self) -> None:
        importance.check_mode(self.mode)
        n = len(self.labels)
        if n == 0 or self.codes.shape != (n, NUM_MAPS, CELLS) or self.item_keys.shape != (n,):
            raise ParameterError(
                f"bank of {self.task}: codes {self.codes.shape}, labels {self.labels.shape}: "
                f"must be (n, {NUM_MAPS}, {CELLS}) and (n,) with n >= 1"
            )

    @property
    def num_items(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def test_accuracy(self) -> float:
        """Accuracy of the 8-bit features on the codec's whole test set, of which the bank is a sample."""
        return float(self.provenance["codec"]["test_accuracy_8bit"][self.classifier])

    def using(self, mode: str | None = None, bits: int | None = None) -> ImageBank:
        """The same images with another importance mode or a coarser quantiser (bits <= present bits)."""
        bank = self if mode is None else replace(self, mode=mode)
        if bits is None or bits == self.quantizer.bits:
            return bank
        if bits > self.quantizer.bits:
            raise ParameterError(f"bits = {bits}: must be at most {self.quantizer.bits}, the bank's own")
        codes = self.quantizer.narrowed(self.codes, bits)
        return replace(bank, codes=codes, quantizer=Quantizer(self.quantizer.clip, bits))

    @cached_property
    def map_means(self) -> np.ndarray:
        """Mean feature of every map of every image: float32[n, 512]."""
        sums = np.empty(self.num_items * NUM_MAPS, np.float32)
        map_sums(self.codes.reshape(-1), CELLS, sums)
        return sums.reshape(-1, NUM_MAPS) * np.float32(self.quantizer.step / CELLS)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Class that the device's copy of the classifier finds for every image: uint8[n]."""
        return self.classify_means(self.map_means)

    @cached_property
    def rankings(self) -> np.ndarray:
        """Importance list of every image in this bank's mode: uint16[n, 512]."""
        return importance.rankings(
            self.mode, self.fc_weight, self.labels, self.predicted, self.map_means, self.item_keys
        )

    def num_kept(self, eta: float) -> int:
        """Maps in a packet at compression ratio `eta`, 1..512 (M4)."""
        return importance.num_kept(eta, NUM_MAPS)

    def packet_bits(self, eta: float) -> int:
        """Payload of one packet: kept maps * 49 * bits a feature (200,704 at eta = 0 and 8 bits)."""
        return self.num_kept(eta) * CELLS * self.quantizer.bits

    def header_bits(self) -> int:
        """Side information a packet, sent apart and without errors (E26)."""
        return importance.header_bits(self.mode, NUM_MAPS)

    def encode(self, item: int, eta: float) -> np.ndarray:
        """The packet of image `item`: codes of the kept maps, most important map first, packed MSB first."""
        maps = self.rankings[item, : self.num_kept(eta)]
        return pack(self.codes[item, maps], self.quantizer.bits)

    def encode_batch(self, items: np.ndarray, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Packets of several images one after the other, each at a byte boundary.

        Returns payload uint8[total], offset int64[B] (first byte of each) and num_bits int64[B].
        """
        packets = [self.encode(int(i), float(e)) for i, e in zip(items, etas)]
        num_bits = np.array([self.packet_bits(float(e)) for e in etas], np.int64)
        ends = np.cumsum([p.size for p in packets], dtype=np.int64)
        offset = ends - np.array([p.size for p in packets], np.int64)
        payload = np.concatenate(packets) if packets else np.empty(0, np.uint8)
        return payload, offset, num_bits

    def decode(self, payload: np.ndarray, item: int, kept: int) -> np.ndarray:
        """A received packet as features float32[512, 49]; maps that were not sent are zeros.

        `item` stands for the side information: it names the list by which the `kept` maps were chosen.
        """
        codes = unpack(payload, self.quantizer.bits, kept * CELLS).reshape(kept, CELLS)
        features = np.zeros((NUM_MAPS, CELLS), np.float32)
        features[self.rankings[item, :kept]] = self.quantizer.decode(codes)
        return features

    def classify(self, features: np.ndarray) -> np.ndarray:
        """Features float32[n, 512, 49] to classes uint8[n]: average of each map, FC, largest logit."""
        return self.classify_means(features.mean(axis=2))

    def classify_means(self, means: np.ndarray) -> np.ndarray:
        """Map averages float32[n, 512] to classes uint8[n]."""
        logits = means @ self.fc_weight.T + self.fc_bias
        return logits.argmax(axis=1).astype(np.uint8)

    def predict(
        self, payload: np.ndarray, offset: np.ndarray, items: np.ndarray, kept: np.ndarray
    ) -> np.ndarray:
        """Classes of received packets, uint8[B]: `decode` and `classify` in one, through the sum of each map.

        Args:
            payload: uint8[total], as `encode_batch` lays it out.
            offset: int64[B], first byte of each packet.
            items: int[B], images whose side information applies.
            kept: int[B], maps in each packet.
        """
        means = np.zeros((len(items), NUM_MAPS), np.float32)
        scale = np.float32(self.quantizer.step / CELLS)
        for b, (item, k) in enumerate(zip(items, kept)):
            codes = unpack(payload[offset[b] :], self.quantizer.bits, int(k) * CELLS)
            sums = np.empty(int(k), np.float32)
            map_sums(codes, CELLS, sums)
            means[b, self.rankings[item, : int(k)]] = sums * scale
        return self.classify_means(means)

    def score(
        self, payload: np.ndarray, offset: np.ndarray, items: np.ndarray, kept: np.ndarray
    ) -> np.ndarray:
        """1 for every received packet whose image is classified correctly, else 0: float32[B]."""
        right = self.predict(payload, offset, items, kept) == self.labels[items]
        return right.astype(np.float32)

    def noiseless_accuracy(self, eta: float = 0.0) -> float:
        """Share of the bank's images classified correctly from the kept maps, without bit errors."""
        means = np.zeros_like(self.map_means)
        chosen = self.rankings[:, : self.num_kept(eta)].astype(np.int64)
        np.put_along_axis(means, chosen, np.take_along_axis(self.map_means, chosen, axis=1), axis=1)
        return float(np.mean(self.classify_means(means) == self.labels))


def load_bank(
    task: str, source: str = "auto", mode: str = "task_avg", bits: int = 8, classifier: str = "compressed"
) -> ImageBank:
    """The bank of `task`.

    `source`: 'data' extracts the test images found on this machine (cached); 'embedded' is the shipped bank;
    'auto' takes 'data' if the images are there, else 'embedded'. Damaged data is an error in every case.
    `mode`: importance mode. `bits` 1..8 a feature. `classifier`: 'compressed' (trained with maps left out) or
    'plain' (see `head`); importance lists follow its weights.
    """
    if source not in SOURCES:
        raise ParameterError(f"bank source = {source!r}: must be one of {', '.join(SOURCES)}")
    if source == "embedded":
        return embedded_bank(task, classifier).using(mode, bits)
    try:
        return live_bank(task, classifier).using(mode, bits)
    except MissingData:
        if source == "data":
            raise
        return embedded_bank(task, classifier).using(mode, bits)


def embedded_bank(task: str, classifier: str = "compressed") -> ImageBank:
    """The shipped bank: test images chosen by hash, not by result."""
    path = WEIGHTS / f"{task}.bank.npz"
    if not path.is_file():
        raise ParameterError(f"no embedded bank of {task!r}: must be one of {', '.join(TASKS)}")
    return read_bank(path, load_codec(task), "embedded bank", classifier)


def live_bank(
    task: str, classifier: str = "compressed", num_items: int = LIVE_ITEMS, cache: Path = CACHE
) -> ImageBank:
    """The first `num_items` test images (by hash) on this machine; features are extracted once and cached."""
    codec = load_codec(task)
    test = load_images(task, "test")
    path = cache / f"{task}-{test.sha256()[:12]}-{codec.sha256[:12]}-{num_items}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bank(path, extract(codec, test, num_items), zipfile.ZIP_STORED)
    return read_bank(path, codec, "features extracted here", classifier)


@dataclass(frozen=True)
class Extract:
    """What a bank file holds. codes uint8[n, 512, 49], labels uint8[n], item_keys uint64[n], provenance."""

    codes: np.ndarray
    labels: np.ndarray
    item_keys: np.ndarray
    provenance: dict[str, Any]


def extract(codec: ImageCodec, test: ImageSet, num_items: int) -> Extract:
    """Quantised maps of the `num_items` images with the smallest hashes (imports torch).

    The hash depends on pixels only, so neither labels nor results choose the images.
    """
    keys = item_hashes(test.images)
    chosen = np.argsort(keys, kind="stable")[:num_items]
    labels = test.labels[chosen]
    features = codec.extract(test.images[chosen])
    codes = codec.quantizer.encode(features)
    provenance = {
        "data": test.source,
        "data_sha256": test.sha256(),
        "num_test_images": len(test.labels),
        "choice": "test images with the smallest SHA-256",
        "codec_sha256": codec.sha256,
        "accuracy": codec.accuracies(features.mean(axis=2), labels),
        "accuracy_8bit": codec.accuracies(codec.quantizer.decode(codes).mean(axis=2), labels),
    }
    return Extract(codes, labels, keys[chosen], provenance)


def write_bank(path: Path, content: Extract, compression: int) -> None:
    """Write a bank as .npz, whole or not at all; equal content gives equal bytes (no time stamps)."""
    text = np.frombuffer(json.dumps(content.provenance, sort_keys=True).encode(), np.uint8)
    arrays = {
        "codes": content.codes,
        "labels": content.labels,
        "item_keys": content.item_keys,
        "provenance": text,
    }
    part = path.with_name(path.name + ".part")
    with zipfile.ZipFile(part, "w", compression) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = compression
            archive.writestr(member, buffer.getvalue(), compresslevel=9)
    part.replace(path)


def read_bank(path: Path, codec: ImageCodec, kind: str, classifier: str = "compressed") -> ImageBank:
    """The bank in `path`; `codec` is the one that made it. One line if the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {k: file[k] for k in ("codes", "labels", "item_keys", "provenance")}
        provenance = json.loads(arrays.pop("provenance").tobytes())
        data, made_by = provenance["data"], provenance["codec_sha256"]
    except Exception as cause:
        reason = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise ParameterError(
            f"{path}: not a bank ({reason}): must be a whole .npz of codes and labels"
        ) from None
    if made_by != codec.sha256:
        raise ParameterError(
            f"{path}: made by another codec: make it again with `python -m netsim.semantics.embed`"
        )
    source = f"{codec.task}: {kind}, {len(arrays['labels'])} test images of {data}"
    weight, bias = codec.classifier(classifier)
    return ImageBank(
        task=codec.task,
        source=source,
        quantizer=codec.quantizer,
        fc_weight=weight,
        fc_bias=bias,
        classifier=classifier,
        provenance={**provenance, "codec": codec.description},
        **arrays,
    )
