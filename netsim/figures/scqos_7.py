"""SC-QoS Fig. 7: similarity against noise power, for 1, 2 and 3 bits a feature and for the sentence as ASCII.

Every sentence of a bank goes to each user once at every noise power, over the fading of the scenario with
equal shares and matched beams. Schemes and noise powers see the same channels (common random numbers).
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats
from netsim.semantics.sbq_mapping import mapping_of
from netsim.semantics.similarity import SimilarityMetric
from netsim.streams import Streams
from netsim.systems.scqos_ascii import send_ascii
from netsim.systems.scqos_bank import Bank
from netsim.systems.scqos_bank_build import CHOICES, Codec, decoded
from netsim.systems.scqos_link import NOMINAL, SCRAMBLED, on_air, over_awgn, symbol_energy
from netsim.systems.scqos_radio import Downlink, channel, full_power_snr, line_of_sight
from phy.channel import complex_normal
from phy.units import THERMAL_NOISE_DBM_PER_HZ, linear_to_db

EXPONENTS = (-5.0, -4.5, -4.0, -3.5, -3.0, -2.5)  # p_f of the paper
SEED = 7
_TITLES = {"minilm": "MiniLM", "bleu": "BLEU", "token_f1": "word F1"}
ASCII = {"ASCII": "uncoded", "ASCII, K = 7 rate 1/2": "convolutional", "ASCII, LDPC rate 1/2": "ldpc"}


def noise_dbm(exponent: float) -> float:
    """PT_n = 10^(13 + p_f) PT_0 with PT_0 from N_0 = -174 dBm/Hz (E-13): -44 dBm + 10 p_f dB."""
    return THERMAL_NOISE_DBM_PER_HZ + 10.0 * (13.0 + exponent)


@dataclass(frozen=True)
class Point:
    """One scheme at one noise power; similarity with its 95 % interval over sentences."""

    scheme: str
    exponent: float
    noise_dbm: float
    snr_db: float  # mean over users and slots, in dB
    metric: str
    similarity: float
    low: float
    high: float
    exact: float
    valid: float  # share of similarities of at least the threshold
    ber: float
    bits: float  # mean bits on the air of a sentence


def measure(
    bank: Bank,
    codec: Codec,
    metrics: dict[str, tuple[SimilarityMetric, float]],
    downlink: Downlink,
    exponents: tuple[float, ...] = EXPONENTS,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> list[Point]:
    """All points.

    Args:
        metrics: name to metric and threshold. downlink: geometry and power; its noise is replaced.
    """
    streams = Streams(SEED)
    num, ues = bank.num_items, downlink.num_ues
    rng = streams.sequential("figure/scqos-7/fading")
    los = line_of_sight(rng.uniform(-np.pi / 2, np.pi / 2, (num, ues)), downlink.num_tx_ant)
    h = channel(complex_normal(rng, (num, ues, 1, downlink.num_tx_ant)), los, downlink.rician_k)
    refs = [s for s in bank.sentences for _ in range(ues)]
    found: list[Point] = []
    total = len(exponents) * (len(CHOICES) + len(ASCII))
    for exponent in exponents:
        noisy = dataclasses.replace(downlink, noise_dbm=noise_dbm(exponent))
        snr_db = linear_to_db(full_power_snr(noisy, h)[..., 0] / ues).ravel()
        for scheme, hyps, errors, bits in _schemes(bank, codec, refs, snr_db, streams, ues):
            for name, (metric, threshold) in metrics.items():
                s = metric.sim(refs, hyps)
                i = stats.mean_interval(s.reshape(num, ues).mean(axis=1))  # a sentence's sends are related
                exact = float(np.mean([a == b for a, b in zip(refs, hyps)]))
                found.append(
                    Point(
                        scheme, exponent, noisy.noise_dbm, float(snr_db.mean()), name, i.mean, i.low, i.high,
                        exact, float(np.mean(s >= threshold)), float(errors.sum() / bits.sum()),
                        float(bits.mean()),
                    )
                )  # fmt: skip
            advance(len(found) // len(metrics), total)
    return found


def _schemes(
    bank: Bank, codec: Codec, refs: list[str], snr_db: np.ndarray, streams: Streams, ues: int
) -> Iterator[tuple[str, list[str], np.ndarray, np.ndarray]]:
    """Name, received sentences, bit errors and bits on the air of every scheme."""
    index = np.arange(len(refs))
    for n in CHOICES:
        quantizer, mapping = codec.quantizer(n), mapping_of(bank.embedding.shape[1], n)
        payload = mapping.pack(quantizer.encode(bank.embedding)).repeat(ues, axis=0)
        air = on_air(mapping, bank.energy, symbol_energy(payload, mapping.num_bits))
        key = streams.kernel_key(f"figure/scqos-7/n{n}")
        arrived = over_awgn(payload, mapping.num_bits, snr_db, key, index, air)
        errors = np.unpackbits(payload ^ arrived, axis=1).sum(axis=1)
        bits = np.full(len(refs), mapping.num_bits)
        yield (
            f"{n} bit{'s' if n > 1 else ''}",
            decoded(codec, mapping.unpack(arrived), quantizer),
            errors,
            bits,
        )
    for name, code in ASCII.items():
        key = streams.kernel_key(f"figure/scqos-7/{code}")
        text = SCRAMBLED if bank.energy == "equal" else NOMINAL
        received = send_ascii(refs, snr_db, key, index, code, air=text)
        yield name, received.sentences, received.num_bit_errors, received.sent_bits


def write_csv(found: list[Point], path: Path) -> None:
    """The points, one row each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f.name for f in dataclasses.fields(Point)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for point in found:
            values = [getattr(point, name) for name in names]
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])


def draw(found: list[Point], floors: dict[str, float], path: Path) -> None:
    """One panel per metric; the floor of the metric as a dotted line, SNR and bit error rate on top."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    metrics = list(dict.fromkeys(p.metric for p in found))
    size = (6.2 * len(metrics), 5.0)
    figure, axes = plt.subplots(
        1, len(metrics), figsize=size, sharey=True, layout="constrained", squeeze=False
    )
    schemes = list(dict.fromkeys(p.scheme for p in found))
    for axis, metric in zip(axes[0], metrics):
        for place, scheme in enumerate(schemes):
            mine = [p for p in found if p.scheme == scheme and p.metric == metric]
            y = np.array([p.similarity for p in mine])
            spread = [y - [p.low for p in mine], np.array([p.high for p in mine]) - y]
            # side by side, so that intervals do not hide each other
            x = np.array([p.noise_dbm for p in mine]) + 0.16 * (place - (len(schemes) - 1) / 2)
            label = f"{scheme} ({mine[0].bits:.0f} on the air)"
            axis.errorbar(x, y, yerr=spread, label=label, capsize=2, markersize=4, **_style(scheme))
        axis.axhline(floors[metric], color="0.5", linestyle=":", label="floor of the metric")
        axis.set(title=_TITLES.get(metric, metric), xlabel="noise power [dBm]", ylim=(0.0, 1.03))
        axis.grid(alpha=0.35)
        top = axis.secondary_xaxis("top")
        two = [p for p in found if p.scheme == "2 bits" and p.metric == metric]
        top.set_xticks([p.noise_dbm for p in two], [f"{p.snr_db:.0f}\n{_rate(p.ber)}" for p in two])
        top.set_xlabel("mean SNR [dB], bit error rate at 2 bits")
    axes[0][0].set_ylabel("similarity, 95 % interval")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _style(scheme: str) -> dict[str, str]:
    """Line of a scheme: SBQ solid, text dashed."""
    colours = {"1 bit": "#9ecae1", "2 bits": "#3182bd", "3 bits": "#08306b"}
    if scheme in colours:
        return {"color": colours[scheme], "linestyle": "-", "marker": "o"}
    text = dict(zip(ASCII, (("#d62728", "s"), ("#ff7f0e", "^"), ("#8c564b", "v"))))
    return {"color": text[scheme][0], "linestyle": "--", "marker": text[scheme][1]}


def _rate(ber: float) -> str:
    return f"{ber:.2f}" if ber >= 0.01 else f"{ber:.0e}".replace("e-0", "e-") if ber > 0.0 else "0"
