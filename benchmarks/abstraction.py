"""Measures link abstractions: AWGN waterfalls, fitted effective SINRs, and their error on fresh channels.

    python benchmarks/abstraction.py [--schemes 4,14,22] [--convolutional] [--num-re 480] [--out FILE]

`--out` keeps the tables, with counts and the digest of the link (netsim/link_tables.py).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    # the folder of this file comes first on the path of a script, and its phy.py would hide the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from netsim.link_tables import save_link_tables
from phy.abstraction import LinkAbstraction, measure_abstraction
from phy.beta_fit import measure_faded, prediction_error
from phy.bler_measure import Effort
from phy.block_channel import BlockChannel
from phy.channel import exponential_profile
from phy.coded_block import CodedBlock, block_of_mcs
from phy.coding.mcs import mcs_table

# 48 subcarriers of 15 kHz: taps 260 ns apart, falling by 1 dB each; TDL-C with two receive antennas
FITTED = BlockChannel("tdl", 1, tuple(exponential_profile(8, 1.0).tolist()), 0.0, 256, 48)
OTHER = BlockChannel("tdl_c", 2, num_subcarriers=48, delay_spread_s=1e-6)
CONVOLUTIONAL = (
    CodedBlock(500, 2, 0.5, code="convolutional"),
    CodedBlock(960, 4, 0.75, code="convolutional"),
    CodedBlock(1200, 6, 0.75, code="convolutional"),
)
HEADER = """
| code | Q_m | rate | bits | SNR at BLER 10 % | method | beta | fit residual | counting alone | fresh, same \
profile | fresh, TDL-C 1 us, 2 antennas | time |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def rows(link: LinkAbstraction, seconds: float, effort: Effort, num_channels: int, key: int) -> list[str]:
    """One line of the report for each method."""
    block, table = link.block, link.table
    fresh = [
        measure_faded(block, channel, table, num_channels, effort, key + 1 + i)
        for i, channel in enumerate((FITTED, OTHER))
    ]
    lines = []
    for fit in link.fits:
        same, other = (prediction_error(f, table, block.bits_per_symbol, fit).residual_db for f in fresh)
        lines.append(
            f"| {block.code} | {block.bits_per_symbol} | {block.code_rate:.3f} | {block.num_bits} |"
            f" {float(table.snr_at(0.1)):.2f} dB | {fit.method} | {fit.beta:.3f} | {fit.residual_db:.3f} dB |"
            f" {fit.counting_db:.3f} dB | {same:.3f} dB | {other:.3f} dB | {seconds:.1f} s |"
        )
    return lines


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", default="64qam", help="MCS table: 64qam or 256qam")
    parser.add_argument("--schemes", default="4,14,22", help="indices of the MCS table, comma-separated")
    parser.add_argument("--num-re", type=int, default=480, help="resource elements of a block")
    parser.add_argument("--convolutional", action="store_true", help="three convolutional formats as well")
    parser.add_argument("--channels", type=int, default=24, help="channel realisations for the fit")
    parser.add_argument("--errors", type=int, default=60, help="block errors at which a point is done")
    parser.add_argument("--blocks", type=int, default=400, help="most blocks of a point")
    parser.add_argument("--key", type=int, default=3, help="seed")
    parser.add_argument("--out", help="HDF5 file for the tables")
    args = parser.parse_args()
    effort = Effort(args.errors, args.blocks, 50)
    table = mcs_table(args.table)
    formats = [block_of_mcs(table[int(i)], args.num_re) for i in args.schemes.split(",") if i]
    formats += CONVOLUTIONAL if args.convolutional else ()
    print(HEADER)
    links = []
    for block in formats:
        start = time.perf_counter()
        links.append(measure_abstraction(block, FITTED, args.key, effort, args.channels))
        seconds = time.perf_counter() - start
        print("\n".join(rows(links[-1], seconds, effort, args.channels, args.key)), flush=True)
    if args.out:
        save_link_tables(args.out, links)


if __name__ == "__main__":
    main()
