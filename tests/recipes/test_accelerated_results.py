"""docs/results/accelerated.md from rows that are made up: what is said of the aims, and what is missing."""

from math import inf
from pathlib import Path

import pytest

from groundwave.bench.rows import Cell, Row, append
from groundwave.metrics import interval
from groundwave.page import png
from groundwave.recipes.accelerated_cells import spread, times
from groundwave.recipes.accelerated_results import SECTIONS, accelerated_results
from groundwave.recipes.cascade_results import pareto, twins


def put(results: Path, protocol: str, method: str, metric: str, value: float, **place: object) -> None:
    told = {"data": "simulated", "n": 9, "hardware": "test", "date": "today", **place}
    append(results / f"{protocol}.jsonl", Row(protocol=protocol, method=method, metric=metric, value=value, **told))  # type: ignore[arg-type]


def fill(results: Path) -> None:
    for seed in (0, 1):
        wobble = 0.001 * seed
        config = {"policy": "whole", "records_per_cell": 7}
        put(results, "early-exit", "backbone alone", "accuracy", 0.60 + wobble, seed=seed, config=config)
        put(results, "early-exit", "backbone alone", "accuracy", 0.60, seed=seed, snr_db=0.0, config=config)
        for policy, accuracy, time in (("T = 0.05", 0.61, 1.1), ("half a point or hopeless", 0.605, 0.4)):
            config = {"policy": policy, "records_per_cell": 7, "after": [0]}
            for snr_db, share, factor in ((None, 0.5, 1.0), (-10.0, 0.1, 1.5), (10.0, 0.9, 0.5)):
                place = {"seed": seed, "snr_db": snr_db, "config": config}
                name = f"V1, {policy}"
                put(results, "early-exit", name, "accuracy", accuracy + wobble, **place)
                put(results, "early-exit", name, "share leaving", share, **place)
                put(results, "early-exit", name, "relative time", factor * time, **place)
            place = {"seed": seed, "config": config}
            put(results, "early-exit", f"V1, {policy}", "relative time, from 6 dB", 0.5 * time, **place)
            put(results, "early-exit", f"V1, {policy}", "relative time in batches", 0.3, **place)
        for method, factor in (("original", 1.0), ("original, INT8", 0.5), ("pruned 27.4 x, INT8", 0.04)):
            for metric, value in (
                ("azimuth error (deg)", 1.5 / factor**0.1),
                ("elevation error (deg)", 1.0),
                ("parameters", 548_451 * factor),
                ("file kB, ONNX", 2200 * factor),
                ("ms, ONNX Runtime", 0.2 * factor),
            ):
                config = {"num_records": 100, "epochs": 3}
                put(results, "aoa-compression", method, metric, value, seed=seed, config=config)
        chosen = ("chosen", 400.0, 0.898, 0.8 / (1 + seed))
        for form, size, accuracy, ms in (("original, PyTorch", 4000.0, 0.9, 4.0), chosen):
            for metric, value in (("accuracy", accuracy), ("file kB", size), ("ms", ms)):
                put(results, "cascade", f"vit: {form}", metric, value, seed=seed)
            put(results, "cascade", f"vit: {form}", "accuracy", 0.5, seed=seed, snr_db=0.0)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("accelerated")
    fill(home / "results")
    pictures = home / "runs" / "pictures"
    pictures.mkdir(parents=True)
    from groundwave.page import new_figure

    for seed in (0, 1):
        (pictures / f"aoa-compression-seed-{seed}.png").write_bytes(png(new_figure()[0]))
    out = accelerated_results(home / "results", home / "runs", home / "page.md")
    assert [path.name for path in (home / "page" / "runs").iterdir()] == ["aoa-compression-seed-0.png"]
    assert {path.name for path in (home / "page").glob("*.png")} >= {"early-exits-time-of-a-record-t-0-05.png"}
    return out.read_text()


def test_it_says_how_near_the_aims_are(page: str) -> None:
    assert "| aim |  | -50 % | -70 % | at most +5 % | at least 0 |" in page
    assert "| V1, half a point or hopeless | PyTorch | -60 ± 0 % ✓ | -80 ± 0 % ✓ | -40 ± 0 % ✓ | +0.5 ± 0.0 ✓ |" in page
    assert "*V1, half a point or hopeless* less *backbone alone*: +0.5 ± 0.0 points, without loss, by all" in page
    assert "Here 50 to 50 % of all records leave at the input" in page
    assert "25.00 ± 0.00 times fewer weights (aim: 27.4, ✗)" in page
    assert "° in elevation (aim: at most 0.47, ✓) more" in page
    assert "learned from 80 records for 3 epochs" in page
    assert "10.00 ± 0.00 times smaller (aim: 8, ✓) and 7.50 ± 31.77 times faster (aim: 5, ✓ on average)" in page
    assert "-0.2 ± 0.0 points on test (aim: -0.5, ✓)" in page


def test_forms_have_their_place_in_a_picture_and_at_each_snr(page: str) -> None:
    assert "cascade-vit-accuracy-and-time-and-the-pareto-front.png" in page
    assert "cascade-vit-accuracy.png" in page
    assert "| vit: chosen | 89.8 | 400 | 0.600 (0.000 to 3.141) |" in page  # and nothing of single SNRs
    by_snr = page.partition("**Accuracy at each SNR**")[2]
    assert "| method | 0 dB |" in by_snr
    assert "| vit: chosen | 50.0 ± 0.0 |" in by_snr


def test_a_form_stands_once_by_snr_although_two_engines_ran_it() -> None:
    methods = ["original, PyTorch", "original, ONNX Runtime", "original, INT8, ONNX Runtime", "chosen"]
    assert twins(methods) == {"original, ONNX Runtime"}


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    rows = []
    for form, ms, accuracy in (("slow", 3.0, 0.9), ("fast", 1.0, 0.8), ("beaten", 2.0, 0.7), ("chosen", 1.0, 0.8)):
        for metric, value in (("ms", ms), ("accuracy", accuracy)):
            place = {"protocol": "cascade", "data": "d", "n": 9, "hardware": "test"}
            rows.append(Row(method=f"vit: {form}", metric=metric, value=value, **place))  # type: ignore[arg-type]
    (axes,) = pareto(rows).axes
    front = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert front.get_xydata().tolist() == [[1.0, 80.0], [3.0, 90.0]]


@pytest.mark.parametrize(
    ("values", "most", "told"),
    [
        ((0.95, 0.97), 1.0, "96.0 (83.3 to 100.0)"),
        ((0.01, 0.05), 1.0, "3.0 (0.0 to 28.4)"),
        ((0.95, 0.97), inf, "96.0 ± 12.7"),
        ((0.5,), 1.0, "50.0"),
    ],
)
def test_no_interval_of_a_share_reaches_beyond_nothing_and_all(
    values: tuple[float, ...], most: float, told: str
) -> None:
    assert spread(Cell(interval(values), len(values)), 100, ".1f", most) == told


def test_what_is_worse_is_called_so() -> None:
    assert times(interval([0.5, 0.5]), "smaller", "larger") == "2.00 times larger"


def test_mixes_are_computed_from_the_times_at_each_snr(page: str) -> None:
    assert "| V1, half a point or hopeless | 40 | 24 | 56 |" in page


def test_every_method_has_its_line_and_the_source_is_quoted(page: str) -> None:
    assert "| V1, T = 0.05 | 50.0 | " in page
    assert "V3 63.12 % (32.1 % leave)" in page
    missing = page.split("## What is missing")[1].split("##")[0].strip().splitlines()
    assert missing[0] == "- No rows yet of `groundwave run cascade models=iq-small`."
    assert missing[1].startswith('- No rows yet of `groundwave run early-exit variants="V1 joint,V1 self-distillation,')


def test_what_has_no_rows_is_named(tmp_path: Path) -> None:
    text = accelerated_results(tmp_path / "none", tmp_path / "runs", tmp_path / "page.md").read_text()
    assert all(f"No rows yet of `groundwave run {name}" in text for name in SECTIONS)
