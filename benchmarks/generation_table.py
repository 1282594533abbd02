"""The Markdown table of benchmarks/generation.py, from its rows."""

from collections.abc import Sequence
from statistics import median

from generation_jobs import JOBS, Measured

from groundwave.bench.rows import Row

NAMES = {"torchsig": "TorchSig", "sionna": "Sionna", "gnuradio": "GNU Radio", "liquid": "liquid-dsp"}
PEER_JOBS = {"radioml": "all processors", "radioml_one": "one processor"}

HEAD = """# Records per second

{hardware}; {date}; Groundwave {version}. One process and one thread for each program, records of 1024 complex samples;
median of {rounds} rounds (lowest to highest). *Noise draws*: how many times as long as drawing its noise a record
takes. Factors are ours over the peer's median.

| job | Groundwave | noise draws | asked | peers in the same run | reached |
|---|---:|---:|---|---|---|
"""


class Rates:
    """Values of one run by program and job."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def values(self, program: str, job: str) -> list[float]:
        """Return what was measured, a value a round."""
        found = [row.value for row in self._rows if (row.method, row.data) == (program, job)]
        return [value for value in found if value is not None]

    def text(self, program: str, job: str) -> str:
        """Return median and range, or why there is none."""
        values = self.values(program, job)
        if values:
            return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
        failed = [row.failed for row in self._rows if (row.method, row.data) == (program, job)]
        return f"failed: {failed[-1]}" if failed else "not run"

    def version(self, program: str, job: str) -> str:
        """Return a program's version, after a space where it is known."""
        rows = [row for row in self._rows if (row.method, row.data) == (program, job)]
        return f" {rows[0].config['program_version']}".rstrip() if rows else ""

    def middle(self, program: str, job: str) -> float | None:
        """Return the median, None where there is none."""
        values = self.values(program, job)
        return median(values) if values else None


def table(rows: Sequence[Row]) -> str:
    """Return the page: what was asked and reached on one thread, then a GPU's figures where there are some."""
    rates, first = Rates(rows), rows[0]
    done = {row.data for row in rows if row.method == "groundwave"}
    rounds = max(row.seed for row in rows) + 1
    head = HEAD.format(hardware=first.hardware, date=first.date, version=first.version, rounds=rounds)
    lines = [_line(rates, name, measured) for name, measured in JOBS.items() if name in done]
    return head + "\n".join(lines) + "\n" + _gpu(rates, rows)


def _line(rates: Rates, name: str, measured: Measured) -> str:
    middle, peers, met = rates.middle("groundwave", name), [], []
    asked = []
    if measured.least is not None:
        base = rates.middle("groundwave", measured.share_of) if measured.share_of else 1.0
        asked.append(f"{100 * measured.least:.0f} % of the above" if measured.share_of else f"{measured.least:,.0f}")
        if middle and base:
            share = middle / base / measured.least
            met.append(f"{100 * middle / base:.0f} %" if measured.share_of else f"{share:.2g} × asked")
            met[-1] += _mark(share)
    for (peer, job), times in measured.times.items():
        where = f", {PEER_JOBS[job]}" if job in PEER_JOBS else ""
        peers.append(f"{NAMES[peer]}{rates.version(peer, job)}{where}: {rates.text(peer, job)}")
        theirs = rates.middle(peer, job)
        if times is not None:
            asked.append(f"{times:g} × {NAMES[peer]}")
        if middle and theirs:
            met.append(f"{middle / theirs:.1f} × {NAMES[peer]}{where}{_mark(middle / theirs / times) if times else ''}")
    noise = rates.middle("groundwave", "noise")
    draws = f"{noise / middle:.1f}" if noise and middle else ""
    lists = ("<br>".join(cell) for cell in (asked, peers, met))
    cells = (measured.title, rates.text("groundwave", name), draws, *lists)
    return f"| {' | '.join(cells)} |"


def _mark(share: float) -> str:
    return " ✓" if share >= 1 else " ✗"


def _gpu(rates: Rates, rows: Sequence[Row]) -> str:
    done = [row.data for row in rows if row.method == "groundwave, cuda"]
    names = [name for name in JOBS if name in done]
    if not names:
        return ""
    lines = [f"| {JOBS[name].title} | {rates.text('groundwave, cuda', name)} |" for name in names]
    return "\n## On the GPU\n\n| job | Groundwave |\n|---|---:|\n" + "\n".join(lines) + "\n"
