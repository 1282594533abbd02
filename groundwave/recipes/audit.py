"""An audit of whatever a user names: a store, windows, a recording, or a scene; to the terminal and to files."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from groundwave.atomic import write_atomically
from groundwave.audit import CHECKS, draw_sample
from groundwave.audit.report import as_html, as_json, as_text
from groundwave.data.cut import RecordingWindows
from groundwave.data.recording import Recording
from groundwave.data.sources import SceneSource
from groundwave.errors import GroundwaveError, lookup
from groundwave.recipes.inputs import open_input
from groundwave.scenes import SCENES

Progress = Callable[[int, int], None]


def audit(
    data: str,
    *,
    out: Path,
    num: int,
    window: int,
    seed: int,
    options: Mapping[str, Any],
    scene: Mapping[str, Any],
    progress: Progress | None = None,
) -> tuple[str, int]:
    """Run all checks; write OUT/audit.json and OUT/audit.html, replacing older ones.

    Args:
        data: a path, or a name in `SCENES`.
        out: folder of the report.
        num: most records to look at; of a scene, how many to draw.
        window: length of the windows that a recording is cut into.
        seed: of a scene, and of which records are looked at.
        options: of the reader, by name; None is left out.
        scene: settings of the scene.
        progress: told work done and to do.

    Returns:
        The findings in words, and how many there are.
    """
    if num < 1:
        raise GroundwaveError(f"--num {num}", "at least 1 record", "raise it")
    source, title = _source(data, num, window, seed, options, scene)
    steps = len(CHECKS) + 4  # reading counts as much as four checks
    sample = draw_sample(
        source, most=num, seed=seed, progress=progress and (lambda done, total: progress(4 * done // total, steps))
    )
    outcomes, seconds = {}, {}
    for number, (name, check) in enumerate(CHECKS.items()):
        started = time.perf_counter()
        outcomes[name] = check(sample)
        seconds[name] = time.perf_counter() - started
        if progress:
            progress(number + 5, steps)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "audit.json", as_json(title, sample, outcomes, seconds).encode())
    write_atomically(out / "audit.html", as_html(title, sample, outcomes, seconds).encode())
    return as_text(title, sample, outcomes), sum(len(outcome.findings) for outcome in outcomes.values())


def _source(
    data: str, num: int, window: int, seed: int, options: Mapping[str, Any], scene: Mapping[str, Any]
) -> tuple[Any, str]:
    if not Path(data).exists():
        made: Any = lookup(SCENES, data, "data (neither a path nor a scene)")
        settings = ", ".join(f"{name}={value}" for name, value in scene.items() if name == "version")
        return SceneSource(made(**scene, seed=seed), num), f"{data} ({settings})" if settings else data
    source = open_input(data, **options)
    return RecordingWindows(source, window) if isinstance(source, Recording) else source, Path(data).name
