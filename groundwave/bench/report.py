"""One HTML file that holds everything: text, tables, pictures, times and versions; it asks nothing of a network."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from groundwave.bench.rows import hardware, today, versions
from groundwave.bench.tables import Table, html
from groundwave.data.atomic import write_atomically

CSS = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --paper: #fdfdfc; --line: #d9dee4; --mark: #0072b2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa6b2; --paper: #14181d; --line: #333c46; --mark: #56b4e9 }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .3rem }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--line) }
p { max-width: 44rem; margin: .6rem 0 } .lead, figcaption, caption { color: var(--soft) }
figure { margin: 1.2rem 0; overflow-x: auto }
img { max-width: 100%; height: auto; background: white; border-radius: 6px; padding: 4px }
figcaption, caption { font-size: .88rem; text-align: left; padding: .3rem 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500 } td strong { color: var(--mark) }
caption { caption-side: bottom }
"""


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Args:
        title: the heading.
        text: paragraphs of plain text.
        tables: in order.
        figures: by caption.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


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


def render(title: str, sections: Sequence[Section], lead: str = "") -> str:
    """Return the page; whatever the texts hold is escaped."""
    body = "\n".join(map(_section, sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head>\n"
        f'<body><h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n{body}\n</body></html>\n'
    )


def _section(section: Section) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>"]
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in section.text]
    parts += [f'<div class="wide">{html(table)}</div>' for table in section.tables]
    parts += [_figure(caption, figure) for caption, figure in section.figures.items()]
    return "\n".join([*parts, "</section>"])


def _figure(caption: str, figure: Figure) -> str:
    data = base64.b64encode(png(figure)).decode()
    text = escape(caption, quote=True)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def png(figure: Figure) -> bytes:
    """Return a figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _closing(times: Mapping[str, float]) -> list[Section]:
    total = sum(times.values())
    clock = Table(["step", "seconds"], [[k, f"{v:.1f}"] for k, v in times.items()] + [["total", f"{total:.1f}"]])
    made = Table(["what", "version"], [[name, text] for name, text in versions().items()])
    sections = [Section("Times", tables=[clock])] if times else []
    return [*sections, Section("Versions", [f"Made on {today()}, {hardware()}."], [made])]
