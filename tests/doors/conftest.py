"""A small store, a model and an adapted model that the door tests share."""

from pathlib import Path

import pytest

from groundwave.cli import main
from groundwave.model import InputContract, Model

NUM_SAMPLES = 128
BACKBONE = {"dim": 16, "depth": 2}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 120 records of three modulations."""
    out = tmp_path_factory.mktemp("store") / "store"
    settings = [
        "--scene.num-samples",
        str(NUM_SAMPLES),
        "--scene.classes",
        "BPSK",
        "GFSK",
        "AM-DSB",
        "--scene.snrs-db",
        "20",
    ]
    assert main(["generate", "radioml", "--num", "120", "--out", str(out), *settings]) == 0
    return out


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a head; untrained, because the doors are tested and not the weights."""
    contract = InputContract(num_samples=NUM_SAMPLES, min_samples=32, max_samples=256)
    return Model.build("spectrum", contract, BACKBONE).save(tmp_path_factory.mktemp("encoder") / "model")


@pytest.fixture(scope="session")
def adapted(tmp_path_factory: pytest.TempPathFactory, encoder: Path, store: Path) -> Path:
    """A model with a head."""
    out = tmp_path_factory.mktemp("adapted") / "model"
    assert main(["adapt", "--model", str(encoder), "--data", str(store), "--shots", "5", "--out", str(out)]) == 0
    return out
