"""Which code a result comes from: a digest over everything that can change a run.

A commit would say too much (a new line of documentation is another commit) and too little (edited files, an
installed package), so the sources themselves are hashed: all of `phy`, and `netsim` without what only reads
results (commands, figures, studies and their declarations, metrics, checks).
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import netsim
import phy

_READERS = (
    "netsim/__main__.py",
    "netsim/cli.py",
    "netsim/commands/",
    "netsim/figures/",
    "netsim/studies/",
    "netsim/metrics.py",
    "netsim/kpis.py",
    "netsim/checks.py",
    "netsim/stats.py",
    "phy/__main__.py",
    "phy/audit",
    "phy/check",
    "phy/report.py",
)


@functools.cache
def code_version() -> str:
    """12 hexadecimal digits over names and contents of the files that a run depends on, weights included."""
    whole = hashlib.sha256()
    for package in (netsim, phy):
        assert package.__file__ is not None
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root.parent).as_posix()
            read_only = name.startswith(_READERS) or name.endswith("_study.py")
            if path.is_dir() or "__pycache__" in name or read_only:
                continue
            content = path.read_bytes()
            if path.suffix == ".py":
                content = content.replace(b"\r\n", b"\n")
            whole.update(f"{name} {len(content)}\n".encode())
            whole.update(content)
    return whole.hexdigest()[:12]
