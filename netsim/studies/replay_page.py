"""The page of a replayed slot: constellation, channel, wrong bits, and what the decoder made of them."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import numpy as np

from netsim.studies import charts
from netsim.studies.charts import Figure
from netsim.studies.replay import Replay, Sent
from netsim.studies.verdict import number
from netsim.tables import Trace

MOST_POINTS = 3000  # of a constellation; more only make the page heavy
MOST_BITS = 2048  # of a packet shown one by one
BINS = 100
SINGLE_BITS = 256  # packets up to this size are drawn bit by bit


def context(trace: Trace, found: Replay, command: str) -> dict[str, Any]:
    """What the template replay.html shows."""
    wrong = sum(len(one.wrong) for one in found.packets)
    total = sum(len(one.sent) for one in found.packets)
    if not found.own_level:
        verdict = {
            "kind": "open",
            "text": f"What level {found.level} makes of the grants of level {trace.attributes['phy']}.",
        }
    elif found.differences:
        verdict = {"kind": "bad", "text": "Not as recorded: " + "; ".join(found.differences[:5])}
    else:
        verdict = {
            "kind": "good",
            "text": "Bit-identical to the run: packets, wrong bits, decisions and gains equal the trace.",
        }
    return {
        "title": f"Slot {found.slot}, device {found.ue}: {trace.attributes['scenario']}, level {found.level}",
        "subtitle": f"{trace.name}, seed {trace.attributes['seed']}, run {trace.attributes['run']}; "
        f"{len(found.packets)} packets, {wrong} of {total} bits wrong",
        "verdict": verdict,
        "link": [
            {"name": "channel gain", "value": f"{number(10 * np.log10(found.gain))} dB"},
            {"name": "SNR (Es/N0)", "value": f"{number(found.sinr_db)} dB per resource element"},
        ],
        "channel": channel(trace, found),
        "packets": [_packet(one) for one in found.packets],
        "command": command,
    }


def channel(trace: Trace, found: Replay) -> Figure:
    """The device's SNR before, in and after the slot."""
    columns = trace["receptions"]
    mine = columns["ue"] == found.ue
    slots, gain_db = columns["slot"][mine], 10 * np.log10(columns["gain"][mine])
    figure = charts.lines({"gain": (slots.tolist(), gain_db.tolist())}, "slot", "channel gain in dB")
    here = slots == found.slot
    mark = {
        "type": "scatter", "mode": "markers", "name": f"slot {found.slot}", "x": slots[here].tolist(),
        "y": gain_db[here].tolist(), "marker": {"size": 12, "color": charts.COLOURS[1]},
    }  # fmt: skip
    figure["data"].append(mark)
    figure["layout"]["yaxis"].pop("rangemode")
    return figure


def _packet(one: Sent) -> dict[str, Any]:
    packet, wrong = one.packet, one.wrong
    content = one.content
    return {
        "head": f"Packet {packet.id}: {len(one.sent)} bits, {len(wrong)} wrong, score {number(packet.score)}",
        "constellation": constellation(one) if one.symbols is not None and len(one.symbols) else None,
        "positions": positions(one) if len(wrong) else None,
        "weights": bit_weights(one) if len(wrong) else None,
        "bits": marked_bits(one),
        "bits_shown": min(len(one.sent), MOST_BITS),
        "title": content.get("title", ""),
        "pictures": [(name, data_uri(picture)) for name, picture in content.get("pictures", {}).items()],
        "texts": list(content.get("texts", {}).items()),
        "scores": class_scores(content) if "scores" in content else None,
    }


def constellation(one: Sent) -> Figure:
    """Equalised symbols; those that were decided wrongly apart."""
    assert one.symbols is not None and one.ideal is not None
    step = max(1, len(one.symbols) // MOST_POINTS)
    y, x = one.symbols[::step], one.ideal[::step]
    points = np.unique(one.ideal)
    if len(points) < 2:
        decided = x
    else:
        decided = points[np.abs(y[:, None] - points[None, :]).argmin(axis=1)]
    right = decided == x
    traces = []
    for name, chosen, colour in (("right", right, charts.COLOURS[0]), ("wrong", ~right, charts.COLOURS[1])):
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{name} ({int(chosen.sum())})",
                "x": np.round(y.real[chosen], 3).tolist(),
                "y": np.round(y.imag[chosen], 3).tolist(),
                "marker": {"size": 3 if len(y) > 300 else 7, "color": colour, "opacity": 0.6},
                "hoverinfo": "skip",
            }
        )
    ideal = {
        "type": "scatter", "mode": "markers", "name": "sent", "x": points.real.tolist(),
        "y": points.imag.tolist(), "marker": {"symbol": "cross-thin-open", "size": 9, "color": "#000"},
    }  # fmt: skip
    limit = float(min(3.0, max(1.3, np.quantile(np.abs(np.concatenate([y.real, y.imag])), 0.99) * 1.05)))
    axis = {"range": [-limit, limit]}
    return {
        "data": [*traces, ideal],
        "layout": charts.layout(
            440,
            width=480,
            xaxis={"title": {"text": "in phase"}, **axis},
            yaxis={"title": {"text": "quadrature"}, "scaleanchor": "x", **axis},
        ),
    }


def positions(one: Sent) -> Figure:
    """Share of wrong bits along the packet."""
    bins = len(one.sent) if len(one.sent) <= SINGLE_BITS else BINS
    edges = np.linspace(0, len(one.sent), bins + 1)
    count, _ = np.histogram(one.wrong, edges)
    share = count / np.maximum(np.diff(edges), 1)
    bars = {
        "type": "bar", "x": edges[:-1].round().tolist(), "y": share.tolist(),
        "marker": {"color": charts.COLOURS[1]}, "hovertemplate": "from bit %{x}: %{y:.3g}<extra></extra>",
    }  # fmt: skip
    return {
        "data": [bars],
        "layout": charts.layout(
            240, xaxis={"title": {"text": "bit of the packet"}}, yaxis={"title": {"text": "share wrong"}}
        ),
    }


def bit_weights(one: Sent) -> Figure:
    """Share of wrong bits by place in the byte: Gray mapping protects some better than others."""
    place = np.arange(len(one.sent)) % 8
    wrong = np.zeros(len(one.sent))
    wrong[one.wrong] = 1
    share = [float(wrong[place == p].mean()) if (place == p).any() else 0.0 for p in range(8)]
    bars = {
        "type": "bar", "x": ["1 (highest)", *map(str, range(2, 8)), "8 (lowest)"], "y": share,
        "marker": {"color": charts.COLOURS[4]}, "hovertemplate": "bit %{x}: %{y:.3g}<extra></extra>",
    }  # fmt: skip
    return {
        "data": [bars],
        "layout": charts.layout(
            240,
            xaxis={"title": {"text": "bit of the byte"}, "type": "category"},
            yaxis={"title": {"text": "share wrong"}},
        ),
    }


def class_scores(content: dict[str, Any]) -> Figure:
    """The classifier's output before and after the channel."""
    traces = []
    for index, (name, scores) in enumerate(content["scores"].items()):
        traces.append(
            {
                "type": "bar",
                "name": name,
                "x": [str(c) for c in range(len(scores))],
                "y": [round(float(s), 3) for s in scores],
                "marker": {"color": ("#BBBBBB", charts.COLOURS[0], charts.COLOURS[1])[index % 3]},
            }
        )
    text = f"class (true {content['label']}, decided {content['decision']})"
    return {
        "data": traces,
        "layout": charts.layout(
            300, xaxis={"title": {"text": text}, "type": "category"}, yaxis={"title": {"text": "logit"}}
        ),
    }


def marked_bits(one: Sent) -> str:
    """The first received bits as HTML, wrong ones marked; the only markup that is made by hand."""
    received, wrong = one.received[:MOST_BITS], (one.sent != one.received)[:MOST_BITS]
    pieces = []
    for start in range(0, len(received), 8):
        for bit, bad in zip(received[start : start + 8], wrong[start : start + 8]):
            text = html.escape(str(int(bit)))
            pieces.append(f"<b>{text}</b>" if bad else text)
        pieces.append(" ")
    return "".join(pieces)


def data_uri(picture: np.ndarray) -> str:
    """A picture uint8[h, w] or [h, w, 3] as a PNG inside the page."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
