"""From one front-end to another on the command line: a few labels mend what other hardware has broken."""

import re
from pathlib import Path

import pytest

from groundwave.cli import main


def test_a_model_of_one_front_end_is_taken_to_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, front_end in (("one", 0), ("other", 1)):
        words = ["--num", "1200", "--scene.codebook", "sibeam-12", "--scene.front-ends", str(front_end)]
        words += ["--scene.num-samples", "512", "--scene.frames-per-cell", "4"]
        assert main(["generate", "beams", *words, "--out", str(tmp_path / name)]) == 0
    how = ["--objective", "protobeam", "--backbone", "welch", "--epochs", "12", "--lr", "0.005", "--batch-size", "300"]
    run = tmp_path / "run"
    assert main(["pretrain", "--data", str(tmp_path / "one"), *how, "--out", str(run)]) == 0
    capsys.readouterr()
    few = ["--learner", "prototypes", "--shots", "4"]
    words = ["adapt", "--model", str(run / "model"), "--data", str(tmp_path / "other"), *few]
    assert main([*words, "--out", str(tmp_path / "adapted")]) == 0
    told = capsys.readouterr().out
    before, after = (float(x) for x in re.findall(r"macro recall[^:]*: ([\d.]+) %", told))
    assert before < 60 < after
    assert after > before + 20
    assert "with the head before" in (tmp_path / "adapted" / "README.md").read_text()
