"""An audit as text for a terminal, as JSON for a machine, and as a page with pictures."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from textwrap import fill
from typing import Any

from groundwave import __version__
from groundwave.audit import CHECKS
from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.sample import Sample
from groundwave.page import Section, Table, render

WIDTH = 100


def described(sample: Sample) -> str:
    """Return in a sentence what was looked at."""
    classes = f"{len(sample.classes)} class{'es'[: 2 * (len(sample.classes) != 1)]}"
    cut = f" (the first {sample.iq.shape[-1]} looked at)" if sample.iq.shape[-1] < sample.num_samples else ""
    known = sample.snr_db[sample.snr_db.isfinite()]
    snr = f"SNR labels {known.min():g}...{known.max():g} dB" if len(known) else "no SNR labels"
    groups = len(sample.group[sample.group >= 0].unique())
    return (
        f"{sample.num_read} of {sample.num_total} records of {sample.num_samples} samples{cut}, {classes}, {snr}, "
        f"{f'{groups} groups' if groups else 'no groups'}"
    )


def as_text(title: str, sample: Sample, outcomes: Mapping[str, Outcome]) -> str:
    """Return findings first, then what else each check has to say."""
    findings = [(check, finding) for check, outcome in outcomes.items() for finding in outcome.findings]
    count = f"{len(findings)} finding{'s'[: len(findings) != 1]}" if findings else "No findings"
    lines = [f"audit of {title}: {described(sample)}", "", f"{count}.", ""]
    for number, (check, finding) in enumerate(findings, start=1):
        lines += [*_finding(number, check, finding), ""]
    notes = [(check, note) for check, outcome in outcomes.items() for note in outcome.notes]
    if notes:
        lines.append("Also:")
        lines += [
            fill(note, WIDTH, initial_indent=f"  {check:12}", subsequent_indent=" " * 14) for check, note in notes
        ]
    return "\n".join(lines).rstrip()


def _finding(number: int, check: str, finding: Finding) -> list[str]:
    head = f"{number:>2}. [{check}] "
    parts = [("measured", finding.evidence), ("why", finding.why), ("do", finding.do)]
    if finding.about:
        parts.append(("about", names(list(finding.about), 8)))
    return [
        fill(finding.what, WIDTH, initial_indent=head, subsequent_indent="    "),
        *(fill(text, WIDTH, initial_indent=f"    {name:10}", subsequent_indent=" " * 14) for name, text in parts),
    ]


def as_json(title: str, sample: Sample, outcomes: Mapping[str, Outcome], seconds: Mapping[str, float]) -> str:
    """Return everything but the pictures."""
    content = {
        "data": title,
        "groundwave": __version__,
        "num_records": sample.num_total,
        "num_looked_at": sample.num_read,
        "num_samples": sample.num_samples,
        "left_out": sample.left_out,
        "classes": list(sample.classes),
        "num_findings": sum(len(outcome.findings) for outcome in outcomes.values()),
        "checks": {name: _plain(outcome, seconds.get(name)) for name, outcome in outcomes.items()},
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _plain(outcome: Outcome, seconds: float | None) -> dict[str, Any]:
    findings = [
        {name: _number(value) if isinstance(value, float) else value for name, value in asdict(finding).items()}
        for finding in outcome.findings
    ]
    tables = [
        {"header": list(t.header), "body": [list(r) for r in t.body], "caption": t.caption} for t in outcome.tables
    ]
    rounded = None if seconds is None else round(seconds, 2)
    return {"findings": findings, "notes": list(outcome.notes), "tables": tables, "seconds": rounded}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_html(title: str, sample: Sample, outcomes: Mapping[str, Outcome], seconds: Mapping[str, float]) -> str:
    """Return one page: a table of the findings, then each check with its measurements and pictures."""
    findings = [(check, finding) for check, outcome in outcomes.items() for finding in outcome.findings]
    overview = Section(
        f"{len(findings)} finding{'s'[: len(findings) != 1]}" if findings else "No findings",
        [f"{number}. {finding.what} ({check})" for number, (check, finding) in enumerate(findings, start=1)]
        or ["Each check below says what it measured."],
    )
    sections = [_section(check, outcome) for check, outcome in outcomes.items()]
    clock = Table(["check", "seconds"], [[name, f"{value:.1f}"] for name, value in seconds.items()])
    closing = Section("Times", [f"Groundwave {__version__}."], [clock])
    return render(f"Audit of {title}", [overview, *sections, closing], described(sample))


def _section(check: str, outcome: Outcome) -> Section:
    text = []
    for finding in outcome.findings:
        text += [finding.what, f"Measured: {finding.evidence}.", f"Why it matters: {finding.why}", f"Do: {finding.do}"]
        text += [f"About: {names(list(finding.about), 24)}."] if finding.about else []
    purpose = (CHECKS[check].__doc__ or "").splitlines()[0].rstrip(".")
    return Section(
        f"{check}: {purpose[:1].lower()}{purpose[1:]}", [*text, *outcome.notes], outcome.tables, outcome.figures
    )
