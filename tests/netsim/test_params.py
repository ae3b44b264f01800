"""Parameters from the outside: parsing, did-you-mean, rules, `show` rows, round trip through provenance."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenarios_for_tests import toscn

from netsim import params
from netsim.systems.toscn import Toscn
from phy.ofdm import Ofdm
from phy.parameters import Checked, ParameterError, parameter, positive


def test_set_parses_by_declared_type():
    texts = (
        "ofdm.cp_len=8",
        "radio.bandwidth_hz=2e6",
        "fading.doppler_hz=none",
        "agent.name=myopic",
        "slots=1_000",
    )
    values = {}
    for text in (*texts, "seed=1e3"):
        values.update(params.parse_assignment(Toscn(), text))
    assert values == {
        "ofdm.cp_len": 8,
        "radio.bandwidth_hz": 2e6,
        "fading.doppler_hz": None,
        "agent.name": "myopic",
        "slots": 1000,
        "seed": 1000,
    }
    scenario = params.override(Toscn(), values)
    assert scenario.ofdm.cp_len == 8 and scenario.fading.doppler_hz is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ofmd.cp_len=8", "no parameter 'ofmd' (did you mean 'ofdm'?)"),
        ("ofdm.cp_length=8", "no parameter 'ofdm.cp_length' (did you mean 'ofdm.cp_len'?)"),
        ("slot=8", "no parameter 'slot' (did you mean 'slots'?)"),
        ("zzz=8", "no parameter 'zzz' (see: python -m netsim show SCENARIO)"),
        ("ofdm=8", "'ofdm' is a group of parameters, set one of ofdm.*"),
        ("ofdm.cp_len=8.5", "must be int"),
        ("radio.power_w=much", "must be float"),
        ("fading.doppler_hz=fast", "must be float or none"),
        ("slots", "must be path=value"),
    ],
)
def test_a_mistyped_set_is_one_line(text, line):
    with pytest.raises(ParameterError) as error:
        params.parse_assignment(Toscn(), text)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"ofdm.cp_len": 300}, "Ofdm.cp_len = 300: must be in [0, fft_size=256)"),
        ({"radio.power_w": -1.0}, "Radio.power_w = -1.0: must be > 0 and finite"),
        ({"radio.power_w": float("nan")}, "Radio.power_w = nan: must be > 0 and finite"),
        ({"slots": 0}, "Toscn.slots = 0: must be >= 1"),
        ({"slots": True}, "Toscn.slots = True: must be int, is bool"),
        ({"phy": "bits"}, "Toscn.phy = 'bits': must be one of paper, table, bit, waveform"),
        ({"agent.name": "greedy2"}, "Agent.name = 'greedy2': must be one of "),
        ({"cell.min_distance_m": 200.0}, "Cell.min_distance_m = 200.0: must be < radius_m=100.0"),
        (
            {"semantics.packet_bits": 1_600_000},
            "Semantics.packet_bits = 1600000: must be 200704 = 512 maps x 49",
        ),
        (
            {"radio.bandwidth_hz": 9e6},
            "Radio.bandwidth_hz = 9000000.0: must hold 1 to fft_size=256 subcarriers",
        ),
        (
            {"traffic.law": "saturated", "traffic.instants": "async"},
            "Traffic.instants = 'async': async needs law",
        ),
    ],
)
def test_a_broken_rule_names_field_value_and_rule(values, line):
    with pytest.raises(ParameterError) as error:
        params.override(Toscn(), values)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_values_that_only_fit_together_come_in_any_order():
    for order in (("ofdm.fft_size", "ofdm.cp_len"), ("ofdm.cp_len", "ofdm.fft_size")):
        values = {"ofdm.fft_size": 1024, "ofdm.cp_len": 300}
        assert params.override(Toscn(), {path: values[path] for path in order}).ofdm == Ofdm(
            fft_size=1024, cp_len=300
        )


def test_show_has_every_parameter_with_meaning_and_rule():
    rows = params.table(Toscn())
    assert len(rows) > 45
    assert {row.path for row in rows} == set(params.paths(Toscn()))
    assert all(row.meaning for row in rows)
    by_path = {row.path: row for row in rows}
    assert by_path["radio.bandwidth_hz"].unit == "Hz" and "Table I" in by_path["radio.bandwidth_hz"].source
    assert by_path["ofdm.fft_size"].rule == "must be a power of two"


def test_units_stand_in_the_name_and_in_the_metadata():
    suffixes = {"_dbm_hz": "dBm/Hz", "_hz": "Hz", "_w": "W", "_ns": "ns", "_db": "dB", "_m": "m"}
    for row in params.table(Toscn()):
        unit = next((unit for suffix, unit in suffixes.items() if row.path.endswith(suffix)), row.unit)
        assert row.unit == unit, row.path


def test_scenario_survives_json():
    scenario = toscn(**{"phy": "paper", "fading.doppler_hz": None, "agent.name": "prop"})
    again = params.from_dict(Toscn, json.loads(json.dumps(params.as_dict(scenario))))
    assert again == scenario
    assert params.digest(again) == params.digest(scenario) != params.digest(Toscn())
    with pytest.raises(ParameterError, match="no parameter 'spam'"):
        params.from_dict(Toscn, {"spam": 1})


def test_parameter_sets_are_values():
    assert Toscn() == Toscn() and hash(Toscn()) == hash(Toscn())
    with pytest.raises(dataclasses.FrozenInstanceError):
        Toscn().slots = 5


@dataclasses.dataclass(frozen=True)
class Sample(Checked):
    """For the property test."""

    gain: float = parameter(1.0, meaning="a gain", rule=positive)
    sizes: tuple[int, ...] = parameter((1, 2), meaning="some sizes")


ANYTHING = (st.integers(), st.just(10**400), st.floats(), st.text(), st.booleans(), st.none(), st.binary())


@given(st.one_of(*ANYTHING))
def test_anything_is_either_accepted_as_declared_or_one_clear_line(value):
    try:
        sample = Sample(gain=value)
    except ParameterError as error:
        assert str(error).startswith("Sample.gain = ") and "must be" in str(error)
    else:
        assert isinstance(sample.gain, float) and sample.gain > 0
