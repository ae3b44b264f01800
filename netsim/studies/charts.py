"""Figures of the pages as Plotly's JSON: plain dicts, so that nothing but the page knows plotly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from netsim.studies.attribution import Attribution
from netsim.studies.fidelity import ADAPTED, DEPLOYED, Row, by_point

Figure = dict[str, Any]

# Okabe, Ito: distinguishable with all common kinds of colour vision, and in grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
INK, GRID = "#1a1a1a", "#e4e4e4"
KIND_TEXT = {DEPLOYED: "by the formula", ADAPTED: "at the level"}


def layout(height: int, **more: Any) -> dict[str, Any]:
    """The look that all figures share."""
    axis = {"gridcolor": GRID, "zerolinecolor": "#888", "automargin": True, "linecolor": "#888"}
    base = {
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 20, "b": 50},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {**axis, **more.pop("xaxis", {})},
        "yaxis": {**axis, **more.pop("yaxis", {})},
    }
    return {**base, **more}


def forest(gaps: Sequence[Row], kpi: str, margin: float) -> Figure:
    """Relative gap of the deciding figure, policy by policy and level by level, with the margins."""
    rows = by_point(gaps, kpi=kpi)
    traces = []
    names = list(dict.fromkeys(f"{row['policy']} · {row['level']}" for row in rows))
    for index, kind in enumerate((DEPLOYED, ADAPTED)):
        mine = by_point(rows, kind=kind)
        scale = [100 / abs(row["reference"]) if row["reference"] else math.nan for row in mine]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"planned {KIND_TEXT[kind]}",
                "y": [f"{row['policy']} · {row['level']}" for row in mine],
                "x": [row["gap"] * s for row, s in zip(mine, scale)],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [(row["high"] - row["gap"]) * s for row, s in zip(mine, scale)],
                    "arrayminus": [(row["gap"] - row["low"]) * s for row, s in zip(mine, scale)],
                    "thickness": 1.5,
                },
                "marker": {"size": 10, "symbol": ("circle", "diamond-open")[index], "color": COLOURS[index]},
                "hovertemplate": "%{y}<br>%{x:.2f} %<extra></extra>",
            }
        )
    band = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": -100 * margin, "x1": 100 * margin,
        "y0": 0, "y1": 1, "fillcolor": "#009E73", "opacity": 0.12, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    return {
        "data": traces,
        "layout": layout(
            110 + 30 * len(names),
            xaxis={"title": {"text": f"gap of {kpi} in % of the reference (band: margin)"}, "zeroline": True},
            yaxis={"autorange": "reversed", "type": "category"},
            shapes=[band],
        ),
    }


def slopes(scores: Sequence[Row], levels: Sequence[str], policies: Sequence[str], kind: str) -> Figure:
    """The deciding figure over the levels, one line a policy: where lines cross, policies swap."""
    traces = []
    for index, policy in enumerate(policies):
        rows = [
            by_point(scores, policy=policy, level=level, planned=levels[0] if kind == DEPLOYED else level)[0]
            for level in levels
        ]
        colour = COLOURS[index % len(COLOURS)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": policy,
                "x": list(levels),
                "y": [row["mean"] for row in rows],
                "error_y": {
                    "type": "data",
                    "array": [row["high"] - row["mean"] for row in rows],
                    "thickness": 1,
                    "color": colour,
                },
                "line": {"color": colour, "width": 2, "dash": ("solid", "dash", "dot")[index % 3]},
                "marker": {"size": 8, "symbol": ("circle", "square", "diamond", "x")[index % 4]},
                "hovertemplate": f"{policy}<br>%{{x}}: %{{y:.4g}}<extra></extra>",
            }
        )
    return {
        "data": traces,
        "layout": layout(
            420,
            xaxis={"title": {"text": f"level that judges (planned {KIND_TEXT[kind]})"}, "type": "category"},
            yaxis={"title": {"text": scores[0]["kpi"]}, "rangemode": "tozero"},
        ),
    }


def transfer(scores: Sequence[Row], levels: Sequence[str], policy: str) -> Figure:
    """Planned at (rows) against judged at (columns)."""
    cell = {(row["planned"], row["level"]): row for row in by_point(scores, policy=policy)}
    z = [[cell[planned, level]["mean"] for level in levels] for planned in levels]
    text = [
        [
            f"{cell[p, level]['mean']:.3g}<br>[{cell[p, level]['low']:.3g}, {cell[p, level]['high']:.3g}]"
            for level in levels
        ]
        for p in levels
    ]
    heat = {
        "type": "heatmap", "z": z, "x": list(levels), "y": list(levels), "text": text,
        "texttemplate": "%{text}", "colorscale": [[0, "#f7d9c4"], [0.5, "#f7f7f7"], [1, "#bcd7ee"]],
        "zmin": 0 if min(min(row) for row in z) >= 0 else None,
        "colorbar": {"thickness": 12}, "hovertemplate": "planned %{y}, judged %{x}<extra></extra>",
    }  # fmt: skip
    return {
        "data": [heat],
        "layout": layout(
            120 + 60 * len(levels),
            xaxis={"title": {"text": "judged at"}, "type": "category", "showgrid": False},
            yaxis={
                "title": {"text": "planned at", "standoff": 18},
                "type": "category",
                "autorange": "reversed",
                "showgrid": False,
            },
        ),
    }


def waterfall(attribution: Attribution) -> Figure:
    """From the formula through every mechanism to reality; the bars add up, whiskers are 95 % intervals."""
    names, bases, sizes, colours, low, high, text = ["formula"], [0.0], [attribution.formula], [], [], [], []
    level = attribution.formula
    for part in attribution.parts:
        effect = part.effect
        names.append(part.mechanism.name)
        bases.append(level)
        sizes.append(effect.mean)
        low.append(effect.mean - effect.low)
        high.append(effect.high - effect.mean)
        level += effect.mean
    names.append("reality")
    bases.append(0.0)
    sizes.append(attribution.real)
    colours = ["#666666", *("#D55E00" if s < 0 else "#0072B2" for s in sizes[1:-1]), "#666666"]
    text = [f"{sizes[0]:.4g}", *(f"{s:+.3g}" for s in sizes[1:-1]), f"{sizes[-1]:.4g}"]
    bars = {
        "type": "bar", "x": names, "y": sizes, "base": bases, "text": text, "textposition": "outside",
        "marker": {"color": colours}, "cliponaxis": False,
        "error_y": {
            "type": "data", "symmetric": False, "array": [0, *high, 0], "arrayminus": [0, *low, 0],
            "thickness": 1.5, "color": "#333",
        },
        "hovertemplate": "%{x}: %{text}<extra></extra>",
    }  # fmt: skip
    return {
        "data": [bars],
        "layout": layout(
            430,
            xaxis={"type": "category", "tickangle": -25},
            yaxis={"title": {"text": attribution.kpi}},
            showlegend=False,
        ),
    }


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_title: str, y_title: str, **more: Any
) -> Figure:
    """Named curves."""
    traces = [
        {
            "type": "scatter",
            "mode": more.get("mode", "lines"),
            "name": name,
            "x": list(x),
            "y": list(y),
            "line": {"color": COLOURS[i % len(COLOURS)], "width": 1.6, "shape": more.get("shape", "linear")},
        }
        for i, (name, (x, y)) in enumerate(series.items())
    ]
    return {
        "data": traces,
        "layout": layout(
            more.get("height", 300),
            xaxis={"title": {"text": x_title}},
            yaxis={"title": {"text": y_title}, "rangemode": "tozero"},
            showlegend=len(traces) > 1,
        ),
    }
