"""The section on angles: a part for each setting that has rows, in degrees, with the bound in the figure."""

from pathlib import Path

from groundwave.bench.rows import Row, append
from groundwave.bench.tables import markdown
from groundwave.recipes.angles_results import BOUND, angles_part, error_against_snr


def rows() -> list[Row]:
    made = []
    for seed in range(3):
        for snr_db in (0.0, 10.0):
            for method, value in (("MUSIC", 2.0 + seed), (BOUND, 0.5)):
                place = {"protocol": "angles", "data": "single", "seed": seed, "snr_db": snr_db, "n": 9}
                made.append(Row(method=method, metric="rms error (deg)", value=value, **place))  # type: ignore[arg-type]
        place = {"protocol": "angles", "data": "unseen", "seed": seed, "shots": 4, "n": 9}
        made.append(Row(method="ours", metric="azimuth error (deg)", value=1.5, **place))  # type: ignore[arg-type]
    return made


def test_a_part_for_each_setting_that_has_rows(tmp_path: Path) -> None:
    assert list(angles_part(tmp_path)) == []
    for row in rows():
        append(tmp_path / "angles.jsonl", row)
    single, unseen = angles_part(tmp_path)
    assert "| MUSIC | 3.00 ± 2.48 | 3.00 ± 2.48 |" in markdown(single.tables["rms error (deg), by SNR"])
    assert "| ours | 1.50 ± 0.00 |" in markdown(unseen.tables["Mean error of azimuth"])


def test_the_bound_is_in_the_figure() -> None:
    axes = error_against_snr([row for row in rows() if row.data == "single"]).axes[0]
    assert {line.get_label() for line in axes.lines} == {"MUSIC", BOUND}
    assert axes.get_yscale() == "log"


def test_an_error_below_the_bound_is_explained(tmp_path: Path) -> None:
    for snr_db, value in ((0.0, 0.6), (10.0, 0.49)):
        for method, error in (("MUSIC", value), (BOUND, 0.5)):
            place = {"protocol": "angles", "data": "single", "snr_db": snr_db, "n": 120}
            append(tmp_path / "angles.jsonl", Row(method=method, metric="rms error (deg)", value=error, **place))  # type: ignore[arg-type]
    (single,) = angles_part(tmp_path)
    assert "At 10 dB the error of *MUSIC* lies below the bound, by 2.0 % at most" in single.text
    assert "120 records" in single.text
