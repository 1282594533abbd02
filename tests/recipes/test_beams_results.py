"""docs/results/beams.md from rows that are made up: every table, what is ahead, and what is missing."""

from pathlib import Path

from groundwave.bench.contest import ACCURACY
from groundwave.bench.rows import Row, append
from groundwave.page import new_figure, png
from groundwave.recipes import beams_aims
from groundwave.recipes.beam_exhibits import CALIBRATION, NEXT
from groundwave.recipes.beam_sets import AWAY, HOME
from groundwave.recipes.beams_results import RECIPES, beams_results


def put(results: Path, protocol: str, method: str, metric: str, value: float | None, **place: object) -> None:
    told = {"n": 9, "hardware": "test", "date": "today", **place}
    append(results / f"{protocol}.jsonl", Row(protocol=protocol, method=method, metric=metric, value=value, **told))  # type: ignore[arg-type]


def fill(results: Path) -> None:
    for seed in (0, 1, 2):
        wobble = 0.001 * seed
        for where, lost in ((HOME, 0.0), (AWAY, 0.2)):
            here = {"data": f"beams, {where}", "seed": seed}
            for shots in (2, 8, 32):
                for method, score in (("none", 0.6), ("+ prototype normalisation", 0.7)):
                    told = {**here, "shots": shots}
                    put(results, "protobeam-published", f"ProtoBeam, {method}", ACCURACY, score - lost + wobble, **told)
                put(results, "protobeam", "ours, + transductive", ACCURACY, 0.95 - lost / 2, **here, shots=shots)
            for metric, value in ((CALIBRATION, 0.03), (NEXT, 0.5)):
                put(results, "protobeam", "ours, + test-time normalisation", metric, value, **here, shots=8)
            put(results, "deepbeam-cnn", "DeepBeam CNN", ACCURACY, 0.8 - 3 * lost, **here, shots=0)
            mixed = "DeepBeam CNN, all front-ends mixed"
            put(results, "deepbeam-cnn", mixed, ACCURACY, 0.5, **here, shots=0)
        for site in (1, 2):
            for what in ("from 8 beams", "from position"):
                for method, score in (("ours", 0.6 if site == 1 else 0.4), ("random forest", 0.5)):
                    for labels in (None, 32):
                        told = {"data": f"drives, scenario {site}", "seed": seed, "shots": labels}
                        for top in ("top-1", "top-3"):
                            put(results, "deepsense-beams", f"{method}, {what}", top, score + wobble, **told)


def test_the_page_holds_every_table_and_says_what_is_behind(tmp_path: Path) -> None:
    fill(tmp_path)
    pictures = tmp_path / "runs" / "pictures"
    pictures.mkdir(parents=True)
    (pictures / "protobeam-reliability.png").write_bytes(png(new_figure()[0]))
    page = beams_results(tmp_path, tmp_path / "runs", tmp_path / "beams.md")
    text = page.read_text()
    assert "| ProtoBeam, none | 60.1 ± 0.2 | 60.1 ± 0.2 | 60.1 ± 0.2 |" in text
    assert "- other antenna, 2 labels: *ours, + transductive* is 34.9 ± 0.2 points ahead" in text
    assert "is 35.0 ± 0.0 points ahead of *DeepBeam CNN, all front-ends mixed*" in text
    assert "expected calibration error 3.0 %; 50 % of the mistakes name a beam next to the true one" in text
    assert "ahead in 1 of 2 scenarios; behind in scenario 2 (-10.0 ± 0.0)." in text
    assert "| random forest, from 8 beams | 50.1 ± 0.2 | 50.1 ± 0.2 | **50.1 ± 0.2** |" in text
    assert "![reliability](beams/runs/protobeam-reliability.png)" in text
    assert "Simulated drives: what `groundwave run deepsense-beams` asks about without `data=`." in text
    assert "- No rows yet of `groundwave run angles`.\n" in text
    assert all((tmp_path / "beams" / name).exists() for name in ("runs/protobeam-reliability.png",))


def test_what_has_no_rows_is_named(tmp_path: Path) -> None:
    text = beams_results(tmp_path, tmp_path, tmp_path / "beams.md").read_text()
    assert all(f"`groundwave run {name}`" in text for name in RECIPES)
    put(tmp_path, "protobeam", "ours", ACCURACY, None, failed="no luck", data="beams, other antenna")
    assert "no luck" in beams_results(tmp_path, tmp_path, tmp_path / "beams.md").read_text()


def test_what_some_rows_lack_is_named(tmp_path: Path) -> None:
    for where in (HOME, AWAY):
        for shots in (2, 8, 32):
            here = {"data": f"beams, {where}", "seed": 0, "shots": shots}
            for rung in ("none", "data normalisation", "+ augmentation")[: 3 if where == HOME else 2]:
                put(tmp_path, "protobeam-published", f"ProtoBeam, {rung}", ACCURACY, 0.5, **here)
        for seed in (0, 1, 2):
            here = {"data": f"beams, {where}", "seed": seed}
            put(tmp_path, "deepbeam-cnn", "DeepBeam CNN", ACCURACY, 0.5, shots=0, **here)
            for way in ("linear probe", "fine-tuned"):
                for shots in (2, 8):
                    put(tmp_path, "deepbeam-cnn", f"DeepBeam CNN, {way}", ACCURACY, 0.5, shots=shots, **here)
    put(tmp_path, "angles", "MUSIC", "mean error (deg)", 1.0, data="single", snr_db=0.0)
    text = beams_results(tmp_path, tmp_path, tmp_path / "beams.md").read_text()
    lines = text.split("## What is missing\n")[1].split("## ")[0].split("\n")
    assert [line for line in lines if line] == [
        "- No rows yet of `groundwave run protobeam-published pairs=0`: *ProtoBeam, + augmentation*; "
        "*ProtoBeam, + prototype normalisation*.",
        "- No rows yet of `groundwave run protobeam-published pairs=1,2`.",
        "- No rows yet of `groundwave run protobeam-published setting=published`.",
        "- No rows yet of `groundwave run protobeam`.",
        "- No rows yet of `groundwave run deepbeam-cnn`: *DeepBeam CNN, all front-ends mixed*.",
        "- No rows yet of `groundwave run deepbeam-cnn setting=published`.",
        "- No rows yet of `groundwave run deepsense-beams`.",
        "- No rows yet of `groundwave run angles data=single-uncalibrated,several,several-hard,unseen`.",
    ]


def test_what_is_said_of_the_ladder_comes_from_rows(tmp_path: Path) -> None:
    def page() -> str:
        return beams_results(tmp_path, tmp_path, tmp_path / "beams.md").read_text()

    def climb(rungs: dict[str, float], shots: int = 2, title: str = "ProtoBeam") -> None:
        for where in (HOME, AWAY):
            for rung, score in rungs.items():
                here = {"data": f"beams, {where}", "seed": 0, "shots": shots}
                put(tmp_path, "protobeam-published", f"{title}, {rung}", ACCURACY, score, **here)

    climb({"none": 0.5, "data normalisation": 0.6})
    text = page()
    assert "Of the 4 steps of ProtoBeam 2 have rows here." in text
    step = "*ProtoBeam, data normalisation* is above *ProtoBeam, none* with"
    assert f"{step} 1 of 1 numbers of labels on the same antenna, with 1 of 1 numbers" in text
    assert "whole ladder rises as in the source cannot be told yet" in text
    climb({"+ augmentation": 0.7, "+ prototype normalisation": 0.8})
    assert "The whole ladder rises as in the source in 2 of 2 cases." in page()
    assert "above the one before, on both antennas | with each number of labels | in 6 of 6 cases |" in page()
    assert "at full size 2 have rows" not in page()
    climb({"none": 0.5, "data normalisation": 0.6}, title="ProtoBeam at full size")
    assert "Of the 4 steps of ProtoBeam at full size 2 have rows here." in page()
    climb({"none": 0.5, "data normalisation": 0.4}, shots=8)
    assert "The whole ladder rises as in the source in 2 of 2 cases." in page()  # of 8 labels half is known
    climb({"+ augmentation": 0.7, "+ prototype normalisation": 0.8}, shots=8)
    text = page()
    assert f"{step} 1 of 2 numbers of labels on the same antenna" in text
    assert "The whole ladder rises as in the source in 2 of 4 cases." in text


def test_a_difference_below_half_a_point_is_level(tmp_path: Path) -> None:
    for site, score in ((1, 0.504), (2, 0.506)):
        told = {"data": f"real.npz, scenario {site}", "seed": 0, "shots": None}
        put(tmp_path, "deepsense-beams", "ours, from 8 beams", "top-1", score, **told)
        put(tmp_path, "deepsense-beams", "random forest, from 8 beams", "top-1", 0.5, **told)
    text = beams_results(tmp_path, tmp_path / "runs", tmp_path / "beams.md").read_text()
    assert "ahead in 1 of 2 scenarios; level in scenario 1 (0.4)." in text
    assert "`groundwave run deepsense-beams data=FILE`" in text


def lines_of(results: Path) -> dict[str, list[str]]:
    table = beams_aims.aims(results)
    return {line[0]: list(line[1:]) for line in table.body} if table else {}


def test_each_aim_of_beams_is_beside_what_was_reached(tmp_path: Path) -> None:
    assert beams_aims.aims(tmp_path) is None
    for seed in (0, 1):
        here = {"data": f"beams, {AWAY}", "seed": seed}
        put(tmp_path, "protobeam", beams_aims.COSINE, ACCURACY, 0.7, shots=2, **here)
        put(tmp_path, "protobeam", beams_aims.COSINE, ACCURACY, 0.79 + 0.04 * seed, shots=8, **here)
        put(tmp_path, "protobeam", beams_aims.COSINE, ACCURACY, 0.89, data=f"beams, {HOME}", seed=seed, shots=2)
    here = {"data": f"beams, {AWAY}", "seed": 1}
    put(tmp_path, "protobeam-published", "ProtoBeam, data normalisation", ACCURACY, 0.5, shots=2, **here)
    put(tmp_path, "protobeam-published", "ProtoBeam, none", ACCURACY, 0.4, shots=2, **here)
    lines = lines_of(tmp_path)
    ours = beams_aims.COSINE
    first = f"beams, other antenna, 2 labels: {ours} less ProtoBeam, data normalisation (step 2 of 4)"
    assert lines == {
        first: ["+10 points or more", "20.0 points", "✓ in one run"],
        f"beams, other antenna, 8 labels: {ours}": ["80 % or more", "81.0 ± 25.4 %", "✓ on average"],
        f"beams, same antenna, 2 labels: {ours}": ["90 % or more", "89.0 ± 0.0 %", "✗"],
    }
    put(tmp_path, "deepbeam-cnn", "DeepBeam CNN, all front-ends mixed", ACCURACY, 0.65, shots=0, **here)
    mixed = f"beams, other antenna: {ours}, 8 labels, less DeepBeam CNN, all front-ends mixed"
    assert lines_of(tmp_path)[mixed] == ["+20 points or more", "18.0 points", "✗"]  # seed 1: that of both


def test_each_aim_of_angles_is_beside_what_was_reached(tmp_path: Path) -> None:
    errors = {"MUSIC": 2.0, "MUSIC, calibrated with the labels": 0.3, "Cramér-Rao bound": 0.3}
    for seed in (0, 1):
        for data, snr_db, ours in (("single", -5.0, 1.5), ("single", -10.0, 2.5), ("single", 10.0, 0.48)):
            for method, error in {**errors, beams_aims.OURS: ours}.items():
                place = {"data": data, "snr_db": snr_db, "seed": seed}
                put(tmp_path, "angles", method, "rms error (deg)", error, **place)
        for snr_db, ours in ((-20.0, 0.2), (10.0, 0.9)):
            for method, error in {**errors, beams_aims.OURS: ours}.items():
                place = {"data": "single-uncalibrated", "snr_db": snr_db, "seed": seed}
                put(tmp_path, "angles", method, "rms error (deg)", error, **place)
        for method, error in ((beams_aims.UNSEEN, 1.5), (beams_aims.UNSEEN_FITTED, 1.4)):
            for shots in (4, 32):
                place = {"data": "unseen", "shots": shots, "seed": seed}
                put(tmp_path, "angles", method, "azimuth error (deg)", error, **place)
    assert list(lines_of(tmp_path).values()) == [
        ["0.5 degrees or 1.5 times the bound, or less", "0.48 ± 0.00 degrees, 1.60 ± 0.00 times the bound", "✓"],
        ["below 0", "less at 1 of 2 SNRs; at worst 0.50 ± 0.00 degrees, at -10 dB", "✗"],
        ["below 0", "less at 2 of 2 SNRs; at worst -1.10 ± 0.00 degrees, at 10 dB", "✓"],
        ["2.0 degrees or less", "1.50 ± 0.00 degrees", "✓"],
        ["1.0 degrees or less", "1.50 ± 0.00 degrees", "✗"],
    ]
    told = beams_aims.others_ahead(tmp_path)
    fitted = "One source, an array that nobody has calibrated, rms error (deg): *MUSIC, calibrated with the labels*"
    assert f"{fitted} has less than *beamspace network (ours)* at 10 dB, 1 of 2 SNRs" in told
    assert (
        "ideal array, rms error (deg): *MUSIC* has less than *beamspace network (ours)* at -10 dB, 1 of 3 SNRs" in told
    )
    assert "with 4, 32 shots" in told


def test_each_aim_of_recordings_is_beside_what_was_reached(tmp_path: Path) -> None:
    def add(data: str, shots: int | None, ours: float, forest: float = 0.5) -> None:
        for seed in (0, 1):
            for method, score in ((beams_aims.NETWORK, ours), (beams_aims.FOREST, forest)):
                put(tmp_path, "deepsense-beams", method, "top-1", score, data=data, seed=seed, shots=shots)

    add("drives, scenario 1", None, 0.9)
    assert lines_of(tmp_path) == {}  # simulated
    for site, level in ((1, 0.6), (2, 0.502)):
        for shots, lost in ((None, 0.0), (32, 0.06), (0, 0.07)):
            add(f"real.npz, scenario {site}", shots, level - lost)
    add("real.npz, scenario 3", None, 0.9)  # was never a new one
    told = lines_of(tmp_path)
    assert told["recordings, top-1: ours less random forest"] == [
        "ahead by 0.5 points in every scenario",
        "in 2 of 3; at worst 0.2 ± 0.0 points, scenario 2",
        "✗",
    ]
    assert told["recordings, top-1, a scenario that is new: 32 labels of it less all"] == [
        "-5 points or more",
        "-6.0 ± 0.0 points; 1.0 ± 0.0 more than with none",
        "✗",
    ]
