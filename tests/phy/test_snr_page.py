"""docs/snr.md prints what it says: every Python block is run and its output compared with the page."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "snr.md"
BLOCK = re.compile(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", re.S)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")
BLOCKS = BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def same(printed: str, stated: str) -> bool:
    """Equal words, and numbers equal to 1 % or two units of their last digit: rounding differs by machine."""
    if NUMBER.sub("#", printed) != NUMBER.sub("#", stated):
        return False
    for a, b in zip(NUMBER.findall(printed), NUMBER.findall(stated)):
        digits = len(b.partition(".")[2].partition("e")[0])
        if abs(float(a) - float(b)) > max(0.01 * abs(float(b)), 2.0 * 10.0**-digits):
            return False
    return True


def test_every_channel_has_its_example():
    page = PAGE.read_text(encoding="utf-8")
    assert len(BLOCKS) == page.count("```python")
    for title in ("AWGN", "Rayleigh", "Rician", "Delay line", "Interference", "Power", "LLRs"):
        assert f"\n## {title}" in page


@pytest.mark.parametrize("index", range(len(BLOCKS)))
def test_the_page_prints_what_it_says(index):
    code, stated = BLOCKS[index]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, f"{PAGE.name}, block {index}", "exec"), {})
    assert same(out.getvalue(), stated), out.getvalue()


def test_the_comparison_can_fail():
    assert same("BER 0.0590 x", "BER 0.0591 x")
    assert not same("BER 0.0590 x", "BER 0.0690 x")
    assert not same("BER 0.0590", "FER 0.0590")
    assert not same("BER 0.0590 1", "BER 0.0590")
