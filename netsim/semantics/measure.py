"""Accuracy of the quantised features over compression: `python -m netsim.semantics.measure [--source data]`.

For each task and importance mode: the noiseless accuracy of the 8-bit features at a row of compression
ratios, and the fit A(eta) = a1 * eta^a2 + a3 of P(21) by Levenberg-Marquardt (Table III) over the grid of
spec toscn 10.3, with its mean squared error.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from netsim.semantics.bank import SOURCES, ImageBank, load_bank
from netsim.semantics.datasets import TASKS
from netsim.semantics.image_codec import CLASSIFIERS
from netsim.semantics.importance import MODES
from phy.parameters import ParameterError

SHOWN = (0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
FITTED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)


def accuracy_curve(bank: ImageBank, etas: tuple[float, ...]) -> np.ndarray:
    """Noiseless accuracy of the bank's images at each compression ratio: float64[len(etas)]."""
    return np.array([bank.noiseless_accuracy(eta) for eta in etas])


def fit_curve(etas: tuple[float, ...], accuracies: np.ndarray) -> tuple[np.ndarray, float]:
    """Parameters (a1, a2, a3) of P(21) and the mean squared error. Start (-0.7, 15, 0.9), spec toscn 10.3.

    A curve that does not depend on eta has a1 = 0 and no exponent (nan); one that the form cannot follow (it
    rises, or wavers by an image or two) and on which the iteration does not end has three times nan.
    """
    from scipy.optimize import curve_fit

    if np.ptp(accuracies) == 0.0:
        return np.array([0.0, np.nan, accuracies[0]]), 0.0

    def curve(eta: np.ndarray, a1: float, a2: float, a3: float) -> np.ndarray:
        return a1 * np.exp(np.clip(a2 * np.log(np.maximum(eta, 1e-12)), -700.0, 700.0)) + a3

    x = np.array(etas)
    try:
        alpha, _ = curve_fit(curve, x, accuracies, p0=(-0.7, 15.0, 0.9), method="lm", maxfev=5_000)
    except RuntimeError:
        return np.full(3, np.nan), float("nan")
    return alpha, float(np.mean((curve(x, *alpha) - accuracies) ** 2))


def table(task: str, source: str, classifier: str, modes: tuple[str, ...] = MODES) -> list[str]:
    """The lines of one task's table."""
    bank = load_bank(task, source, classifier=classifier)
    num_test = bank.provenance["codec"]["test_data"]["num_images"]
    lines = [
        f"{bank.source}; {classifier} classifier, {bank.test_accuracy:.4f} on all {num_test} test images"
    ]
    lines.append("mode        " + "".join(f"{eta:>8g}" for eta in SHOWN) + "      a1      a2     a3     MSE")
    for mode in modes:
        chosen = bank.using(mode)
        row = "".join(f"{a:8.3f}" for a in accuracy_curve(chosen, SHOWN))
        alpha, error = fit_curve(FITTED, accuracy_curve(chosen, FITTED))
        lines.append(f"{mode:12s}{row}  {alpha[0]:6.3f} {alpha[1]:7.2f} {alpha[2]:6.3f} {error:7.0e}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 done, 2 the user's mistake in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m netsim.semantics.measure",
        description="Accuracy of the quantised features over compression.",
    )
    parser.add_argument("--task", choices=TASKS, action="append", help="default: all three")
    parser.add_argument("--source", choices=SOURCES, default="auto", help="which bank")
    parser.add_argument("--classifier", choices=tuple(CLASSIFIERS), action="append", help="default: both")
    given = parser.parse_args(arguments)
    try:
        for task in given.task or TASKS:
            for classifier in given.classifier or CLASSIFIERS:
                sys.stdout.write("\n".join(table(task, given.source, classifier)) + "\n\n")
    except ParameterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
