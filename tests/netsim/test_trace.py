"""Traces: what is recorded comes back, whole or not at all; the digest depends on the content alone."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from netsim.trace import MemoryTrace, TraceError, TraceWriter, describe, read_trace, table_csv
from netsim.trace_schema import TABLES, Column, Table, extended, markdown
from tests.netsim.trace_samples import ATTRIBUTES, record, sample

ROOT = Path(__file__).parents[2]
SLOT = {"slot": 0, "episode": 0, "start_ns": 0, "reward": 0.5, "objective": 1.0, "num_violations": 0}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "run0.h5"
    with TraceWriter(path, ATTRIBUTES) as writer:
        record(writer)
    return path


def test_round_trip(good):
    memory, file = sample(), read_trace(good)
    assert list(file) == list(memory) == list(TABLES)
    for table in memory:
        assert list(file[table]) == [column.name for column in TABLES[table].columns]
        for name, values in memory[table].items():
            assert file[table][name].dtype == values.dtype
            np.testing.assert_array_equal(file[table][name], values)
    assert file.digest == memory.digest
    assert file.attributes == {
        **ATTRIBUTES,
        "schema": "netsim-trace/1",
        "complete": True,
        "digest": file.digest,
    }


def test_append_and_extend_keep_the_order_of_rows():
    rows, single, mixed = 3000, MemoryTrace(ATTRIBUTES), MemoryTrace(ATTRIBUTES, chunk_rows=64)
    columns = {name: np.arange(rows) * (k + 1) for k, name in enumerate(SLOT)}
    for row in range(rows):
        single.append("slots", **{name: int(values[row]) for name, values in columns.items()})
    start = 0
    for size in (1, 1, 300, 5, 700, 1, 1992):
        part = {name: values[start : start + size] for name, values in columns.items()}
        if size == 1:
            mixed.append("slots", **{name: values[0] for name, values in part.items()})
        else:
            mixed.extend("slots", **part)
        start += size
    assert start == rows
    np.testing.assert_array_equal(mixed.trace()["slots"]["start_ns"], columns["start_ns"])
    assert mixed.digest == single.trace().digest


@pytest.mark.parametrize("chunk_rows", [3, 16_384])
@pytest.mark.parametrize(
    "compression", [{}, {"compression": "lzf"}, {"shuffle": True, "compression": "gzip"}]
)
def test_digest_ignores_chunking_and_compression(tmp_path, good, chunk_rows, compression):
    with TraceWriter(tmp_path / "a.h5", ATTRIBUTES, chunk_rows=chunk_rows, compression=compression) as writer:
        record(writer, slots=2)
    assert writer.digest == sample(slots=2).digest == read_trace(tmp_path / "a.h5").digest
    assert writer.digest != read_trace(good).digest
    read_trace(tmp_path / "a.h5")["packets"]


def test_digest_is_the_documented_one(good):
    columns = sample()["slots"]
    lines = ""
    for name in sorted(columns):
        values = columns[name].astype(columns[name].dtype.newbyteorder("<"))
        lines += f"{name} {values.dtype.str} {len(values)} {hashlib.sha256(values.tobytes()).hexdigest()}\n"
    assert read_trace(good).digest["slots"] == hashlib.sha256(lines.encode()).hexdigest()


def test_digest_does_not_depend_on_which_nan():
    odd = np.array([0xFFF8000000000123], np.uint64).view(float)[0]
    digests = []
    for nan in (np.nan, odd):
        recorder = MemoryTrace(ATTRIBUTES)
        recorder.extend("slots", **{**SLOT, "reward": np.full(300, nan)})
        digests.append(recorder.trace().digest)
    assert digests[0] == digests[1]


def test_plain_h5py_reads_tables_as_pandas_would(good):
    with h5py.File(good) as file:
        assert file.attrs["schema"] == "netsim-trace/1" and bool(file.attrs["complete"])
        for name, table in TABLES.items():
            frame = {key: file[name][key][:] for key in file[name]}
            assert list(frame) == [column.name for column in table.columns]
            assert len({len(values) for values in frame.values()}) == 1
            for column in table.columns:
                dataset = file[name][column.name]
                assert dataset.attrs["unit"] == column.unit and dataset.attrs["description"] == column.text
        assert json.loads(file["packets/fate"].attrs["values"]) == ["queued", "delivered", "dropped"]
        assert json.loads(file.attrs["provenance"]) == ATTRIBUTES["provenance"]


def test_a_system_declares_further_columns_and_tables(tmp_path):
    beams = Table("beams", "one row per beam", (Column("index", "int32", "1", "beam index"),))
    tables = extended(Table("slots", "", (Column("energy_j", "float64", "J", "energy of the slot"),)), beams)
    with TraceWriter(tmp_path / "a.h5", ATTRIBUTES, tables) as writer:
        writer.append("slots", **SLOT, energy_j=0.25)
        writer.append("beams", index=5)
    trace = read_trace(tmp_path / "a.h5")
    assert trace["slots"]["energy_j"].tolist() == [0.25] and trace["beams"]["index"].tolist() == [5]
    assert [column.name for column in TABLES["slots"].columns] == list(SLOT)
    with pytest.raises(TraceError, match=r"slots.reward is declared twice"):
        extended(Table("slots", "", (Column("reward", "float64", "1", ""),)))
    with pytest.raises(TraceError, match="dtype complex64"):
        extended(Table("slots", "", (Column("h", "complex64", "1", ""),)))


MESSAGE = {"kind": "k", "src": "a", "dst": "b", "sent_ns": 0, "received_ns": 0, "lost": 0}
BAD_ROWS = {
    "text for a real": ({"reward": "much"}, "slots.reward = 'much' in row 1: must be float64"),
    "real for an integer": ({"start_ns": 0.5}, "slots.start_ns = 0.5 in row 1: must be int64"),
    "NaN for an integer": ({"slot": np.nan}, "slots.slot = nan in row 1: must be int32"),
    "too large": ({"slot": 2**31}, "slots.slot = 2147483648 in row 1: must be int32"),
    "nothing": ({"objective": None}, "slots.objective = None in row 1: must be float64"),
}


@pytest.mark.parametrize("bad, message", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_value_is_named(tmp_path, bad, message):
    writer = TraceWriter(tmp_path / "a.h5", ATTRIBUTES)
    with pytest.raises(TraceError) as error, writer:
        writer.append("slots", **SLOT)
        writer.append("slots", **{**SLOT, **bad})
    assert str(error.value) == f"trace: {message}"
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    assert not read_trace(writer.part).attributes["complete"]


def test_a_bad_row_is_refused_at_once():
    recorder = MemoryTrace(ATTRIBUTES)
    for call in (recorder.append, recorder.extend):
        with pytest.raises(TraceError, match="no table 'slot': must be one of slots, packets"):
            call("slot", **SLOT)
        with pytest.raises(TraceError, match="a row of slots lacks slot and has unknown slto"):
            call("slots", **{**{k: v for k, v in SLOT.items() if k != "slot"}, "slto": [1]})
    with pytest.raises(TraceError, match="scalars only"):
        recorder.extend("slots", **SLOT)
    with pytest.raises(TraceError, match=r"slot \(2,\), reward \(3,\)"):
        recorder.extend("slots", **{**SLOT, "slot": [1, 2], "reward": [1, 2, 3]})
    with pytest.raises(TraceError, match=r"slots.slot: is float64, must be int32"):
        recorder.extend("slots", **{**SLOT, "slot": np.linspace(0, 1, 1000)})
    with pytest.raises(TraceError, match=r"slots.slot: lies in \[0, 4294967296\], must be int32"):
        recorder.extend("slots", **{**SLOT, "slot": np.linspace(0, 2**32, 1000).astype(int)})
    with pytest.raises(TraceError, match="must have at most 24 bytes"):
        recorder.extend("messages", **{**MESSAGE, "kind": ["k" * 25] * 1000})
    recorder.close(complete=True)
    for call in (recorder.append, recorder.extend):
        with pytest.raises(TraceError, match="a row of slots after close"):
            call("slots", **SLOT)


@pytest.mark.parametrize("name, value", [("scenario", 3), ("seed", "1"), ("run", True), ("complete", True)])
def test_bad_attributes(tmp_path, name, value):
    with pytest.raises(TraceError, match=f"attribute {name}"):
        TraceWriter(tmp_path / "a.h5", {**ATTRIBUTES, name: value})
    assert not list(tmp_path.iterdir())


def test_rows_of_one_table_are_those_of_append():
    names, numbers = {**MESSAGE, "src": "é" * 12}, {**SLOT, "reward": 1}
    one, other = MemoryTrace(ATTRIBUTES), MemoryTrace(ATTRIBUTES)
    for table, row in (("messages", names), ("slots", numbers), ("slots", SLOT)):
        one.append(table, **row)
        other.rows(table)(**row)
    assert one.trace()["messages"]["src"].tolist() == ["é" * 12]
    assert one.digest == other.trace().digest
    with pytest.raises(TraceError, match="no table 'slot'"):
        other.rows("slot")


def test_rows_of_one_table_refuse_bad_rows():
    recorder = MemoryTrace(ATTRIBUTES)
    record = recorder.rows("messages")
    with pytest.raises(
        TraceError, match=r"messages.kind = 'k{25}' in row 0: must be text of at most 24 bytes"
    ):
        record(**{**MESSAGE, "kind": "k" * 25})
    with pytest.raises(TraceError, match=r"messages.dst = 7 in row 0: must be text"):
        record(**{**MESSAGE, "dst": 7})
    with pytest.raises(TraceError, match=r"messages.sent_ns = 'b' in row 1: must be int64"):
        recorder.extend("messages", **{**MESSAGE, "sent_ns": [0, "b"]})
    for bad in ({"kidn": "k"}, {k: v for k, v in MESSAGE.items() if k != "kind"}):
        with pytest.raises(TypeError, match=r"kidn|kind"):
            record(**{**bad, **{k: v for k, v in MESSAGE.items() if k not in ("kind", *bad)}})
    assert not recorder.trace()["messages"]["lost"].size
    with pytest.raises(TraceError, match="a row of messages after close"):
        record(**MESSAGE)


def test_columns_have_names_that_python_can_call():
    for name in ("sinr dB", "_pack", "lambda", ""):
        table = Table("beams", "one row per beam", (Column(name, "int32", "1", "beam index"),))
        with pytest.raises(TraceError, match=f"column {name!r} of beams: must be a name"):
            MemoryTrace(ATTRIBUTES, extended(table))


def test_provenance_may_be_added_until_the_end(tmp_path):
    writer = TraceWriter(tmp_path / "a.h5", ATTRIBUTES)
    writer.annotate(wall_s=1.5, data=["images"])
    with pytest.raises(TraceError, match=r"attribute provenance: .*, must be JSON"):
        writer.annotate(host=object())
    writer.close(complete=True)
    expected = {**ATTRIBUTES["provenance"], "wall_s": 1.5, "data": ["images"]}
    assert read_trace(tmp_path / "a.h5").attributes["provenance"] == expected
    with pytest.raises(TraceError, match="provenance wall_s after close"):
        writer.annotate(wall_s=2.0)


def test_an_exception_leaves_the_older_result_and_a_part(tmp_path):
    path = tmp_path / "run0.h5"
    with TraceWriter(path, ATTRIBUTES) as writer:
        record(writer)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), TraceWriter(path, ATTRIBUTES) as failing:
        failing.append("slots", **SLOT)
        raise ZeroDivisionError
    assert path.read_bytes() == before
    assert failing.part.exists() and read_trace(failing.part).attributes["complete"] is False


def test_two_runs_of_one_name_do_not_mix(tmp_path):
    path = tmp_path / "run0.h5"
    first, second = TraceWriter(path, ATTRIBUTES), TraceWriter(path, ATTRIBUTES)
    record(first, slots=3)
    record(second, slots=4)
    first.close(complete=True)
    assert read_trace(path).digest == sample(slots=3).digest
    second.close(complete=True)
    assert read_trace(path).digest == sample(slots=4).digest
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import sys, time
from netsim.trace import TraceWriter
from tests.netsim.trace_samples import ATTRIBUTES, record
writer = TraceWriter(sys.argv[1], ATTRIBUTES, chunk_rows=8)
record(writer)
print("half", flush=True)
time.sleep(60)
"""


def test_a_killed_run_leaves_only_a_part(tmp_path):
    path = tmp_path / "run0.h5"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "half\n"
    child.kill()
    child.wait()
    (part,) = tmp_path.iterdir()
    assert part.name.startswith("run0.h5.") and part.suffix == ".part"
    with pytest.raises(TraceError) as error:
        trace = read_trace(part)
        [trace[table] for table in trace]
    assert str(error.value).startswith(f"{part}: ")


def _rewrite(path: Path, change) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def _shorten(file):
    file["slots/reward"].resize((5,))


def _replace(name, values):
    def change(file):
        del file[name]
        if values is not None:
            file[name] = values

    return change


def _attribute(name, value):
    def change(file):
        file.attrs[name] = value

    return change


def _bomb(file):
    del file["slots"]
    for column in TABLES["slots"].columns:
        file.create_dataset(
            f"slots/{column.name}", (10**12,), column.dtype, chunks=(10**6,), compression="gzip"
        )


def _link(file):
    del file["slots/reward"]
    file["slots/reward"] = h5py.ExternalLink("/etc/other.h5", "/reward")


def _outside(file):
    del file["slots/reward"]
    file.create_dataset("slots/reward", (20,), float, external=[("/etc/hostname", 0, 160)])


def _tamper(file):
    file["packets/score"][3] = 0.125


BROKEN = {
    "schema": (_attribute("schema", "netsim-trace/2"), "schema 'netsim-trace/2', must be 'netsim-trace/1'"),
    "seed": (_attribute("seed", "one"), "attribute seed = 'one', must be int"),
    "digest not JSON": (_attribute("digest", "{"), "attribute digest is missing or not JSON"),
    "table missing": (_replace("buffers", None), "table buffers is missing"),
    "column missing": (_replace("slots/reward", None), "column slots.reward is missing"),
    "unequal lengths": (_shorten, "columns of slots have slot 20, "),
    "wrong kind": (_replace("slots/slot", np.zeros(20)), "column slots.slot is float64, must be int32"),
    "two dimensions": (_replace("slots/slot", np.zeros((20, 2), int)), "slots.slot: must be a 1-D dataset"),
    "objects": (_replace("messages/kind", ["a"] * 20), "messages.kind: dtype object"),
    "group for a column": (lambda f: f.create_group("slots/inner"), "slots.inner: must be a 1-D dataset"),
    "claims rows it lacks": (_bomb, "slots.episode: claims 1000000000000 rows but stores fewer"),
    "link elsewhere": (_link, "/slots/reward is a link"),
    "data elsewhere": (_outside, "slots.reward: its data lie in another file"),
    "tampered value": (_tamper, "table packets does not have the recorded digest"),
    "text not UTF-8": (
        _replace("messages/kind", np.full(20, b"\xff", "S24")),
        "table messages does not have the rec",
    ),
}


@pytest.mark.parametrize("change, message", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_gives_one_line(tmp_path, good, change, message):
    path = tmp_path / "broken.h5"
    path.write_bytes(good.read_bytes())
    _rewrite(path, change)
    _assert_one_line(path, message)


def _assert_one_line(path, message):
    with pytest.raises(TraceError) as error:
        trace = read_trace(path)
        [trace[table] for table in trace]
    line = str(error.value)
    assert line.startswith(f"{path}: ") and message in line and "\n" not in line


@pytest.mark.parametrize(
    "content, message", [(b"", "not readable as HDF5"), (b"slot,reward\n0,1\n" * 99, "not readable as HDF5")]
)
def test_not_hdf5(tmp_path, content, message):
    path = tmp_path / "table.h5"
    path.write_bytes(content)
    _assert_one_line(path, message)


def test_missing_truncated_or_damaged_file(tmp_path, good):
    path = tmp_path / "run.h5"
    _assert_one_line(path, "no such file")
    content = good.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    _assert_one_line(path, "not readable as HDF5")
    with h5py.File(good) as file:
        offset = file["packets/created_ns"].id.get_chunk_info(0).byte_offset
    path.write_bytes(content[:offset] + b"\x00" * 40 + content[offset + 40 :])
    _assert_one_line(path, "not readable as HDF5")


def test_any_damage_to_the_data_is_noticed(tmp_path, good):
    content, rng, path = bytearray(good.read_bytes()), np.random.default_rng(5), tmp_path / "run.h5"
    with h5py.File(good) as file:
        chunks = [file[f"packets/{key}"].id.get_chunk_info(0) for key in file["packets"]]
    for _ in range(12):
        damaged = content.copy()
        chunk = chunks[rng.integers(len(chunks))]
        at = chunk.byte_offset + rng.integers(chunk.size)
        damaged[at] ^= 1 + int(rng.integers(255))
        path.write_bytes(damaged)
        _assert_one_line(path, "must be")


def test_describe_and_csv(good):
    trace = read_trace(good)
    rows = {summary.table: summary for summary in describe(trace)}
    assert rows["slots"].rows == 20 and rows["slots"].columns == tuple(SLOT)
    assert (rows["slots"].first_ns, rows["slots"].last_ns) == (0, 19 * 200_000_000)
    assert rows["ues"].first_ns is None and rows["messages"].first_ns == 0
    text = io.StringIO()
    table_csv(trace, "messages", text)
    lines = text.getvalue().splitlines()
    assert lines[:2] == ["kind,src,dst,sent_ns,received_ns,lost", "observation,server,agent,0,2,0"]
    assert len(lines) == 21
    with pytest.raises(TraceError, match="no table 'slot'"):
        table_csv(trace, "slot", text)


def test_documentation_holds_the_schema():
    text = (ROOT / "docs" / "trace.md").read_text()
    assert markdown() in text, (
        "docs/trace.md is stale: put the output of netsim.trace_schema.markdown() into it"
    )


def test_the_file_may_be_read_by_others(good):
    umask = os.umask(0)
    os.umask(umask)
    assert good.stat().st_mode & 0o777 == 0o666 & ~umask


def test_recording_costs_microseconds():
    rows, recorder = 4096, MemoryTrace(ATTRIBUTES)
    start = time.process_time()
    for slot in range(rows):
        recorder.append(
            "slots", slot=slot, episode=0, start_ns=slot, reward=0.5, objective=1.0, num_violations=0
        )
    recorder.close(complete=True)
    assert (
        time.process_time() - start
    ) / rows < 20e-6  # benchmarks/trace.py measures; this catches a factor of ten
