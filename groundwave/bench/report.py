"""One HTML file that holds everything: text, tables, pictures, times and versions; it asks nothing of a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundwave.atomic import write_atomically
from groundwave.bench.rows import hardware, today, versions
from groundwave.page import Section, Table, render


def write_report(
    out: Path, title: str, sections: Sequence[Section], *, lead: str = "", times: Mapping[str, float] | None = None
) -> Path:
    """Write a report, replacing an older one at once or not at all.

    Args:
        out: the file.
        title: heading and window title.
        sections: in order.
        lead: a line below the title.
        times: seconds by step; a table of them closes the report, with versions and hardware.
    """
    page = render(title, [*sections, *_closing(times or {})], lead)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page.encode())
    return out


def _closing(times: Mapping[str, float]) -> list[Section]:
    total = sum(times.values())
    clock = Table(["step", "seconds"], [[k, f"{v:.1f}"] for k, v in times.items()] + [["total", f"{total:.1f}"]])
    made = Table(["what", "version"], [[name, text] for name, text in versions().items()])
    sections = [Section("Times", tables=[clock])] if times else []
    return [*sections, Section("Versions", [f"Made on {today()}, {hardware()}."], [made])]
