"""The report: one file, nothing fetched, everything escaped."""

import re
from html.parser import HTMLParser
from pathlib import Path

from matplotlib.figure import Figure

from groundwave.bench.report import write_report
from groundwave.page import Section, Table

HOSTILE = "<script>alert(\"x\")</script> & 'quotes'"
VOID = {"meta", "img", "br", "link"}


class Checker(HTMLParser):
    """Collects tags and fails on any that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def written(tmp_path: Path) -> str:
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, 1])
    table = Table([HOSTILE, "b"], [[HOSTILE, HOSTILE]], HOSTILE)
    section = Section(HOSTILE, [HOSTILE], [table], {HOSTILE: figure})
    out = write_report(tmp_path / "new" / "r.html", HOSTILE, [section], lead=HOSTILE, times={HOSTILE: 1.5, "rest": 2.0})
    return out.read_text()


def test_page_is_well_formed_and_escaped(tmp_path: Path) -> None:
    page = written(tmp_path)
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert "script" not in {tag for tag, _ in checker.seen}
    assert page.count("&lt;script&gt;") >= 8


def test_page_asks_nothing_of_a_network(tmp_path: Path) -> None:
    page = written(tmp_path)
    checker = Checker()
    checker.feed(page)
    sources = [value for _, attrs in checker.seen for name, value in attrs.items() if name in ("src", "href")]
    assert len(sources) == 1
    assert sources[0] is not None
    assert sources[0].startswith("data:image/png;base64,")
    assert not re.search(r"https?://|url\(|@import", page)


def test_page_fits_phones_and_dark_rooms_and_tells_times_and_versions(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    assert "3.5" in page  # the total of the times
    assert all(name in page for name in ("torch", "groundwave", "python"))


def test_page_replaces_an_older_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    written(tmp_path)
    again = written(tmp_path)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["r.html"]
    assert (tmp_path / "new" / "r.html").read_text() == again
