"""The measuring and embedding commands."""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from netsim.semantics import embed, measure
from netsim.semantics.bank import embedded_bank, read_bank
from netsim.semantics.image_codec import WEIGHTS, load_codec


@pytest.mark.parametrize("alpha", [(-0.633, 15.408, 0.925), (-0.639, 19.136, 0.901), (-0.737, 12.474, 0.917)])
def test_fit_recovers_the_curves_of_table_iii(alpha: tuple[float, float, float]) -> None:
    a1, a2, a3 = alpha
    curve = a1 * np.array(measure.FITTED) ** a2 + a3
    found, error = measure.fit_curve(measure.FITTED, curve)
    np.testing.assert_allclose(found, alpha, rtol=1e-6)
    assert error < 1e-12


def test_a_flat_curve_has_no_exponent() -> None:
    found, error = measure.fit_curve(measure.FITTED, np.full(len(measure.FITTED), 0.75))
    assert found[0] == 0.0
    assert np.isnan(found[1])
    assert found[2] == 0.75
    assert error == 0.0


def test_a_curve_the_form_cannot_follow_has_no_parameters() -> None:
    """One image lost at the last point asks for an ever larger exponent: the iteration does not end."""
    accuracies = np.full(len(measure.FITTED), 176 / 190)
    accuracies[-1] = 175 / 190
    found, error = measure.fit_curve(measure.FITTED, accuracies)
    assert np.all(np.isnan(found))
    assert np.isnan(error)


def test_table_shows_the_banks_accuracy_and_falls_with_compression() -> None:
    lines = measure.table("mnist", "embedded", "plain", ("task_avg",))
    row = lines[2].split()
    assert row[0] == "task_avg"
    assert float(row[1]) == pytest.approx(embedded_bank("mnist", "plain").noiseless_accuracy(), abs=5e-4)
    assert float(row[8]) < float(row[1])


def test_command_prints_every_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure.main(["--task", "mnist", "--source", "embedded"]) == 0
    out = capsys.readouterr().out
    assert "embedded bank" in out
    assert all(f"\n{mode} " in out for mode in ("task_avg", "class_pred", "class_true", "gradact", "random"))


def test_embedding_keeps_the_smallest_hashes_and_its_command(tmp_path: Path) -> None:
    shutil.copy(WEIGHTS / "mnist.safetensors", tmp_path)
    folder = tmp_path / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (9, 28, 28), dtype=np.uint8)
    for name, array in (
        ("t10k-images-idx3-ubyte.gz", images),
        ("t10k-labels-idx1-ubyte.gz", np.arange(9, dtype=np.uint8)),
    ):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / name).write_bytes(gzip.compress(head + array.tobytes()))
    path = embed.embed("mnist", 4, tmp_path, tmp_path)
    bank = read_bank(path, load_codec("mnist"), "test")
    assert bank.num_items == 4
    from netsim.semantics.datasets import item_hashes

    assert bank.item_keys.tolist() == sorted(item_hashes(images).tolist())[:4]
    assert bank.provenance["command"] == "python -m netsim.semantics.embed --task mnist --items 4"
    assert bank.noiseless_accuracy() == pytest.approx(bank.provenance["accuracy_8bit"]["compressed"])


def test_embedding_without_data_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert embed.main(["--task", "mnist", "--data", str(tmp_path)]) == 2
    assert "no test images of mnist" in capsys.readouterr().err
