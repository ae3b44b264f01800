"""`python -m phy check` measures the SNR contract; `python -m phy audit` measures it on other people's code.

Exit status: 0 it holds, 1 it does not, 2 a mistake of the user (one line).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from phy.parameters import ParameterError

CHECK_HELP = """Measures the SNR contract on the simulator itself: energies of symbols, fading and noise,
Es/N0 against Eb/N0, prefix and pilot accounting, PAPR, LLRs, and the bit error rate of every modulation x
channel x number of receive antennas against closed forms. Exit status 1 when any |z| exceeds the bound that a
correct simulator exceeds in one run of 10 000 (all rows together), or an exact row its tolerance."""


AUDIT_HELP = """Measures the SNR contract on a function: the offset in dB of what it does from what it claims,
with a confidence interval. A positive offset is better than claimed. The module is IMPORTED: its code runs
with your rights, so audit only what you would run anyway. Exit status 0 it agrees, 1 it does not (or the
measurement could not decide), 2 it cannot be measured."""

AUDIT_EPILOG = """kinds (x, y, h, bits: NumPy arrays, or tensors where needed; a: the second argument):
  awgn       f(x, a) -> y               noise alone
  channel    f(x, a) -> y or (y, h)     fading and noise, y = h x + n; h of y's shape, antennas on any axis
  equalised  f(x, a) -> x + n / h       fading and noise, divided by the channel inside (--k-factor)
  fading     f(n) -> h, f(shape) -> h   fading alone (--shape to hand over a shape)
  modulator  f(bits) -> x               constellation (--bits-per-symbol)
  codec      f(features, a) -> z        power normalisation and noise; the features have rms --scale

conventions (what --snr-db means):
  es/n0      E|x|^2 = 1 per complex symbol, over the noise energy per complex symbol (n0/2 per dimension)
  eb/n0      Es/N0 divided by bits per symbol and code rate
  real       energy 1 per real dimension, over the noise variance per real dimension

layouts: complex; pairs (real arrays, last axis I, Q, I, Q, ...); real (one real dimension an entry)
second argument: snr-db, snr (linear), n0 (per complex symbol), noise-std or noise-var (per real dimension)

Another signature needs an adapter of two lines in a file of yours:
  def adapted(x, snr_db):
      return their_channel(x, noise_power=10 ** (-snr_db / 10), fading="rician")
  python -m phy audit adapter.py:adapted --kind channel

examples:
  python -m phy audit phy.audit_examples:rician_power_two --kind channel
  python -m phy audit phy.channel:rayleigh --kind fading --rng
  python -m phy audit phy.channel:awgn --kind awgn --rng --argument n0
  python -m phy audit their/channels.py:rician --kind equalised --layout pairs --argument noise-std
  python -m phy audit --examples              well-known faults and the offsets they must show
"""


class _Parser(argparse.ArgumentParser):
    """One line on a mistake, no usage dump."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"{message} (see: {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m phy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check", help="measure the SNR contract on the simulator", description=CHECK_HELP
    )
    check.add_argument("--quick", action="store_true", help="fewer samples and SNRs, below 10 s")
    check.add_argument("--seed", type=int, default=1, metavar="S", help="default 1; any seed must pass")
    check.add_argument("--only", metavar="PARTS", help="comma-separated parts, e.g. noise,fading,ber")
    check.add_argument("--rows", action="store_true", help="print every measured bit error rate")
    check.add_argument("--json", type=Path, metavar="FILE", help="write all rows as JSON")
    check.add_argument("--csv", type=Path, metavar="FILE", help="write all rows as CSV")
    check.set_defaults(run=_check)
    _audit_options(commands)
    return parser


def _audit_options(commands: argparse._SubParsersAction) -> None:
    audit = commands.add_parser(
        "audit",
        help="measure the SNR contract on any function",
        description=AUDIT_HELP,
        epilog=AUDIT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = audit.add_argument
    add("function", nargs="?", metavar="MODULE:FUNCTION", help="or FILE.py:FUNCTION, or ...:Class.method")
    add("--examples", action="store_true", help="measure the faults of phy/audit_examples.py")
    add("--kind", default="awgn", metavar="KIND", help="awgn (default), channel, equalised, fading, ...")
    add("--convention", default="es/n0", metavar="NAME", help="es/n0 (default), eb/n0, real")
    add("--argument", default="snr-db", metavar="NAME", help="the second argument (default snr-db)")
    add("--layout", default="complex", metavar="NAME", help="complex (default), pairs, real")
    add("--arrays", default="auto", choices=("auto", "numpy", "torch"), help="auto: tensors where needed")
    add("--rng", action="store_true", help="the first argument is a numpy.random.Generator")
    add("--bits-per-symbol", type=int, default=4, metavar="M", help="1, 2, 4 (default), 6, 8")
    add("--code-rate", type=float, default=1.0, metavar="R", help="for Eb/N0 (default 1)")
    add("--k-factor", type=float, default=0.0, metavar="K", help="kind equalised: Rician factor, linear")
    add("--num-ant", type=int, default=1, metavar="L", help="kind equalised: antennas combined")
    add("--snr-db", default="0,10", metavar="X,..", help="claimed SNRs (default 0,10; --snr-db=-5,0)")
    add("--shape", default="", metavar="N,..", help="shape of the symbols in a call, e.g. 64,30,8")
    add("--scale", type=float, default=3.0, metavar="A", help="kind codec: rms of the features (default 3)")
    add("--tolerance-db", type=float, default=0.1, metavar="DB", help="still agreement (default 0.1)")
    add("--confidence", type=float, default=0.999, metavar="P", help="of the intervals (default 0.999)")
    add("--seconds", type=float, default=5.0, metavar="T", help="limit for each SNR (default 5)")
    add("--seed", type=int, default=1, metavar="S", help="of the inputs (default 1)")
    add("--json", type=Path, metavar="FILE", help="write claim, points and verdict as JSON")
    audit.set_defaults(run=_audit)


def _numbers(text: str, name: str, convert: type) -> tuple:
    try:
        return tuple(convert(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ParameterError(f"{name} {text!r}: must be numbers separated by commas") from None


def _audit(options: argparse.Namespace) -> int:
    from phy import audit_examples, report
    from phy.audit import audit
    from phy.audit_call import Subject, load
    from phy.audit_claim import Claim, Effort

    if (options.function is None) != options.examples:
        raise ParameterError("audit: needs either MODULE:FUNCTION or --examples")
    effort = Effort(
        shape=_numbers(options.shape, "--shape", int),
        snr_db=_numbers(options.snr_db, "--snr-db", float),
        tolerance_db=options.tolerance_db,
        confidence=options.confidence,
        seconds=options.seconds,
        scale=options.scale,
        seed=options.seed,
    )
    if options.examples:
        examples = audit_examples.EXAMPLES
        measured = [
            (e, audit(Subject(e.function, e.name, e.claim.layout), e.claim, effort)) for e in examples
        ]
        report.print_examples(measured)
        return 0 if all(report.example_holds(e, a) for e, a in measured) else 1
    claim = Claim(
        kind=options.kind,
        convention=options.convention,
        argument=options.argument,
        layout=options.layout,
        bits_per_symbol=options.bits_per_symbol,
        code_rate=options.code_rate,
        k_factor=options.k_factor,
        num_ant=options.num_ant,
        generator=options.rng,
    )
    if options.json is not None:
        report.writable(options.json)
    subject = Subject(load(options.function), options.function, options.layout, options.arrays)
    result = audit(subject, claim, effort)
    report.print_audit(result)
    if options.json is not None:
        report.write_audit_json(result, options.json)
    return 0 if result.agrees else 1


def _check(options: argparse.Namespace) -> int:
    from phy import report
    from phy.check import run

    for path in (options.json, options.csv):
        if path is not None:
            report.writable(path)
    parts = None if options.only is None else options.only.split(",")
    progress = report.progress_line()
    result = run(seed=options.seed, quick=options.quick, parts=parts, progress=progress)
    if progress is not None:
        progress("")
    report.print_check(result, every_row=options.rows)
    if options.json is not None:
        report.write_json(result, options.json)
    if options.csv is not None:
        report.write_csv(result, options.csv)
    return result.status


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit status."""
    try:
        options = _parser().parse_args(arguments)
        return options.run(options)
    except (ParameterError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader of our output has left, e.g. `| head`
            sys.stderr.close()
            return 0
        print(f"phy: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("phy: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
