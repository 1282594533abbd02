"""A page of results in Markdown, part by part, with its pictures in a folder of its name beside it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from groundwave.atomic import write_atomically
from groundwave.bench.rows import Row, latest, read
from groundwave.bench.tables import markdown
from groundwave.page import Table, png
from groundwave.recipes.sources import SOURCES

Choose = Callable[[Row], bool]
COPIES = "runs"  # folder of copied pictures, beside those that are drawn from rows


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Args:
        title: its heading.
        text: Markdown below it.
        tables: by title.
        pictures: by title.
        files: pictures that there are, as PNG, by title.
        level: of the heading.
    """

    title: str
    text: str = ""
    tables: Mapping[str, Table] = field(default_factory=dict)
    pictures: Mapping[str, Figure] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    level: int = 2


def aimed(near: Table | None, text: str = "") -> list[Part]:
    """Return the part that says what was aimed at, where there are rows to say it of."""
    return [Part("What was aimed at", text, {"Aims": near})] if near else []


def missing(open_ends: Iterable[str]) -> list[Part]:
    """Return the part that lists what a page has no rows of, where anything is missing."""
    text = "".join(f"- {words}\n" for words in dict.fromkeys(open_ends))
    return [Part("What is missing", text)] if text else []


def write_page(out: Path, head: str, parts: Sequence[Part]) -> Path:
    """Write a page and, in a folder of its name beside it, its pictures; return the page."""
    pictures = out.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    text = [head]
    for part in parts:
        text += [f"{'#' * part.level} {part.title}\n", *([part.text] if part.text else [])]
        for title, table in part.tables.items():
            text.append(f"**{title}**\n\n{markdown(table)}")
        for title, figure in part.pictures.items():
            file = pictures / f"{_slug(f'{part.title} {title}')}.png"
            write_atomically(file, png(figure))
            text.append(_shown(title, f"{pictures.name}/{file.name}"))
        for title, given in part.files.items():
            (pictures / COPIES).mkdir(exist_ok=True)
            write_atomically(pictures / COPIES / given.name, given.read_bytes())
            text.append(_shown(title, f"{pictures.name}/{COPIES}/{given.name}"))
    write_atomically(out, "\n".join(text).encode())
    return out


def _shown(title: str, path: str) -> str:
    return f"![{title}]({path})\n*{title}*\n"  # GitHub does not show the text of a picture: it stands below


def _slug(text: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
    return "-".join(words)


def current(results: Path, name: str, order: Sequence[str] = ()) -> list[Row]:
    """Return the last row of each cell of a file of rows, `ordered`."""
    return ordered(latest(read(results / f"{name}.jsonl")), order)


def ordered(rows: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """Return rows in the order in which tables and pictures show their methods.

    Args:
        rows: in the order of measurement, which they keep where `order` says nothing.
        order: how names of methods begin, one after another; of several that fit the longest counts, and an empty one
            fits whatever no other does.
    """

    def place(row: Row) -> int:
        fitting = [start for start in order if row.method.startswith(start)]
        return order.index(max(fitting, key=len)) if fitting else len(order)

    return sorted(rows, key=place)


def hung(folders: Sequence[Path], prefix: str) -> dict[str, Path]:
    """Return the pictures whose name begins like that, by what follows; the first folder that has one counts."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"{prefix}-*.png")):
            found.setdefault(path.stem.removeprefix(f"{prefix}-"), path)
    return found


def sources(*names: str) -> Part:
    """Return the papers behind a page, its last part."""
    return Part("Sources", "".join(f"- {SOURCES[name]}\n" for name in names))


def labels(count: int | None) -> Choose:
    """Return what chooses the rows of a number of labels."""
    return lambda row: row.shots == count
