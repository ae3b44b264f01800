"""Tables of a benchmark run, and what goes into its JSON file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.goals import Goal
from benchmarks.reference import Contender, ber_score
from benchmarks.timing import Effort, Ratio, Seconds, median, race, ratio

LARGEST_SCORE = 4.5  # |z| that no correct chain should pass in a run (1e-5 for each)


class Report:
    """Prints tables and remembers their figures."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.figures: dict[str, float] = {}  # what goals are judged by
        self.ratios: dict[str, Ratio] = {}
        self.rates: dict[str, float] = {}  # Mbit per CPU second
        self.scores: dict[str, tuple[float, float, float]] = {}  # BER, expected BER, z

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)

    def add_ratio(self, key: str, slow: list[float], fast: list[float]) -> None:
        """fast/slow as `key`."""
        self.ratios[key] = ratio(slow, fast)
        self.figures[key] = self.ratios[key].median

    def chains(
        self,
        title: str,
        prefix: str,
        contenders: Mapping[str, Contender],
        pairs: Iterable[tuple[str, str, str]],
        effort: Effort,
        check: Mapping[str, int] | None = None,
    ) -> Seconds:
        """Race chains per information bit, check their BER, print a table.

        Args:
            pairs: (key of the ratio, fast contender, slow contender); pairs with an absent one are left out.
            check: blocks of the BER check for slow contenders, default effort.check_blocks.
        """
        seconds = race({k: (c.run, float(c.num_bits)) for k, c in contenders.items()}, effort)
        self.say(f"\n{title}\n{'chain':28s}{'B':>4s}{'Mbit/s':>10s}{'us/block':>10s}{'BER':>11s}{'z':>7s}")
        for key, c in contenders.items():
            per_bit = median(seconds[key])
            ber, z = ber_score(c, (check or {}).get(key, effort.check_blocks))
            self.rates[f"{prefix}{key}"] = 1e-6 / per_bit
            self.scores[f"{prefix}{key}"] = (ber, c.work.expected_ber, z)
            flag = "" if abs(z) < LARGEST_SCORE else f"  WRONG: theory {c.work.expected_ber:.3e}"
            block = per_bit * c.block_bits * 1e6
            row = f"{c.name:28s}{c.work.num_blocks:4d}{1e-6 / per_bit:10.4g}{block:10.3g}"
            self.say(f"{row}{ber:11.3e}{z:7.2f}{flag}")
        self.pairs(seconds, pairs)
        return seconds

    def pairs(self, seconds: Seconds, pairs: Iterable[tuple[str, str, str]]) -> None:
        """Ratios between contenders of one race."""
        for key, fast, slow in pairs:
            if fast in seconds and slow in seconds:
                self.add_ratio(key, seconds[slow], seconds[fast])
                self.say(f"    {key:30s} {self.ratios[key]} x")

    def as_json(self, about: dict[str, Any], goals: Iterable[Goal]) -> dict[str, Any]:
        """The promised keys and everything else that was printed."""
        return {
            "ratios": {k: r.median for k, r in self.ratios.items()},
            "quartiles": {k: [r.low, r.high] for k, r in self.ratios.items()},
            "rates_mbit_per_cpu_s": self.rates,
            "ber": {k: {"ber": b, "expected": e, "z": z} for k, (b, e, z) in self.scores.items()},
            "figures": {k: v for k, v in self.figures.items() if k not in self.ratios},
            "goals": [
                {
                    "number": g.number,
                    "text": g.text,
                    "least": g.least,
                    "most": g.most,
                    "key": g.key,
                    "value": self.figures.get(g.key),
                    "met": g.met(self.figures[g.key]) if g.key in self.figures else None,
                }
                for g in goals
            ],
            "machine": about,
        }
