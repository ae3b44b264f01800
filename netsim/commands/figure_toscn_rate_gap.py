"""`python -m netsim figure toscn-rate-gap`: formula against bits."""

from __future__ import annotations

from rich.table import Table

from netsim import stats
from netsim.commands.figure_request import Request, console, progress
from netsim.figures import toscn_rate_gap as figure
from netsim.figures.toscn_rate_gap_plot import draw


def main(request: Request) -> None:
    """Runs, writes toscn-rate-gap.csv, toscn-rate-gap-snr.csv and .png, prints calibration, gaps, regret."""
    episodes = request.episodes or (2 if request.quick else 15)
    bandwidths = figure.BANDWIDTHS_HZ[:1] if request.quick else figure.BANDWIDTHS_HZ
    with progress(request.name) as advance:
        found = figure.measure(bandwidths, episodes, request.jobs, advance)
    fits = figure.calibrations(100 if request.quick else 1000)
    bins = {b: figure.rate_bins(b, placements=2000 if request.quick else 20_000) for b in (2e6, 3e6, 8e6)}
    low_power = found[figure.Run(3e6, "bit", "equal .85", "link", figure.LOW_POWER_W)]
    accuracy = {
        "0.2 W": figure.accuracy_bins(figure.on_bits(found, bandwidths[-1], "equal .85", "link")),
        "0.2 mW": figure.accuracy_bins(low_power),
    }
    out = request.out
    figure.write_csv(found, out / "toscn-rate-gap.csv")
    figure.write_bins_csv(bins, out / "toscn-rate-gap-snr.csv")
    draw(fits, bins, accuracy, found, out / "toscn-rate-gap.png")
    screen = console(140)
    for name, (_, _, fit) in fits.items():
        screen.print(
            f"{name}: min({fit.cap_bits:.2f}, log2(1 + g / {fit.gap_db:.2f} dB)) bit per data symbol, "
            f"fit error {fit.rms_bits:.3f} bit rms, {fit.worst_bits:.3f} at worst"
        )
    for table in (_rates(bins), _accuracy(accuracy), *(_policies(found, b) for b in bandwidths)):
        screen.print(table)
    screen.print(f"{episodes} episodes of 10 slots; data: {out}/toscn-rate-gap.csv, -snr.csv, .png")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, header_style="bold")
    table.add_column(columns[0])
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _rates(bins: dict[float, list[figure.SnrBin]]) -> Table:
    table = _table("Rate by SNR, bit/s/Hz", "MHz", "SNR [dB]", "share", "Shannon", "goodput", "g_R", "capped")
    for bandwidth, rows in bins.items():
        for b in rows:
            rates = (f"{b.shannon:.2f}", f"{b.measured:.2f}", f"{b.rate_gap:.3f}", f"{b.capped:.2f}")
            where = f"{b.low_db:g} to {b.high_db:g}"
            table.add_row(f"{bandwidth / 1e6:g}", where, f"{100 * b.share:.2f} %", *rates)
    return table


def _accuracy(accuracy: dict[str, list[figure.AccuracyBin]]) -> Table:
    title = "Accuracy on bits (equal shares, eta 0.85) less what was expected from"
    names = ("the paper's curve", "our curve", "our table A(eta, SNR)")
    table = _table(title, "power", "SNR [dB]", "packets", "right on bits", *names)
    for name, rows in accuracy.items():
        for b in rows:
            gaps = (f"{b.right.mean - v:+.3f}" for v in (b.paper, b.fitted, b.table))
            half = (b.right.high - b.right.low) / 2
            where = f"{b.low_db:g} to {b.high_db:g}"
            table.add_row(name, where, str(b.packets), f"{b.right.mean:.3f} ±{half:.3f}", *gaps)
    return table


def _policies(found: dict[figure.Run, figure.Result], bandwidth_hz: float) -> Table:
    title = (
        f"{bandwidth_hz / 1e6:g} MHz: value per slot in the law's world -> on bits (packets); regret on bits"
    )
    table = _table(title, "policy", "the link's own rate, on bits", *figure.LAWS)
    for policy in figure.POLICIES:
        aware = figure.on_bits(found, bandwidth_hz, policy, "link")
        cells = [_value(aware)]
        for law in figure.LAWS:
            formula = found[figure.Run(bandwidth_hz, law, policy, law)]
            bits = figure.on_bits(found, bandwidth_hz, policy, law)
            lost = figure.regret(found, bandwidth_hz, policy, law)
            half = (lost.high - lost.low) / 2
            cells.append(f"{_value(formula)} -> {_value(bits)}\nregret {lost.mean:.1%} ±{half:.1%}")
        table.add_row(policy, *cells)
    taus = [f"{figure.kendall_tau(found, bandwidth_hz, law):+.2f}" for law in figure.LAWS]
    table.add_section()
    table.add_row("Kendall tau of the order", "", *taus)
    return table


def _value(result: figure.Result) -> str:
    return f"{stats.mean_interval(result.values).mean:.2f} ({result.packets:.1f})"
