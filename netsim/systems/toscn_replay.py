"""What a replay of TOSCN shows: symbols of the link, and what the server makes of the feature maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.link import Block, Grants
from netsim.link_ofdm import OfdmLink
from netsim.semantics.bank import ImageBank
from netsim.semantics.datasets import MissingData, item_hashes, load_images
from netsim.studies.replay import Sent
from netsim.systems.toscn_images import ImageTask
from netsim.systems.toscn_system import ToscnSystem

COLUMNS = 32  # feature maps side by side in a picture


def signals(
    system: ToscnSystem, slot: int, grants: Grants, blocks: list[Block]
) -> tuple[list[np.ndarray], list[np.ndarray]] | tuple[None, None]:
    """Equalised and ideal symbols of every block; nothing at links that have none."""
    link = system.link
    if not isinstance(link, OfdmLink) or link.level == "table" or link.estimator is not None:
        return None, None
    return link.equalised(slot, grants, system.world, blocks)


def content(system: ToscnSystem, one: Sent) -> dict[str, Any]:
    """Pictures (uint8[h, w] or [h, w, 3]) and scores of the classes, before and after the channel."""
    assert isinstance(system.task, ImageTask)
    packet, sent, received = one.packet, np.packbits(one.sent), np.packbits(one.received)
    bank = system.task.banks[packet.task]
    kept = bank.num_kept(packet.compression)
    features = [bank.decode(payload, packet.item, kept) for payload in (sent, received)]
    peak = max(float(features[0].max()), 1e-9)
    pictures = {"features sent": mosaic(features[0], peak), "features received": mosaic(features[1], peak)}
    original = _original(bank, packet.item)
    if original is not None:
        pictures = {"image": original, **pictures}
    logits = [f.mean(axis=1) @ bank.fc_weight.T + bank.fc_bias for f in features]
    full = bank.map_means[packet.item] @ bank.fc_weight.T + bank.fc_bias
    return {
        "title": f"{bank.task}, image {packet.item}: {kept} of {len(bank.fc_weight[0])} maps",
        "pictures": pictures,
        "scores": {
            "all maps, no channel": full,
            "maps as sent": logits[0],
            "maps as received": logits[1],
        },
        "label": packet.label,
        "decision": packet.decision,
    }


def mosaic(features: np.ndarray, peak: float) -> np.ndarray:
    """Feature maps float32[512, 49] as one picture uint8[h, w], maps side by side with a gap of one."""
    maps = (255 * np.clip(features / peak, 0, 1)).astype(np.uint8).reshape(-1, 7, 7)
    padded = np.pad(maps, ((0, 0), (0, 1), (0, 1)), constant_values=40)
    rows = len(maps) // COLUMNS
    return padded.reshape(rows, COLUMNS, 8, 8).swapaxes(1, 2).reshape(rows * 8, COLUMNS * 8)


def _original(bank: ImageBank, item: int) -> np.ndarray | None:
    """The image itself, where the data set is on this machine (the bank that ships has features only)."""
    try:
        images = load_images(bank.task, "test").images
    except MissingData:
        return None
    at = np.flatnonzero(item_hashes(images) == bank.item_keys[item])
    if not len(at):
        return None
    return np.moveaxis(images[at[0]], 0, -1).squeeze()
