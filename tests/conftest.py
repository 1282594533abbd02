"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # tests run side by side; more threads each would only fight over the cores


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, or a skip that says how to provide it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GROUNDWAVE_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real recordings absent: no folder {folder} (set GROUNDWAVE_SHARED_DATA to it)")
    return folder
