"""The audit finds every fault at its offset, calls right functions right, and survives bad ones."""

from __future__ import annotations

import json
import math
import textwrap
import time

import numpy as np
import pytest

from phy import __main__ as cli
from phy import audit_examples as examples
from phy import channel
from phy.audit import audit, ratio_interval
from phy.audit_call import AuditError, Subject, load
from phy.audit_claim import Claim, Effort
from phy.audit_findings import findings
from phy.audit_kinds import half_point
from phy.parameters import ParameterError
from phy.theory import rician_mgf

BY_NAME = {example.function.__name__: example for example in examples.EXAMPLES}


@pytest.fixture
def measure(monkeypatch):
    """Audit an example or any function, with seeded randomness in the examples."""

    def run(function, claim=None, **effort):
        monkeypatch.setattr(examples, "_RNG", np.random.default_rng(11))
        given = {"tolerance_db": 0.2, "seconds": 60.0, **effort}
        if claim is None:
            claim = BY_NAME[function.__name__].claim
        return audit(Subject(function, "f", claim.layout), claim, Effort(**given))

    return run


@pytest.mark.parametrize("name", list(BY_NAME))
def test_every_example_shows_its_offset(measure, name):
    """Inside the 99.9 % interval; right functions agree, faulty ones do not."""
    example = BY_NAME[name]
    effort = {"tolerance_db": 0.6} if example.claim.kind == "equalised" else {}
    result = measure(example.function, **effort)
    for point in result.points:
        due = example.offset_db(point.snr_db)
        assert point.offset.low_db <= due <= point.offset.high_db
        assert point.offset.half_width_db < (0.5 if effort else 0.15)
        assert point.verdict == ("agrees" if due == 0.0 else "off")
    right = example.constant_db == 0.0 and example.slope == 0.0
    assert result.agrees == right


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rician_power_two", "energy 2: unit variance on each real dimension"),
        ("noise_per_dimension", "noise variance N0 on each real dimension"),
        ("real_noise", "noise on I over noise on Q"),
        ("variance_as_deviation", "a variance of the noise taken as its standard deviation"),
        ("deviation_as_variance", "a standard deviation of the noise taken as its variance"),
        ("snr_twice", "the SNR is applied twice"),
        ("half_the_decibels", "an amplitude ratio"),
        ("es_for_eb", "Eb/N0 and Es/N0 exchanged (6.02 dB"),
        ("qam16_bare", "without 1/sqrt(10)"),
        ("codec_bare", "without power normalisation"),
        ("codec_pairs", "unit variance on each real dimension"),
    ],
)
def test_the_fault_is_named(measure, name, words):
    assert any(words in line for line in findings(measure(BY_NAME[name].function)))


@pytest.mark.parametrize("fault_db", [0.2, -0.2])
def test_two_tenths_of_a_decibel_are_off(measure, fault_db):
    def nearly(x, snr_db):
        return examples.awgn(x, snr_db + fault_db)

    result = measure(nearly, Claim("awgn"), tolerance_db=0.05)
    assert [p.verdict for p in result.points] == ["off", "off"]
    assert all(p.offset.low_db < fault_db < p.offset.high_db for p in result.points)


def test_intervals_cover_as_often_as_they_say(measure):
    """Audits of a right function and of a faulty one, 90 % intervals: 90 % of them hold the truth."""
    inside = 0
    rng = np.random.default_rng(5)
    monkey = [
        (examples.rician_power_two, 2.0, Claim("channel")),
        (examples.awgn, 1.0, Claim("awgn")),
    ]
    runs = 100
    for k in range(runs):
        for function, truth, claim in monkey:
            examples._RNG = rng
            effort = Effort(shape=(64,), snr_db=(3.0,), confidence=0.9, tolerance_db=1.0, seed=k)
            offset = audit(Subject(function, "f"), claim, effort).points[0].offset
            inside += offset.low_db <= 10.0 * math.log10(truth) <= offset.high_db
    spread = math.sqrt(2 * runs * 0.9 * 0.1)
    assert abs(inside - 2 * runs * 0.9) < 4.0 * spread + 3.0  # 3: the t interval of a ratio at 48 calls


def test_ratio_of_dependent_values_counts_calls_not_values():
    """One gain a call: the interval follows the number of calls, whatever their length."""
    gains = np.random.default_rng(1).exponential(size=400)
    ratio, low, high = ratio_interval(np.stack([1000.0 * gains, np.full(400, 1000.0)], axis=1), 0.95)
    assert ratio == pytest.approx(gains.mean())
    assert (high - low) / 2.0 == pytest.approx(1.966 * gains.std(ddof=1) / 20.0, rel=1e-2)


@pytest.mark.parametrize(("k_factor", "num_ant"), [(0.0, 1), (1.0, 1), (3.0, 4)])
def test_the_median_behind_an_equaliser(k_factor, num_ant):
    half, offset_db = half_point(k_factor, num_ant)
    mgf = rician_mgf(1.0, k_factor, num_ant)
    assert float(mgf(np.array([half]))[0]) == pytest.approx(0.5)
    assert offset_db(0.5) == pytest.approx(0.0, abs=1e-9)
    assert offset_db(float(mgf(np.array([2.0 * half]))[0])) == pytest.approx(3.0103, abs=1e-4)
    if k_factor == 0.0:
        assert half == pytest.approx(1.0)  # Rayleigh: P(|n|^2/|h|^2 > N0) = 1/2
    h = channel.rician(np.random.default_rng(2), (200_000, num_ant), k_factor)
    n = channel.complex_normal(np.random.default_rng(3), 200_000)
    share = np.mean(np.abs(n) ** 2 / (np.abs(h) ** 2).sum(axis=1) > half)
    assert abs(share - 0.5) < 4.0 * 0.5 / math.sqrt(200_000)


@pytest.mark.parametrize("argument", ["snr-db", "snr", "n0", "noise-std", "noise-var"])
@pytest.mark.parametrize("convention", ["es/n0", "eb/n0", "real"])
@pytest.mark.parametrize("layout", ["complex", "pairs", "real"])
def test_every_convention_has_a_right_function(measure, argument, convention, layout):
    """Written out from the definitions: energy, noise on each real dimension, and what `a` means."""
    energy = 2.0 if convention == "real" and layout != "real" else 1.0
    per_symbol = 10.0 ** (7.0 / 10.0) * (4.0 if convention == "eb/n0" else 1.0)
    if convention == "real":
        variance = 1.0 / per_symbol
    else:
        variance = energy / per_symbol / 2.0
    value = {
        "snr-db": 7.0,
        "snr": 10.0**0.7,
        "n0": 2.0 * variance,
        "noise-std": math.sqrt(variance),
        "noise-var": variance,
    }[argument]
    rng = np.random.default_rng(8)

    def right(x, a):
        assert a == pytest.approx(value)
        assert np.mean(np.abs(x) ** 2) == pytest.approx(energy / (2.0 if layout == "pairs" else 1.0), rel=0.1)
        noise = rng.standard_normal(x.shape)
        if layout == "complex":
            noise = noise + 1j * rng.standard_normal(x.shape)
        return x + math.sqrt(variance) * noise

    claim = Claim("awgn", convention=convention, layout=layout, argument=argument)
    result = measure(right, claim, snr_db=(7.0,), shape=(512,))
    assert result.points[0].verdict == "agrees"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phy.channel:awgn", ["--argument", "n0"]),
        ("phy.channel:rayleigh", ["--kind", "fading"]),
        ("phy.channel:rayleigh", ["--kind", "fading", "--shape", "100,4"]),
        ("phy.audit_examples:qam16", ["--kind", "modulator", "--bits-per-symbol", "4"]),
    ],
)
def test_our_own_functions_agree(name, options, capsys):
    rng = [] if "examples" in name else ["--rng"]
    assert cli.main(["audit", name, "--tolerance-db", "0.2", *rng, *options]) == 0
    assert "verdict: agrees" in capsys.readouterr().out


def test_several_antennas_on_either_side_and_block_fading(measure):
    rng = np.random.default_rng(4)

    def first(x, snr_db):
        h = channel.rayleigh(rng, (3, 1))
        return channel.awgn(rng, h * x, 10.0 ** (-snr_db / 10.0)), h

    def last(x, snr_db):
        h = channel.rayleigh(rng, (x.size, 3))
        return channel.awgn(rng, h * x[:, None], 10.0 ** (-snr_db / 10.0)), h

    def hidden(x, snr_db):  # noise measured from the signal: none at zero input
        h = channel.rayleigh(rng, x.shape)
        n0 = np.mean(np.abs(x) ** 2) * 10.0 ** (-snr_db / 10.0)
        return channel.awgn(rng, h * x, n0)

    for function in (first, last, hidden):
        result = measure(function, Claim("channel"), snr_db=(0.0,), tolerance_db=0.4, shape=(64,))
        assert result.agrees, function.__name__


def test_a_function_without_noise_is_off_not_a_crash(measure):
    result = measure(lambda x, a: 1.5 * x, Claim("awgn"))
    assert result.points[0].offset.value_db == math.inf
    assert result.points[0].verdict == "off"
    assert "no noise at all" in findings(result)


def test_a_function_may_work_in_place_and_print(measure, capsys):
    def in_place(x, snr_db):
        print("noise for", snr_db)
        x += examples.awgn(np.zeros_like(x), snr_db)
        return x

    assert measure(in_place, Claim("awgn")).agrees
    assert capsys.readouterr().out == ""


def test_a_slow_function_is_called_a_few_times_only(measure):
    calls = []

    def slow(x, snr_db):
        calls.append(time.sleep(0.01))
        return examples.awgn(x, snr_db)

    result = measure(slow, Claim("awgn"), snr_db=(0.0,), seconds=0.02, tolerance_db=1e-3)
    assert result.points[0].calls >= 8
    assert result.points[0].verdict == "undecided"
    assert len(calls) < 30


def test_pure_noise_is_off_not_a_crash(measure):
    result = measure(lambda x, a: examples.rayleigh(x.shape), Claim("awgn"), seconds=0.2)
    assert {p.verdict for p in result.points} <= {"off", "undecided"}
    assert not result.agrees


BAD = {
    "raises": ("def f(x, a):\n    raise KeyError('no gain')", "raised KeyError: 'no gain'"),
    "exits": ("import sys\ndef f(x, a):\n    sys.exit(3)", "raised SystemExit: 3"),
    "shape": ("def f(x, a):\n    return x[:3]", "returned shape (3,): must be (4096,), as given"),
    "nan": ("def f(x, a):\n    return x * float('nan')", "returned 4096 of 4096 values of y not finite"),
    "nothing": ("def f(x, a):\n    return None", "returned NoneType as y: must be an array of numbers"),
    "text": ("def f(x, a):\n    return 'y'", "returned str as y: must be an array of numbers"),
    "ragged": ("def f(x, a):\n    return [[1], [1, 2]]", "returned list as y: must be an array of numbers"),
    "number": ("def f(x, a):\n    return 1.0", "returned y of shape (): must hold numbers"),
    "signature": ("def f():\n    return 0", "raised TypeError: f() takes 0 positional arguments"),
    "seed": (
        "import numpy as np\ndef f(x, a):\n    return x + np.random.default_rng(1).standard_normal(x.shape)",
        "drew the same random numbers in two calls",
    ),
    "import": ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
    "syntax": ("def f(:", "cannot be imported: SyntaxError"),
    "missing": ("x = 1", "has no 'f'"),
    "value": ("f = 3", "is int: must be callable"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_functions_are_one_line(case, tmp_path, capsys):
    code, words = BAD[case]
    path = tmp_path / f"bad_{case}.py"
    path.write_text(code)
    assert cli.main(["audit", f"{path}:f"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "needs either MODULE:FUNCTION or --examples"),
        (["f"], "'f': must be module:function"),
        (["nowhere.py:f"], "phy: no file nowhere.py"),
        (["phy.audit_examples:awgn", "--kind", "x"], "Claim.kind = 'x': must be one of awgn, channel"),
        (["phy.audit_examples:awgn", "--layout", "polar"], "Claim.layout = 'polar'"),
        (["phy.audit_examples:awgn", "--snr-db", "a"], "--snr-db 'a': must be numbers"),
        (["phy.audit_examples:awgn", "--snr-db", "300"], "must be SNRs in [-30, 60] dB"),
        (["phy.audit_examples:awgn", "--shape", "2"], "must hold 8 to 10 million numbers"),
        (["phy.audit_examples:awgn", "--bits-per-symbol", "3"], "must be one of 1, 2, 4, 6, 8"),
        (["phy.audit_examples:awgn", "--json", "no/such/x.json"], "must be a file in an existing folder"),
        (["phy.audit_examples:rayleigh", "--kind", "fading", "--layout", "real"], "has no layout real"),
        (["phy.audit_examples:qam16", "--kind", "modulator", "--bits-per-symbol", "6"], "must be 4096 at 6"),
        (["phy.audit_examples:awgn", "--layout", "pairs", "--kind", "channel", "--arrays", "x"], "choose"),
    ],
)
def test_mistakes_are_one_line(arguments, words, capsys):
    assert cli.main(["audit", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_command_prints_writes_and_exits(tmp_path, capsys):
    out = tmp_path / "audit.json"
    arguments = ["audit", "phy.audit_examples:noise_per_dimension", "--json", str(out)]
    assert cli.main([*arguments, "--tolerance-db", "0.2"]) == 1
    printed = capsys.readouterr().out
    assert "verdict: OFF by -3.0" in printed
    assert "noise variance N0 on each real dimension" in printed
    content = json.loads(out.read_text())
    assert content["agrees"] is False
    assert content["points"][0]["low_db"] < -3.0103 < content["points"][0]["high_db"]
    assert load("phy.audit_examples:awgn") is examples.awgn
    with pytest.raises(ParameterError):
        load("phy.audit_examples:awgn.nothing")


@pytest.mark.slow
def test_the_examples_command(capsys):
    assert cli.main(["audit", "--examples", "--tolerance-db", "0.2"]) == 0
    printed = capsys.readouterr().out
    assert "FAIL" not in printed
    assert all(name in printed for name in BY_NAME)


def test_methods(tmp_path):
    path = tmp_path / "their_channels.py"
    path.write_text(
        "class Channels:\n"
        "    def method(self, x, a):\n        return x\n"
        "    @staticmethod\n    def static(x, a):\n        return x\n"
        "class Net:\n    def __init__(self, size):\n        pass\n    def f(self, x, a):\n        return x\n"
    )
    assert load(f"{path}:Channels.method")(1, 2) == 1
    assert load(f"{path}:Channels.static")(1, 2) == 1
    with pytest.raises(AuditError, match="its class cannot be made without arguments"):
        load(f"{path}:Net.f")
    with pytest.raises(AuditError, match=r"has no 'Channels\.nothing'"):
        load(f"{path}:Channels.nothing")


def test_tensors(tmp_path, capsys):
    """A function on tensors, real I/Q pairs in the last dimension, one fade a call, noise deviation given."""
    pytest.importorskip("torch")
    path = tmp_path / "tensor_channel.py"
    path.write_text(
        textwrap.dedent(
            """
            import math
            import torch
            torch.manual_seed(3)

            def rayleigh(x, noise_std):
                assert x.dtype == torch.float32
                h = torch.randn(2) * math.sqrt(0.5)
                matrix = torch.stack([torch.stack([h[0], h[1]]), torch.stack([-h[1], h[0]])])
                shape = x.shape
                y = x.reshape(shape[0], -1, 2) @ matrix
                y = y + noise_std * torch.randn(y.shape)
                return (y @ torch.linalg.inv(matrix)).reshape(shape).requires_grad_()

            def awgn(x, noise_std):
                return torch.add(x, noise_std * torch.randn(x.shape))
            """
        )
    )
    common = ["--layout", "pairs", "--argument", "noise-std", "--snr-db", "6", "--tolerance-db", "0.8"]
    assert cli.main(["audit", f"{path}:awgn", *common, "--shape", "16,8"]) == 0
    assert "tensors" in capsys.readouterr().out
    more = ["--kind", "equalised", "--shape", "8,8", "--arrays", "torch"]
    assert cli.main(["audit", f"{path}:rayleigh", *more, *common]) == 0
    assert cli.main(["audit", f"{path}:awgn", "--arrays", "numpy", *common]) == 2
    assert "arrays, raised TypeError" in capsys.readouterr().err


def test_tensors_need_a_module_that_imports_torch(monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "torch", raising=False)
    with pytest.raises(AuditError, match="does not import torch"):
        Subject(examples.awgn, "f", arrays="torch")
