"""Table III of TOSCN with our codecs: fitted accuracy curves beside the paper's, and the measured counts."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats
from netsim.semantics.bank import load_bank
from netsim.semantics.image_codec import load_codec
from netsim.streams import Streams
from netsim.systems.toscn import TASKS
from netsim.systems.toscn_bkb import COMPRESSIONS, SNRS_DB, measure
from netsim.systems.toscn_knowledge import FITTED_SNR_DB, Fit, Knowledge, fit, write

MODES = ("task_avg", "class_pred")
COARSE_SNRS_DB = (2.0, 8.0, FITTED_SNR_DB, np.inf)
PAPER = {
    "mnist": (-0.633, 15.408, 0.925, 9.128e-5),
    "fashion-mnist": (-0.639, 19.136, 0.901, 1.911e-4),
    "cifar10": (-0.737, 12.474, 0.917, 2.269e-4),
}


@dataclass(frozen=True)
class Entry:
    """One task and importance mode: its counts and its fit at FITTED_SNR_DB."""

    knowledge: Knowledge
    fit: Fit
    source: str


def entries(data: str, coarse: bool, advance) -> list[Entry]:
    """Measures all tasks and modes, at four SNRs if `coarse`; `advance(done, total)`."""
    snrs = COARSE_SNRS_DB if coarse else SNRS_DB
    total, done = len(TASKS) * len(MODES) * len(snrs) * len(COMPRESSIONS), 0

    def step() -> None:
        nonlocal done
        done += 1
        advance(done, total)

    found = []
    for task in TASKS:
        for mode in MODES:
            bank = load_bank(task, data, mode)
            knowledge = measure(bank, Streams(2026), snrs_db=snrs, advance=step)
            found.append(entry_of(knowledge, bank.source))
    return found


def entry_of(knowledge: Knowledge, source: str) -> Entry:
    """Counts with their fit."""
    row = knowledge.snr_db.index(FITTED_SNR_DB)
    return Entry(knowledge, fit(knowledge.compression, knowledge.accuracy[row]), source)


def write_knowledge(found: list[Entry], path: Path) -> None:
    """The file that `semantics.bkb=measured` reads, with the codecs' hashes and the data's description."""
    provenance = {
        "command": "python -m netsim figure toscn-table-3",
        "channel": "AWGN, uncoded Gray 16-QAM, scrambled; one draw an image",
        "data": list(dict.fromkeys(entry.source for entry in found)),
        "codec_sha256": {task: load_codec(task).sha256 for task in TASKS},
    }
    write([entry.knowledge for entry in found], provenance, path)


def write_csv(found: list[Entry], path: Path) -> None:
    """Counts with 95 % Clopper-Pearson intervals, one row per task, mode, SNR and compression."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("task", "mode", "snr_db", "compression", "correct", "trials", "accuracy", "low", "high")
        )
        for entry in found:
            k = entry.knowledge
            for row, snr_db in enumerate(k.snr_db):
                for column, eta in enumerate(k.compression):
                    right = int(k.correct[row, column])
                    i = stats.clopper_pearson_interval(right, k.trials)
                    numbers = (f"{i.mean:.4f}", f"{i.low:.4f}", f"{i.high:.4f}")
                    writer.writerow((k.task, k.mode, f"{snr_db:g}", eta, right, k.trials, *numbers))


def draw(found: list[Entry], path: Path) -> None:
    """Measured accuracy at FITTED_SNR_DB, our fits, and the paper's curves."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    whole, panels = plt.subplots(1, len(TASKS), figsize=(13, 4.2), sharey=True, layout="constrained")
    grid = np.linspace(0.0, 0.99, 300)
    for task, panel in zip(TASKS, panels):
        for entry, colour in zip([e for e in found if e.knowledge.task == task], ("tab:blue", "tab:green")):
            k, (a1, a2, a3) = entry.knowledge, entry.fit.alpha
            row = k.snr_db.index(FITTED_SNR_DB)
            intervals = [stats.clopper_pearson_interval(int(c), k.trials) for c in k.correct[row]]
            mean = np.array([i.mean for i in intervals])
            spread = [mean - [i.low for i in intervals], np.array([i.high for i in intervals]) - mean]
            style = {"fmt": "o", "markersize": 4, "capsize": 2, "color": colour}
            panel.errorbar(k.compression, mean, yerr=spread, label=f"{k.mode}, {k.trials} images", **style)
            panel.plot(grid, a1 * grid**a2 + a3, color=colour, linewidth=1.2)
        a1, a2, a3, _ = PAPER[task]
        panel.plot(grid, a1 * grid**a2 + a3, color="tab:red", linestyle="--", label="paper, Table III")
        panel.set(title=task, xlabel="compression ratio eta", ylim=(0.0, 1.02))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, loc="lower left")
    panels[0].set_ylabel(f"accuracy at {FITTED_SNR_DB:g} dB")
    whole.suptitle(
        "Accuracy over compression: measured (95 % intervals), fits of (21), the paper", fontsize=11
    )
    whole.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(whole)
