"""SC-QoS Fig. 4: losses of the text codec while it learns, for three step sizes.

One training a step size runs the merged recipe (`netsim.semantics.text_training`) on the reference grammar:
first Algorithm 1 (no quantiser, no errors), then Algorithms 2 and 3 together (quantiser, bit errors,
compensator). The step size is the same in both parts; it falls to zero at the end.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

RATES = (2e-3, 1e-3, 4e-4)  # Fig. 4 of the paper
STEPS, QUICK_STEPS = 1600, 100
BLOCK = 25  # steps behind each point


@dataclass(frozen=True)
class Curve:
    """One training.

    Attributes:
        step_size: AdamW step size. clean_steps: steps of Algorithm 1.
        ce: mean cross-entropy of each block of 25 steps, nats a token.
        feature_mse: mean squared error of the repaired features; 0 in Algorithm 1.
        exact: share of held-out sentences that arrive exactly at 1, 2, 3 bits without bit errors.
        plain: the same without quantiser. sentences: how many.
    """

    step_size: float
    clean_steps: int
    ce: tuple[float, ...]
    feature_mse: tuple[float, ...]
    exact: tuple[float, float, float]
    plain: float
    sentences: int


def train(step_size: float, steps: int, seed: int = 0) -> Curve:
    """One training of `steps` steps, half of them in Algorithm 1."""
    from netsim.semantics.similarity import load_metric
    from netsim.semantics.text_measure import measured
    from netsim.semantics.text_network import TextShape
    from netsim.semantics.text_training import TextTrainer
    from netsim.semantics.train_text import PLANS, codec_of, gather, one_thread

    one_thread()
    plan = PLANS["grammar"]
    training = dataclasses.replace(
        plan.training,
        steps=steps,
        clean_steps=steps // 2,
        settled_steps=steps // 5,
        clean_rate=step_size,
        rate=step_size,
        seed=seed,
    )
    material = gather(plan)
    trainer = TextTrainer(material.batches, TextShape(len(material.vocabulary)), training, material.sha256)
    ce, feature_mse = [], []
    while trainer.step < steps:
        losses = trainer.run_block()
        ce.append(losses["ce"])
        feature_mse.append(losses["feature_mse"])
    codec = codec_of("scqos-4", trainer, {"words": " ".join(material.vocabulary.words[4:])})
    quality, _ = measured(codec, material.check, (), load_metric("token_f1"))
    exact = {q.bits: float(q.exact) for q in quality}
    return Curve(
        step_size, steps // 2, tuple(ce), tuple(feature_mse), (exact[1], exact[2], exact[3]), exact[None],
        len(material.check),
    )  # fmt: skip


def curves(steps: int, jobs: int, advance: Callable[[int, int], None]) -> list[Curve]:
    """All trainings, in `jobs` processes; in the order of RATES."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(train, rate, steps) for rate in RATES]
        for done, _ in enumerate(as_completed(waiting), 1):
            advance(done, len(RATES))
        return [one.result() for one in waiting]


def write_csv(found: Sequence[Curve], path: Path) -> None:
    """One row for each training and block of 25 steps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step_size", "step", "algorithm", "cross_entropy_nats", "feature_mse"])
        for curve in found:
            for i, (ce, mse) in enumerate(zip(curve.ce, curve.feature_mse), 1):
                algorithm = "1" if i * BLOCK <= curve.clean_steps else "2 and 3"
                writer.writerow([f"{curve.step_size:g}", i * BLOCK, algorithm, f"{ce:.5g}", f"{mse:.5g}"])


def draw(found: Sequence[Curve], path: Path) -> None:
    """Cross-entropy of the three algorithms, and the compensator's error once it has something to do."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.0), layout="constrained")
    for curve in found:
        steps = [(i + 1) * BLOCK for i in range(len(curve.ce))]
        left.plot(steps, curve.ce, label=f"step size {curve.step_size:g}")
        late = [i for i, step in enumerate(steps) if step > curve.clean_steps]
        right.plot([steps[i] for i in late], [curve.feature_mse[i] for i in late])
    left.axvline(found[0].clean_steps, color="grey", linestyle=":")
    left.set(xlabel="step", ylabel="cross-entropy [nats a token]", yscale="log", title="Alg. 1, then 2 and 3")
    right.set(xlabel="step", ylabel="squared error of a feature", title="compensator (Alg. 2 and 3)")
    left.set_yticks((0.2, 0.5, 1.0, 2.0, 5.0))
    left.yaxis.set_major_formatter(ScalarFormatter())
    left.yaxis.set_minor_formatter(NullFormatter())
    left.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
