"""One look for all that we show: a page of HTML that holds everything, its tables, and figures without pyplot."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
.wide { overflow-x: auto } .wide + .wide { margin-top: 1.4rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500 } td strong { color: var(--mark) }
caption { caption-side: bottom }
"""
# Okabe and Ito's palette without its yellow, which is too pale for a line, and darker ones for a longer list.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"),
    *("#5B4A9E", "#7F7F7F", "#882255", "#6B4F00", "#1A1A1A"),
)


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; `best` are the cells (row, column) in bold, and the caption says which those are."""

    header: Sequence[str]
    body: Sequence[Sequence[str]]
    caption: str = ""
    best: frozenset[tuple[int, int]] = frozenset()


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
    figures: Mapping[str, "Figure"] = field(default_factory=dict)


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


def _figure(caption: str, figure: "Figure") -> str:
    data = base64.b64encode(png(figure)).decode()
    text = escape(caption, quote=True)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def png(figure: "Figure") -> bytes:
    """Return a figure as a small PNG file, of 256 colours; the same figure gives the same bytes."""
    from PIL import Image  # with it imported above, `groundwave --help` would be slower

    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png")
    Image.open(raw).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def html(table: Table) -> str:
    """Return a table as HTML, everything escaped."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in table.header)
    body = "".join(f"<tr>{_html_line(table, i)}</tr>\n" for i in range(len(table.body)))
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def _html_line(table: Table, i: int) -> str:
    first, *rest = table.body[i]
    cells = [f'<th scope="row">{escape(first)}</th>']
    for j, text in enumerate(rest, start=1):
        inner = f"<strong>{escape(text)}</strong>" if (i, j) in table.best else escape(text)
        cells.append(f"<td>{inner}</td>")
    return "".join(cells)


def new_figure(width: float = 7.2, height: float = 4.2, **grid: Any) -> tuple["Figure", Any]:
    """Return a figure of a size in inches and its axes (`grid` goes to `subplots`)."""
    from matplotlib.figure import Figure

    # A Figure without pyplot: nothing global, no window, and nothing to close.
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
    return figure, figure.subplots(**grid)


def clean(axes: "Axes") -> None:
    """Draw axes without the frame's upper right half."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
