"""Whole audits: of the simulated set with known defects, of the same set put right, and of real recordings."""

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch

from groundwave.audit import CHECKS, Finding, Sample, draw_sample
from groundwave.data.sources import SceneSource
from groundwave.recipes.inputs import open_input
from groundwave.scenes import SCENES


def radioml(version: str, num_samples: int, num: int, seed: int) -> Sample:
    scene = SCENES["radioml"](version=version, num_samples=num_samples, seed=seed)
    return draw_sample(SceneSource(scene, num), most=num, seed=seed)


def findings(sample: Sample, checks: Iterable[str] = CHECKS) -> dict[str, list[Finding]]:
    found = {name: list(CHECKS[name](sample).findings) for name in checks}
    return {name: several for name, several in found.items() if several}


@pytest.mark.parametrize(("num_samples", "num", "seed"), [(128, 4400, 11), (1024, 2640, 12)])
def test_the_published_set_has_the_defects_that_its_critics_found(num_samples: int, num: int, seed: int) -> None:
    found = findings(radioml("as-published", num_samples, num, seed))
    (snr,) = found["snr"]
    assert abs(snr.value - 2) < 0.1
    assert len(snr.about) == 10
    assert [finding.about for finding in found["empty"]] == [["AM-SSB"]]
    (channel,) = found["channel"]
    assert {"AM-DSB", "BPSK", "PAM4"} <= set(channel.about)
    assert "AM-SSB" not in channel.about
    alike = {name for finding in found["course"] for name in finding.about}
    assert "AM-DSB" in alike
    assert alike <= {"AM-DSB", "BPSK", "PAM4", "QAM64"}
    assert not set(found) - {"snr", "empty", "channel", "course", "pairs", "duplicates"}


@pytest.mark.parametrize(("num_samples", "seed"), [(128, 11), (128, 13), (1024, 12)])
def test_nothing_is_found_in_the_set_put_right(num_samples: int, seed: int) -> None:
    assert findings(radioml("fixed", num_samples, 2200, seed)) == {}


def test_the_measured_line_is_the_true_one() -> None:
    scene = SCENES["radioml"](version="as-published", num_samples=1024, seed=3)
    source = SceneSource(scene, 4400)
    record = source[torch.arange(4400)]
    table = CHECKS["snr"](draw_sample(source, most=4400, seed=0)).tables[0]
    for line in table.body:
        rows = (record["label"] == scene.classes.index(line[0])) & (record["snr_db"] >= -2)
        true = np.polyfit(record["snr_db"][rows].double(), record["true_snr_db"][rows].double(), 1)
        # where the cells are that the line is fitted to; the true SNR differs from record to record of a cell
        label = np.array([0.0, 5.0])
        np.testing.assert_allclose(
            float(line[1]) * label + float(line[2]), np.polyval(true, label), atol=1.0, err_msg=line[0]
        )


@pytest.fixture(scope="module")
def ism(shared_data):  # type: ignore[no-untyped-def]
    path = shared_data / "iq" / "ism_433mhz.npz"
    names = {"iq": "iq_u8", "label": "label", "classes": "label_names", "group": "capture_id"}
    return path, draw_sample(open_input(path, **names), most=20_000, seed=0)


def test_real_recordings_are_clipped_and_of_eight_bits(ism) -> None:  # type: ignore[no-untyped-def]
    path, sample = ism
    outcome = CHECKS["levels"](sample)
    (finding,) = outcome.findings
    with np.load(path, allow_pickle=False) as arrays:
        raw = arrays["iq_u8"]
    at_limit = ((raw == 0) | (raw == 255)).mean((1, 2))
    assert abs(finding.value - (at_limit > 0.002).mean()) < 0.02
    assert dict(outcome.tables[0].body)["levels that a record uses (median)"] == "8.0 bits"


def test_nothing_else_is_found_in_real_recordings(ism) -> None:  # type: ignore[no-untyped-def]
    whole = ism[1]
    slow = replace(whole, iq=whole.iq[:, :256])  # what these two find is there in a part of each record, too
    found = findings(slow, ["duplicates", "pairs"]) | findings(whole, CHECKS.keys() - {"duplicates", "pairs"})
    words = {name: [re.sub(r"[\d.]+ ", "", finding.what) for finding in several] for name, several in found.items()}
    assert words == {
        "sanity": ["of records are constant."],
        "levels": ["% of the records are clipped."],
        "duplicates": ["% of the records have a near-duplicate of another group."],
        "pairs": ["The level alone tells pairs of classes apart."],
    }


def test_real_recordings_hold_one_constant_window(ism) -> None:  # type: ignore[no-untyped-def]
    path, sample = ism
    with np.load(path, allow_pickle=False) as arrays:
        flat = arrays["iq_u8"].reshape(len(arrays["iq_u8"]), 2, -1)
    constant = int((np.ptp(flat, axis=2) == 0).all(1).sum())
    assert sample.left_out == {"constant": constant}


def test_real_captures_that_are_copies_of_each_other_are_found(ism) -> None:  # type: ignore[no-untyped-def]
    path, sample = ism
    upm = sample.label == list(sample.classes).index("UPM")
    pair = upm & ((sample.group == 27) | (sample.group == 28))
    small = {key: getattr(sample, key)[pair] for key in ("iq", "label", "snr_db", "group", "index")}
    with np.load(path, allow_pickle=False) as arrays:
        capture, raw = arrays["capture_id"], arrays["iq_u8"]
    equal = (raw[capture == 27] == raw[capture == 28]).all((1, 2))
    assert 8 <= equal.sum() < 16
    rest = {"classes": sample.classes, "sample_rate_hz": 250e3, "num_total": 32, "num_samples": 2048, "left_out": {}}
    outcome = CHECKS["duplicates"](Sample(**small, **rest))
    assert "another group" in outcome.findings[0].what
    assert int(outcome.tables[0].body[1][1]) >= equal.sum()
