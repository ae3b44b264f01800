"""Fig. 5 of TOSCN: accuracy against SNR, feature maps at several compressions beside JPEG.

First row, the paper's comparison: features over uncoded 16-QAM, and JPEG of one quality over three carriers.
Second row, equal bits: every picture takes the highest quality whose frame has at most the bits of a feature
packet (a code then costs JPEG twice or four times the airtime). The other rows, equal airtime: the highest
quality that fits into the resource elements of a feature packet, and what airtime is left repeats the frame.
The server classifies pictures with our own codec, so the same network judges both. AWGN; a picture that does
not arrive whole counts as wrong, and its chance of a lucky guess is reported beside.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from netsim import stats
from netsim.semantics import jpeg
from netsim.semantics.bank import ImageBank, live_bank
from netsim.semantics.datasets import item_hashes, load_images
from netsim.semantics.image_codec import ImageCodec, load_codec
from netsim.streams import Streams
from netsim.systems.toscn import TASKS
from netsim.systems.toscn_bkb import measure
from netsim.systems.toscn_jpeg import Carrier
from phy.parameters import ParameterError

COMPRESSIONS = (0.0, 0.5, 0.8, 0.9, 0.95)
# what JPEG gets in the rows below the first: the bits or the airtime of features at this compression. With
# more bits than at 0.98 (3,930) a picture of 28 x 28 reaches JPEG's highest quality and cannot use the rest.
BUDGETS = (("bits", 0.98), ("airtime", 0.95), ("airtime", 0.5))
QUALITY = 75
CLASSES = 10
CARRIERS = {
    "16-QAM uncoded": Carrier(4, "none"),
    "16-QAM rate 1/2": Carrier(4, "convolutional"),
    "QPSK rate 1/2": Carrier(2, "convolutional"),
    "QPSK rate 1/2 LDPC": Carrier(2, "ldpc"),
}
SNRS_DB = tuple(float(snr) for snr in range(-8, 25))
SEMANTIC_SNRS_DB = SNRS_DB[::2]
_GROUP_BYTES = 32  # frames of one quality are filled up to a multiple of this, so that many share a length


@dataclass(frozen=True)
class Point:
    """A number of the figure."""

    task: str
    row: str  # "paper", "bits <eta>" or "airtime <eta>"
    scheme: str
    snr_db: float
    correct: int
    intact: int  # pictures that arrived whole (features: all)
    trials: int
    bits: float  # payload bits an image, mean
    symbols: float  # resource elements an image, mean
    copies: float  # times that each symbol is sent, mean

    @property
    def guessed(self) -> float:
        """Accuracy if the server guesses where no picture arrived."""
        return (self.correct + (self.trials - self.intact) / CLASSES) / self.trials


@dataclass
class Pictures:
    """The images of a bank as pixels, and a server that classifies JPEG frames of them."""

    bank: ImageBank
    codec: ImageCodec
    images: np.ndarray
    decisions: dict[bytes, int] = field(default_factory=dict)

    def classify(self, frames: list[bytes]) -> None:
        """Decides on all frames that have not been seen yet."""
        c, h, w = self.images.shape[1:]
        new = [frame for frame in dict.fromkeys(frames) if frame not in self.decisions]
        pictures = [(frame, jpeg.decode_frame(frame, (c, h, w))) for frame in new]
        whole = [(frame, picture) for frame, picture in pictures if picture is not None]
        self.decisions.update(dict.fromkeys(new, -1))
        if whole:
            means, _ = self.codec.map_means(np.stack([picture for _, picture in whole]))
            found = self.bank.classify_means(means)
            self.decisions.update((frame, int(d)) for (frame, _), d in zip(whole, found))

    def count(self, sent: np.ndarray, received: np.ndarray) -> tuple[int, int]:
        """(right decisions, whole pictures) of received frames uint8[B, bytes] of images `sent` int[B]."""
        accepted = [(item, jpeg.checked_frame(row.tobytes())) for item, row in zip(sent, received)]
        pairs = [(item, frame) for item, frame in accepted if frame is not None]
        self.classify([frame for _, frame in pairs])
        decided = [(self.bank.labels[item], self.decisions[frame]) for item, frame in pairs]
        return sum(label == d for label, d in decided), sum(d >= 0 for _, d in decided)


def load(task: str, num_images: int) -> Pictures:
    """The first `num_images` test images of a task (by hash), as features and as pixels.

    Raises:
        ParameterError: torch is not installed, or the images are not on this machine.
    """
    if find_spec("torch") is None:
        raise ParameterError(
            "figure toscn-5: JPEG pictures are classified by the extractor, which needs torch: "
            'pip install -e ".[learn]"'
        )
    test = load_images(task, "test")
    bank = live_bank(task)
    chosen = np.argsort(item_hashes(test.images), kind="stable")[: min(num_images, bank.num_items)]
    count = len(chosen)  # the bank is sorted by the same hash
    assert np.array_equal(bank.labels[:count], test.labels[chosen]), "bank and pictures are the same images"
    few = replace(
        bank, labels=bank.labels[:count], codes=bank.codes[:count], item_keys=bank.item_keys[:count]
    )
    return Pictures(few, load_codec(task), test.images[chosen])


def _frames_array(frames: list[bytes], num_bytes: int) -> np.ndarray:
    out = np.zeros((len(frames), num_bytes), np.uint8)
    for row, frame in zip(out, frames):
        row[: len(frame)] = np.frombuffer(frame, np.uint8)
    return out


def fixed_quality(pictures: Pictures, quality: int, name: str, snr_db: float, streams: Streams) -> Point:
    """JPEG of one quality over a carrier, whatever airtime that takes."""
    carrier, task = CARRIERS[name], pictures.bank.task
    frames = [jpeg.encode_frame(image, quality) for image in pictures.images]
    lengths = np.array([-(-len(frame) // _GROUP_BYTES) * _GROUP_BYTES for frame in frames])
    key = streams.kernel_key(f"toscn-5/{task}/quality/{name}/{snr_db}")
    right = whole = 0
    for group, length in enumerate(np.unique(lengths)):
        items = np.flatnonzero(lengths == length)
        sent = _frames_array([frames[i] for i in items], int(length))
        more = pictures.count(items, carrier.send(sent, snr_db, key + group))
        right, whole = right + more[0], whole + more[1]
    symbols = np.mean([carrier.num_symbols(int(length)) for length in lengths])
    bits = 8.0 * np.mean([len(frame) for frame in frames])
    scheme = f"JPEG {quality}, {name}"
    return Point(task, "paper", scheme, snr_db, right, whole, len(frames), float(bits), float(symbols), 1.0)


@dataclass(frozen=True)
class Plan:
    """JPEG within the bits or the airtime of a feature packet: which frames, how long, how often."""

    items: np.ndarray  # pictures that fit at any quality
    frames: np.ndarray  # uint8[len(items), bytes]
    copies: int


def plan_within(pictures: Pictures, carrier: Carrier, kind: str, eta: float) -> Plan:
    """Highest quality of each picture within the budget of features at `eta`; spare airtime repeats it."""
    num_symbols = semantic_symbols(pictures.bank, eta)
    if kind == "bits":
        most_bytes = (pictures.bank.packet_bits(eta) + pictures.bank.header_bits()) // 8
    else:
        most_bytes = carrier.capacity_bytes(num_symbols)
    chosen = jpeg.best_frames(pictures.images, most_bytes)
    items = np.array([i for i, frame in enumerate(chosen) if frame is not None], np.int64)
    kept = [frame for frame in chosen if frame is not None]
    longest = max((len(frame) for frame in kept), default=1)
    copies = num_symbols // carrier.num_symbols(longest) if kind == "airtime" else 1
    return Plan(items, _frames_array(kept, longest), copies)


def within_budget(
    pictures: Pictures, row: str, name: str, plan: Plan, snr_db: float, streams: Streams
) -> Point:
    """JPEG over a carrier as `plan` says."""
    carrier, task, trials = CARRIERS[name], pictures.bank.task, len(pictures.images)
    key = streams.kernel_key(f"toscn-5/{task}/{row}/{name}/{snr_db}")
    right, whole = pictures.count(plan.items, carrier.send(plan.frames, snr_db, key, plan.copies))
    bits, symbols = 8.0 * plan.frames.shape[1], plan.copies * carrier.num_symbols(plan.frames.shape[1])
    counts = (right, whole, trials)
    return Point(task, row, f"JPEG, {name}", snr_db, *counts, bits, float(symbols), float(plan.copies))


def semantic_symbols(bank: ImageBank, eta: float) -> int:
    """Resource elements of a feature packet over uncoded 16-QAM, side information included."""
    return -(-(bank.packet_bits(eta) + bank.header_bits()) // 4)


def semantic(pictures: Pictures, snrs_db: tuple[float, ...]) -> list[Point]:
    """Features over uncoded 16-QAM at every compression."""
    bank = pictures.bank
    measured = tuple(sorted({*COMPRESSIONS, *(eta for _, eta in BUDGETS)}))
    knowledge = measure(bank, Streams(2026), 1, 4, snrs_db, measured)
    rows = [("paper", eta) for eta in COMPRESSIONS] + [(f"{kind} {eta:g}", eta) for kind, eta in BUDGETS]
    found = []
    for row, eta in rows:
        column, bits = measured.index(eta), float(bank.packet_bits(eta) + bank.header_bits())
        symbols = float(semantic_symbols(bank, eta))
        for index, snr_db in enumerate(snrs_db):
            right = int(knowledge.correct[index, column])
            counts = (right, knowledge.trials, knowledge.trials)
            found.append(Point(bank.task, row, f"features, eta {eta:g}", snr_db, *counts, bits, symbols, 1.0))
    return found


def of_task(job: tuple[str, int, bool]) -> list[Point]:
    """All points of one task: (task, images, every second SNR only)."""
    task, num_images, coarse = job
    snrs, semantic_snrs = (SNRS_DB[::2], SEMANTIC_SNRS_DB[::2]) if coarse else (SNRS_DB, SEMANTIC_SNRS_DB)
    streams, pictures = Streams(2026), load(task, num_images)
    found = semantic(pictures, semantic_snrs)
    for name in CARRIERS:
        if "LDPC" not in name:
            found += [fixed_quality(pictures, QUALITY, name, snr_db, streams) for snr_db in snrs]
    for kind, eta in BUDGETS:
        for name, carrier in CARRIERS.items():
            plan, row = plan_within(pictures, carrier, kind, eta), f"{kind} {eta:g}"
            found += [within_budget(pictures, row, name, plan, snr_db, streams) for snr_db in snrs]
    return found


def points(num_images: int, coarse: bool, jobs: int, advance: Callable[[int, int], None]) -> list[Point]:
    """All points, a task at a time on `jobs` processes; `advance(done, total)` counts tasks."""
    wanted = [(task, num_images, coarse) for task in TASKS]
    found: list[Point] = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done, mine in enumerate(pool.map(of_task, wanted), 1):
            found += mine
            advance(done, len(wanted))
    return found


def cliff_db(found: list[Point]) -> tuple[float, float]:
    """SNRs in dB at which 10 % and 90 % of a scheme's pictures arrive whole (linear between the points)."""
    mine = sorted(found, key=lambda p: p.snr_db)
    share = np.maximum.accumulate([p.intact / p.trials for p in mine])
    snr = np.array([p.snr_db for p in mine])
    low, high = (float(np.interp(level, share, snr)) for level in (0.1, 0.9))
    return low, high


def write_csv(found: list[Point], path: Path) -> None:
    """Counts, accuracies with 95 % Clopper-Pearson limits, and what each image costs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        counted = ("correct", "intact", "trials", "accuracy", "low", "high", "accuracy_with_guesses")
        cost = ("payload_bits", "symbols", "copies")
        writer.writerow(("task", "row", "scheme", "snr_db", *counted, *cost))
        for p in found:
            i = stats.clopper_pearson_interval(p.correct, p.trials)
            shares = [f"{v:.4f}" for v in (i.mean, i.low, i.high, p.guessed)]
            head = (p.task, p.row, p.scheme, f"{p.snr_db:g}", p.correct, p.intact, p.trials)
            writer.writerow((*head, *shares, f"{p.bits:.0f}", f"{p.symbols:.0f}", f"{p.copies:g}"))


def draw(found: list[Point], path: Path) -> None:
    """A row of panels for each comparison, a column a task; bands are 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = ["paper"] + [f"{kind} {eta:g}" for kind, eta in BUDGETS]
    whole, panels = plt.subplots(
        len(rows), len(TASKS), figsize=(14.5, 12.5), sharex=True, sharey=True, layout="constrained"
    )
    etas = sorted({*COMPRESSIONS, *(eta for _, eta in BUDGETS)})
    greens = plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(etas)))
    colours: dict[str, object] = {f"features, eta {eta:g}": tuple(c) for eta, c in zip(etas, greens)}
    colours.update(zip(CARRIERS, ("tab:brown", "tab:orange", "tab:red", "tab:pink")))
    for row, across in zip(rows, panels):
        for task, panel in zip(TASKS, across):
            mine = [p for p in found if p.row == row and p.task == task]
            for scheme in dict.fromkeys(p.scheme for p in mine):
                points = sorted((p for p in mine if p.scheme == scheme), key=lambda p: p.snr_db)
                _curve(panel, points, colours[scheme if "JPEG" not in scheme else scheme.partition(", ")[2]])
            panel.axhline(1 / CLASSES, color="grey", linewidth=0.8, linestyle=":")
            panel.grid(alpha=0.3)
        across[0].set_ylabel(_row_title(row, [p for p in found if p.row == row]))
        title = f"{TASKS[-1]}: resource elements an image"
        across[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), title=title)
    for task, panel in zip(TASKS, panels[0]):
        panel.set_title(task)
    for panel in panels[-1]:
        panel.set_xlabel("Es/N0 per resource element [dB]")
    panels[0, 0].set(ylim=(0.0, 1.02), xlim=(min(SNRS_DB), max(SNRS_DB)))
    title = "Feature maps over uncoded 16-QAM (solid) and JPEG (dashed), AWGN; bands: 95 %; dotted: guessing"
    whole.suptitle(title, fontsize=11)
    whole.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(whole)


def _curve(panel, points: list[Point], colour) -> None:
    snr, scheme = [p.snr_db for p in points], points[0].scheme
    intervals = [stats.clopper_pearson_interval(p.correct, p.trials) for p in points]
    cost = f"{points[0].symbols:,.0f}"
    if points[0].copies > 1:
        cost += f" ({points[0].copies:g} copies)"
    dashed = "--" if scheme.startswith("JPEG") else "-"
    mean, label = [i.mean for i in intervals], f"{scheme}: {cost}"
    panel.plot(snr, mean, linewidth=1.6, label=label, color=colour, linestyle=dashed)
    low, high = [i.low for i in intervals], [i.high for i in intervals]
    panel.fill_between(snr, low, high, color=colour, alpha=0.18, linewidth=0)


def _row_title(row: str, mine: list[Point]) -> str:
    if row == "paper":
        return f"as in the paper\n(JPEG quality {QUALITY})\naccuracy"
    features = next(p for p in mine if p.scheme.startswith("features"))
    if row.startswith("bits"):
        return f"equal bits\n(at most {features.bits:,.0f})\naccuracy"
    return f"equal airtime\n(at most {features.symbols:,.0f} symbols)\naccuracy"
