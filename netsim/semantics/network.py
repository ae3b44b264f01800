"""The image codec's network: a small ResNet whose last stage gives 512 maps of 7x7, and its classifier.

The only module of the image codec that needs torch at import; it is imported when a network is trained or
when features are extracted from a user's images. The server side (`bank.py`) needs no torch: average pooling
and one fully connected layer are a sum per map and a matrix product.

Shape of the network (P Table II, made small; spec toscn 10.1, E31)::

    image     1x28x28 or 3x32x32
    stem      3x3 convolution, 32 maps
    stage 1   `depth` residual blocks, 64 maps, first one with stride 2      14x14 or 16x16
    stage 2   `depth` residual blocks, 128 maps, first one with stride 2      7x7  or  8x8
    (32x32)   2x2 average with stride 1                                             -> 7x7
    stage 3   residual bottleneck: 3x3 at 128 maps, 1x1 expansion to 512; ReLU      512x7x7
    ------- here the features are quantised and sent ---------------------------------------
    pooling   average over the 49 cells
    FC        512 -> 10
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_MAPS = 512
MAP_SIZE = 7
NUM_CLASSES = 10
STEM_MAPS = 32
STAGE_MAPS = (64, 128)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (with stride 2: a 2x2 average and a 1x1 convolution)."""

    def __init__(self, maps_in: int, maps_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(maps_in, maps_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(maps_out)
        self.conv2 = nn.Conv2d(maps_out, maps_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(maps_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or maps_in != maps_out:
            if stride != 1:
                self.shortcut.append(nn.AvgPool2d(stride))
            self.shortcut.append(nn.Conv2d(maps_in, maps_out, 1, bias=False))
            self.shortcut.append(nn.BatchNorm2d(maps_out))

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


class Expansion(nn.Module):
    """Residual bottleneck that expands to the 512 transmitted maps: 3x3, then 1x1; 1x1 shortcut."""

    def __init__(self, maps_in: int, maps_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(maps_in, maps_in, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(maps_in)
        self.conv2 = nn.Conv2d(maps_in, maps_out, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(maps_out)
        self.shortcut = nn.Sequential(nn.Conv2d(maps_in, maps_out, 1, bias=False), nn.BatchNorm2d(maps_out))

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


@dataclass(frozen=True)
class Shape:
    """What fixes the network besides its weights."""

    image_channels: int
    image_size: int  # 28 or 32
    depth: int  # residual blocks a stage

    def __post_init__(self) -> None:
        if self.image_size not in (28, 32):
            raise ValueError(f"Shape.image_size = {self.image_size}: must be 28 or 32")


class Network(nn.Module):
    """Extractor and classifier. `features` runs on the device, `classify` at the server."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = [
            nn.Conv2d(shape.image_channels, STEM_MAPS, 3, 1, 1, bias=False),
            nn.BatchNorm2d(STEM_MAPS),
            nn.ReLU(),
        ]
        maps = STEM_MAPS
        for maps_out in STAGE_MAPS:
            for i in range(shape.depth):
                layers.append(ResidualBlock(maps, maps_out, 2 if i == 0 else 1))
                maps = maps_out
        if shape.image_size == 32:
            layers.append(nn.AvgPool2d(2, 1))
        layers.append(Expansion(maps, NUM_MAPS))
        self.extractor = nn.Sequential(*layers)
        self.fc = nn.Linear(NUM_MAPS, NUM_CLASSES)

    def features(self, x: Tensor) -> Tensor:
        """Standardised images float32[n, c, s, s] to maps float32[n, 512, 7, 7], all >= 0."""
        maps: Tensor = self.extractor(x)
        return maps

    def pooled(self, maps: Tensor) -> Tensor:
        """Average of each map: float32[n, 512]. Taken with channels last, as the extractor leaves them."""
        cells: Tensor = maps.permute(0, 2, 3, 1).flatten(1, 2)
        return cells.sum(dim=1, dtype=torch.float32) / MAP_SIZE**2

    def classify(self, pooled: Tensor) -> Tensor:
        """Map averages float32[n, 512] to logits float32[n, 10]."""
        logits: Tensor = self.fc(pooled)
        return logits


def pooled_noise(maps: Tensor, snr_db: float, generator: torch.Generator) -> Tensor:
    """The training channel as the classifier sees it: float32[n, 512], to be added to the map averages.

    P(6)-(7) scales an image's features to unit power and adds white noise of power 10^(-snr/10); undoing the
    scale, that is noise of deviation s = rms * 10^(-snr/20) in every cell. The average over 49 independent
    cells has deviation s / 7: drawn directly, it is the same distribution for a fifth of the training time.
    """
    rms = torch.linalg.vector_norm(maps.detach(), dim=(1, 2, 3), dtype=torch.float32) / maps[0].numel() ** 0.5
    deviation = rms * 10.0 ** (-snr_db / 20.0) / MAP_SIZE
    return torch.randn(maps.shape[:2], generator=generator) * deviation[:, None]
