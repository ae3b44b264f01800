"""docs/phy.md names every module of the package, and no module that is gone."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import phy

ROOT = Path(phy.__file__).parent


def test_table_of_modules_is_complete():
    page = (ROOT.parent / "docs" / "phy.md").read_text(encoding="utf-8")
    table = page.split("## Modules")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [name.removeprefix("coding.") for cell in cells for name in re.findall(r"`([a-z_.*]+)`", cell)]
    modules = {path.stem for path in ROOT.rglob("*.py") if not path.stem.startswith("__")}
    assert {m for m in modules if not any(fnmatch.fnmatch(m, name) for name in named)} == set()
    assert {name for name in named if not fnmatch.filter(modules, name)} == set()
