"""Training: interrupted equals uninterrupted, noise of the stated power, shapes, codec files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from netsim.semantics import train as command
from netsim.semantics.datasets import ImageSet
from netsim.semantics.image_codec import load_codec, save_codec
from netsim.semantics.network import Shape, pooled_noise
from netsim.semantics.training import Trainer, Training, epoch_generator, new_network
from phy.parameters import ParameterError

RNG = np.random.default_rng(3)
LABELS = np.arange(48, dtype=np.uint8) % 10
IMAGES = (RNG.integers(0, 60, (48, 1, 28, 28)) + LABELS[:, None, None, None] * 20).astype(np.uint8)
DATA = ImageSet("mnist", "train", IMAGES, LABELS, "made up")
SETTINGS = Training(epochs=4, batch_size=16, flip=True, cutout=4, map_drop=0.5, precision="fp32")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    names = {"now": trainer.network, "mean": trainer.averaged}
    return {f"{n}.{k}": v for n, net in names.items() for k, v in net.state_dict().items()}


def test_two_and_two_epochs_equal_four_bit_for_bit(tmp_path: Path) -> None:
    whole = Trainer(DATA, SETTINGS)
    for _ in range(4):
        whole.run_epoch()

    torch.manual_seed(999)  # a resumed process has another global state; nothing may depend on it
    first = command.train(DATA, DATA, SETTINGS, tmp_path / "t.ckpt", stop_after=2)
    assert first.epoch == 2
    torch.manual_seed(1)
    second = command.train(DATA, DATA, SETTINGS, tmp_path / "t.ckpt")
    assert second.epoch == 4
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(second)[name]), name
    assert not torch.equal(weights(whole)["now.fc.weight"], weights(first)["now.fc.weight"])


def test_checkpoint_of_other_settings_or_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.ckpt"
    Trainer(DATA, SETTINGS).save(path)
    with pytest.raises(ParameterError, match="made with other data or settings"):
        Trainer(DATA, replace(SETTINGS, seed=2)).resume(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ParameterError, match="cannot be continued") as caught:
        Trainer(DATA, SETTINGS).resume(path)
    assert "\n" not in str(caught.value)


def test_training_noise_equals_noise_on_every_cell_then_averaged() -> None:
    """Power of the averaged noise over 20,000 draws: chi-square interval at 99.99 %."""
    maps = torch.rand((4, 512, 7, 7), generator=torch.Generator().manual_seed(1))
    maps[1] *= 9.0
    power = maps.square().mean(dim=(1, 2, 3))
    generator = torch.Generator().manual_seed(2)
    draws = torch.stack([pooled_noise(maps, 13.0, generator) for _ in range(40)], dim=1)
    measured = draws.square().mean(dim=(1, 2))
    expected = power * 10 ** (-1.3) / 49
    n = draws[0].numel()
    assert torch.all((measured / expected - 1).abs() < 3.9 * (2 / n) ** 0.5)


@pytest.mark.parametrize("shape", [Shape(1, 28, 1), Shape(3, 32, 2)])
def test_maps_are_512_of_7_by_7_and_not_negative(shape: Shape) -> None:
    network = new_network(shape, 1).eval()
    with torch.no_grad():
        maps = network.features(torch.randn((2, shape.image_channels, shape.image_size, shape.image_size)))
        pooled = network.pooled(maps)
    assert maps.shape == (2, 512, 7, 7)
    assert maps.min() >= 0.0
    torch.testing.assert_close(pooled, maps.mean(dim=(2, 3)))
    assert network.classify(pooled).shape == (2, 10)


def test_unknown_image_size_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 28 or 32"):
        Shape(1, 64, 1)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = new_network(Shape(1, 28, 1), 1).state_dict()
    torch.manual_seed(6)
    second = new_network(Shape(1, 28, 1), 1).state_dict()
    assert all(torch.equal(v, second[k]) for k, v in first.items())
    assert epoch_generator(1, "a").random() != epoch_generator(2, "a").random()


def test_codec_file_gives_back_the_trained_network(tmp_path: Path) -> None:
    """Weights are rounded to float16 once; the file then reproduces the same features."""
    trainer = Trainer(DATA, replace(SETTINGS, epochs=1))
    trainer.run_epoch()
    lines: list[str] = []
    path = tmp_path / "mnist.safetensors"
    command.write_codec(trainer, replace(DATA, split="test"), path, lines.append)
    codec = load_codec("mnist", path)
    features = codec.extract(IMAGES)
    assert features.shape == (48, 512, 49)
    assert codec.accuracies(features.mean(axis=2), LABELS) == codec.description["test_accuracy"]
    assert codec.description["train_data"]["sha256"] == DATA.sha256()
    assert codec.quantizer.clip == pytest.approx(float(np.quantile(features, 0.999)), rel=1e-5)
    assert "test" in lines[0]
    with pytest.raises(ParameterError, match=r"takes \(1, 28, 28\)"):
        codec.extract(np.zeros((1, 3, 32, 32), np.uint8))
    with pytest.raises(ParameterError, match="codec of mnist: must be of cifar10"):
        load_codec("cifar10", path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ParameterError, match="not a codec") as caught:
        load_codec("mnist", path)
    assert "\n" not in str(caught.value)
    save_codec(path, {"a": np.zeros(1, np.float32)}, {"task": "mnist"})
    with pytest.raises(ParameterError, match="not a codec"):
        load_codec("mnist", path)


def test_bad_setting_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status = command.main(["--task", "mnist", "--epochs", "0", "--out", str(tmp_path)])
    assert status == 2
    assert capsys.readouterr().err == "Training.epochs = 0: must be >= 1\n"
    assert command.main(["--task", "mnist", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "no train images of mnist" in capsys.readouterr().err
