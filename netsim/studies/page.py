"""Self-contained HTML pages: text, tables and interactive figures in one file that needs no network.

The plotting library travels inside the page, compressed (1.9 MB instead of 4.8) and unpacked by the browser;
without scripts the text and the tables, which hold all the numbers, are still there.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netsim.studies.verdict import number, signed_percent
from phy.parameters import ParameterError


def render(template: str, context: Mapping[str, Any]) -> str:
    """The page from a template of netsim/studies/templates, everything in the context escaped.

    Raises:
        ModuleNotFoundError: jinja2 or plotly is not installed.
    """
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("netsim.studies"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=signed_percent, cell=cell, markup=markupsafe.Markup)
    environment.globals["figure_json"] = lambda figure: markupsafe.Markup(embedded_json(figure))
    return environment.get_template(template).render(plotly_gz=_packed_plotly(), **context)


def check_installed() -> None:
    """Raises ModuleNotFoundError now, rather than after the runs, if a page could not be made."""
    import jinja2  # noqa: F401
    import plotly  # noqa: F401


@functools.cache
def _packed_plotly() -> str:
    """plotly.js, gzip and base64."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


def embedded_json(value: Any) -> str:
    """JSON that may stand inside a <script> element: no `<`, NaN as null."""
    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def plain(value: Any) -> Any:
    """`value` as JSON knows it: NaN and infinities as None, arrays as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def cell(value: Any) -> str:
    """A value in a table: numbers with four digits, the rest as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value).replace("-", "−")
    return str(value)


def write(path: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Raises:
        ParameterError: the folder cannot be written to.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror}: must be a file to write to") from None


def command_line(arguments: Sequence[str]) -> str:
    """The command as one would type it again."""
    return shlex.join(["python", "-m", "netsim", *arguments])
