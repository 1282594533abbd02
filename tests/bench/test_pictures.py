"""Pictures hold what they should: axes with units, intervals, labels; the same input gives the same picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from groundwave.bench.pictures import (
    accuracy_against_labels,
    accuracy_against_snr,
    annotated_spectrogram,
    confusion_picture,
    embedding_maps,
    reduced_spectrogram,
)
from groundwave.bench.rows import Row
from groundwave.data.recording import Annotation, Capture, Recording
from groundwave.page import png

CLASSES = [f"class {c}" for c in range(11)]
ROW = Row(protocol="p", method="a", data="d", metric="accuracy", value=0.5, n=10, hardware="test")


def words(figure: Figure) -> set[str]:
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text)}


def recording(iq: np.ndarray, center_hz: float | None = None) -> Recording:
    def samples(start: int, count: int) -> np.ndarray:
        return iq[None, start : start + count].astype(np.complex64)

    return Recording("test", Path("test.cf32"), 1e6, len(iq), 1, samples, (Capture(0, center_hz),))


def test_accuracy_has_a_line_and_a_band_per_method_and_chance() -> None:
    rows = [
        replace(ROW, method=f"method {m}", snr_db=float(snr), episode=e, value=0.1 * m + 0.01 * e)
        for m in range(8)
        for snr in range(-8, 21, 4)
        for e in range(3)
    ]
    figure = accuracy_against_snr(rows, chance=1 / 11)
    (axes,) = figure.axes
    assert len(axes.lines) == 9
    assert len(axes.collections) == 8
    np.testing.assert_allclose(axes.lines[3].get_ydata(), 31.0)
    assert {"SNR in the sampled band (dB)", "accuracy (%)", "method 7", "expected from chance"} <= words(figure)
    assert len({line.get_color() for line in axes.lines}) == 9


def test_accuracy_of_a_single_row_has_no_band_but_is_drawn() -> None:
    figure = accuracy_against_snr([replace(ROW, snr_db=0.0)])
    assert png(figure).startswith(b"\x89PNG")


def test_what_others_report_is_dashed_and_a_single_point_is_a_cross() -> None:
    told = {"theirs": {0.0: 0.5, 10.0: 0.6}, "at one": {4.0: 0.7}}
    (axes,) = accuracy_against_snr([replace(ROW, snr_db=0.0)], published=told).axes
    _, line, point = axes.lines
    assert (line.get_linestyle(), line.get_label()) == ("--", "theirs")
    np.testing.assert_allclose(line.get_ydata(), [50, 60])
    assert point.get_marker() == "x"


def test_accuracy_over_labels_has_a_level_line_for_all_labels() -> None:
    rows = [replace(ROW, shots=n, seed=s, value=0.1 * n) for n in (2, 5) for s in range(3)]
    rows += [replace(ROW, method="all of them", seed=s, value=0.9) for s in range(3)]
    figure = accuracy_against_labels(rows, published={"theirs": {2.0: 0.3, 5.0: 0.4}})
    (axes,) = figure.axes
    ours, theirs, ceiling = axes.lines
    np.testing.assert_allclose(ours.get_ydata(), [20, 50])
    np.testing.assert_allclose(theirs.get_ydata(), [30, 40])
    np.testing.assert_allclose(ceiling.get_ydata(), 90)
    assert {"labels per class and SNR", "2", "5", "all of them", "theirs"} <= words(figure)


def test_confusion_shows_percent_of_the_true_class() -> None:
    matrix = 0.7 * np.eye(11) + 0.3 * np.eye(11)[::-1]
    figure = confusion_picture(matrix, CLASSES)
    assert {"70", "30", "100", "true", "predicted", *CLASSES} <= words(figure)


@pytest.mark.parametrize("method", ["t-SNE", "PCA"])
def test_maps_are_deterministic_and_keep_clusters_together(method: str) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = 20 * np.eye(8)[labels] + draw.standard_normal((60, 8))
    maps = {"before": draw.standard_normal((60, 8)), "after": features}
    figure = embedding_maps(maps, labels, CLASSES[:3], method=method)
    assert png(figure) == png(embedding_maps(maps, labels, CLASSES[:3], method=method))
    points = [collection.get_offsets() for collection in figure.axes[1].collections]
    centres = np.stack([np.mean(p, axis=0) for p in points])
    spread = max(np.linalg.norm(p - c, axis=1).mean() for p, c in zip(points, centres, strict=True))
    assert min(np.linalg.norm(centres[i] - centres[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 3 * spread
    assert {"before", "after", *CLASSES[:3]} <= words(figure)


@pytest.mark.parametrize("count", [100, 5_000, 3_000_000])
def test_spectrogram_is_bounded_and_shows_the_tone_where_it_is(count: int) -> None:
    iq = np.exp(2j * np.pi * 0.25 * np.arange(count))
    picture = reduced_spectrogram(recording(iq, center_hz=100e6), max_columns=300)
    assert picture.level_db.shape[0] == 256
    assert picture.level_db.shape[1] == min(300, max(1, count // 256))
    np.testing.assert_array_equal(picture.level_db.argmax(axis=0), 192)
    np.testing.assert_allclose([picture.low_hz, picture.high_hz], [99.5e6, 100.5e6])


def test_annotated_spectrogram_shows_labels_confidence_and_truth() -> None:
    draw = np.random.default_rng(0)
    iq = draw.standard_normal(400_000) + 1j * draw.standard_normal(400_000)
    found = [Annotation(100_000, 100_000, "QPSK", confidence=0.87), Annotation(300_000, 500, "short")]
    figure = annotated_spectrogram(recording(iq), found, [Annotation(100_000, 100_000, "BPSK")])
    assert {"QPSK\n87 %", "BPSK", "predicted", "truth", "time (s)", "power (dB, relative)"} <= words(figure)
    assert "frequency relative to the carrier (kHz)" in words(figure)
    assert "short" not in words(figure)  # its box is too narrow for a word
    assert png(figure).startswith(b"\x89PNG")
