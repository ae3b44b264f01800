"""Files of link tables: what is saved comes back; what is broken, damaged or stale is refused in one line."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import phy
from netsim import link_records
from netsim.link_tables import (
    LinkTableError,
    ScoreRecord,
    link_digest,
    load_link_tables,
    save_link_tables,
)
from phy.abstraction import LinkAbstraction
from phy.beta_fit import BetaFit
from phy.bler import BlerTable, ScoreTable
from phy.bler_measure import Effort
from phy.block_channel import BlockChannel
from phy.coded_block import CodedBlock

# imported by the link, but no block of a measurement passes through them
NOT_INVOLVED = {
    "phy", "phy.coding", "phy.parameters", "phy.waveform", "phy.waveform_kernels", "phy.fft_kernels",
    "phy.frame", "phy.ofdm", "phy.estimation", "phy.samples", "phy.waveform_places",
}  # fmt: skip


def counts(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def make_link(**changes) -> LinkAbstraction:
    block = CodedBlock(num_bits=100, bits_per_symbol=4, code_rate=0.5)
    table = BlerTable(
        100, np.array([1.0, 1.5, 2.0]), counts(50, 20, 1), counts(50, 60, 200), counts(0, 0, 1),
        counts(900, 300, 9), counts(20000, 5000, 45),
    )  # fmt: skip
    fits = (BetaFit("eesm", 4.5, 0.1, 0.05, -0.01, 33), BetaFit("miesm", 0.97, 0.06, 0.05, 0.0, 33))
    channel = BlockChannel("tdl", 2, (0.75, 0.25), 1.0, 64, 12)
    link = LinkAbstraction(block, table, fits, channel, Effort(20, 200, 10), 2**70)
    return dataclasses.replace(link, **changes)


def make_scores() -> ScoreRecord:
    table = ScoreTable(
        np.array([0.0, 5.0]), counts(10, 10), np.array([2.0, 8.0]), np.array([0.5, 6.5]), increasing=True
    )
    return ScoreRecord("similarity", table, make_link().block, BlockChannel(), 7)


@pytest.fixture
def path(tmp_path) -> Path:
    where = tmp_path / "links.h5"
    save_link_tables(where, [make_link(), make_link(key=5)], [make_scores()])
    return where


def test_round_trip(path):
    loaded = load_link_tables(path)
    for link, sent in zip(loaded.links, [make_link(), make_link(key=5)], strict=True):
        assert (link.block, link.channel, link.effort, link.key) == (
            sent.block, sent.channel, sent.effort, sent.key,
        )  # fmt: skip
        assert link.fits == sent.fits
        for field in dataclasses.fields(BlerTable):
            assert np.array_equal(getattr(link.table, field.name), getattr(sent.table, field.name))
    (scores,) = loaded.scores
    assert (scores.name, scores.key, scores.table.increasing) == ("similarity", 7, True)
    assert np.array_equal(scores.table.mean, make_scores().table.mean)
    assert [p.name for p in path.parent.iterdir()] == ["links.h5"]


def test_empty_file_and_link_without_fits(tmp_path):
    save_link_tables(tmp_path / "none.h5")
    assert load_link_tables(tmp_path / "none.h5").links == ()
    save_link_tables(tmp_path / "one.h5", [make_link(fits=())])
    assert load_link_tables(tmp_path / "one.h5").links[0].fits == ()


def test_digest_names_the_link_and_its_parameters(monkeypatch):
    link = make_link()
    assert link_digest(link) == link_digest(make_link())
    others = [
        make_link(key=1),
        make_link(effort=Effort(21, 200, 10)),
        make_link(channel=BlockChannel()),
        make_link(block=dataclasses.replace(link.block, max_iterations=5)),
    ]
    assert len({link_digest(other) for other in [link, *others]}) == 5
    before = link_digest(link)
    monkeypatch.setattr(link_records, "source_digest", lambda: "another")
    assert link_digest(link) != before


def test_digest_covers_every_module_that_a_measurement_passes_through():
    """The imports of phy.abstraction, followed to the end, are in MODULES or known not to matter."""
    root = Path(phy.__file__).parent.parent
    seen: set[str] = set()
    waiting = ["phy.abstraction"]
    while waiting:
        name = waiting.pop()
        base = root / name.replace(".", "/")
        file = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
        if name in seen or not file.exists() or not name.startswith("phy"):
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
    assert seen - NOT_INVOLVED == set(link_records.MODULES)


def test_table_of_another_link_is_refused_unless_asked_for(path, monkeypatch):
    monkeypatch.setattr(link_records, "source_digest", lambda: "another")
    with pytest.raises(LinkTableError, match=r"links/0: made by link [0-9a-f]{12}, must be"):
        load_link_tables(path)
    assert len(load_link_tables(path, any_digest=True).links) == 2


def replace(file: h5py.File, name: str, **arguments) -> None:
    del file[name]
    file.create_dataset(name, **arguments)


def header(file: h5py.File, **changes) -> None:
    group = file["links/0"]
    group.attrs["header"] = json.dumps(json.loads(group.attrs["header"]) | changes)


DEFECTS = {
    "schema": (lambda f: f.attrs.modify("schema", "netsim-trace/1"), "schema 'netsim-trace/1', must be"),
    "no schema": (lambda f: f.attrs.__delitem__("schema"), "schema is missing"),
    "number for text": (lambda f: f["links/0"].attrs.__setitem__("header", 5), "must be text"),
    "long text": (lambda f: f.attrs.__setitem__("schema", "x" * 60_000 + "y" * 60_000), "at most 100000"),
    "group gone": (lambda f: f.__delitem__("links"), "/links is missing"),
    "column gone": (lambda f: f.__delitem__("links/1/awgn/trials"), "awgn/trials is missing"),
    "wrong dtype": (
        lambda f: replace(f, "links/0/awgn/errors", data=np.zeros(3, np.float32)),
        "dtype float32, must be int64",
    ),
    "unequal lengths": (
        lambda f: replace(f, "links/0/awgn/errors", data=np.zeros(2, np.int64)),
        "must be equally long",
    ),
    "two dimensions": (
        lambda f: replace(f, "links/0/awgn/errors", data=np.zeros((3, 1), np.int64)),
        "must be a 1-D dataset",
    ),
    "huge claim": (
        lambda f: replace(f, "links/0/awgn/errors", shape=(10**12,), dtype="i8", chunks=(10,)),
        "must be at most 100000",
    ),
    "not stored": (
        lambda f: replace(f, "links/0/awgn/errors", shape=(90_000,), dtype="i8"),
        "claims 90000 rows",
    ),
    "soft link": (
        lambda f: (f.__delitem__("links/1"), f.__setitem__("links/1", h5py.SoftLink("/links/0"))),
        "is a link, must lie in the file itself",
    ),
    "external link": (
        lambda f: (
            f.__delitem__("links/0/awgn/errors"),
            f.__setitem__("links/0/awgn/errors", h5py.ExternalLink("/etc/passwd", "/")),
        ),
        "is a link, must lie in the file itself",
    ),
    "data outside": (
        lambda f: replace(f, "links/0/awgn/errors", shape=(3,), dtype="i8", external=[("other.bin", 0, 24)]),
        "in the file itself",
    ),
    "dataset for group": (lambda f: replace(f, "scores/0", data=1), "must be a group"),
    "changed count": (
        lambda f: f["links/0/awgn/errors"].__setitem__(0, 49),
        "does not have the recorded hash",
    ),
    "changed parameter": (lambda f: header(f, key="6"), "does not have the recorded hash"),
    "no JSON": (lambda f: f["links/0"].attrs.__setitem__("header", "{"), "no JSON object"),
    "deep JSON": (lambda f: f["links/0"].attrs.__setitem__("header", "[" * 50_000), "no JSON object"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defective_file_gives_one_line(path, defect):
    damage, words = DEFECTS[defect]
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(LinkTableError) as caught:
        load_link_tables(path)
    message = str(caught.value)
    assert words in message and message.startswith(str(path)) and "\n" not in message


def test_no_hdf5_and_no_file(tmp_path):
    bad = tmp_path / "bad.h5"
    for content in (b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(200)):
        bad.write_bytes(content)
        with pytest.raises(LinkTableError, match="not readable as HDF5"):
            load_link_tables(bad)
    with pytest.raises(LinkTableError, match="no such file"):
        load_link_tables(tmp_path / "none.h5")
    with pytest.raises(LinkTableError, match="no such file"):
        load_link_tables(tmp_path)
    with pytest.raises(LinkTableError, match="does not exist"):
        save_link_tables(tmp_path / "none" / "a.h5")


def test_truncated_or_flipped_files_never_pass(path):
    """Cut anywhere, or one byte changed anywhere: one line, or the very records that were saved."""
    whole = path.read_bytes()
    sent = load_link_tables(path)
    for end in range(0, len(whole), len(whole) // 9):
        path.write_bytes(whole[:end])
        with pytest.raises(LinkTableError):
            load_link_tables(path)
    rng = np.random.default_rng(1)
    for at in rng.integers(0, len(whole), 40):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            got = load_link_tables(path)
        except LinkTableError as error:
            assert "\n" not in str(error)
            continue
        assert [link.fits for link in got.links] == [link.fits for link in sent.links]
        for a, b in zip(got.links, sent.links, strict=True):
            assert np.array_equal(a.table.errors, b.table.errors)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block": {"num_bits": -5, "bits_per_symbol": 4, "code_rate": 0.5}}, "CodedBlock.num_bits = -5"),
        ({"block": {"num_bits": 10**40, "bits_per_symbol": 4, "code_rate": 0.5}}, "links/0"),
        ({"block": {"num_bits": 100, "bits_per_symbol": 4, "code_rate": 1e-320}}, "block"),
        ({"block": {"num_bits": 100, "bits_per_symbol": 4}}, "block is incomplete"),
        ({"block": {"nm_bits": 100}}, "unknown parameter 'nm_bits'"),
        ({"block": 3}, "block is missing"),
        ({"channel": {"tap_powers": [0.2, "a"]}}, "tap_powers"),
        ({"channel": {"tap_powers": [float("nan")], "kind": "tdl"}}, "tap_powers"),
        ({"effort": {"target_errors": 0}}, "target_errors"),
        ({"key": "0x10"}, "key, must be an integer"),
        ({"key": "9" * 5000}, "key, must be an integer"),
    ],
)
def test_bad_parameters_with_a_good_hash_give_one_line(path, changes, words):
    """Somebody may write a file with a valid hash: what is inside is checked all the same."""
    with h5py.File(path, "r+") as file:
        header(file, **changes)
        group = file["links/0"]
        text = json.loads(group.attrs["header"])
        tables = {t: {c: group[t][c][:] for c in group[t]} for t in group}
        group.attrs["content"] = link_records.content_hash(text, group.attrs["digest"], tables)
    with pytest.raises(LinkTableError) as caught:
        load_link_tables(path, any_digest=True)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("awgn/errors", [50, 61, 1], "BlerTable.errors"),
        ("awgn/snr_db", [1.0, 1.0, 2.0], "increasing"),
        ("awgn/snr_db", [np.nan, 1.0, 2.0], "finite"),
        ("awgn/trials", [0, 60, 200], "trials"),
        ("fits/beta", [np.inf, 1.0], "BetaFit.beta"),
        ("fits/method", [b"\xff\xfe", b"miesm"], "utf-8"),
        ("fits/method", [b"esm", b"miesm"], "BetaFit.method"),
    ],
)
def test_bad_columns_with_a_good_hash_give_one_line(path, column, values, words):
    with h5py.File(path, "r+") as file:
        group = file["links/0"]
        group[column][:] = values
        tables = {t: {c: group[t][c][:] for c in group[t]} for t in group}
        text = json.loads(group.attrs["header"])
        group.attrs["content"] = link_records.content_hash(text, group.attrs["digest"], tables)
    with pytest.raises(LinkTableError, match=words):
        load_link_tables(path)
