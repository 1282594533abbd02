"""ESP32 captures: every number comes back; damaged lines are lost packets."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fake import csi as fake

from groundwave.data import open_source
from groundwave.data.ingest import ingest
from groundwave.errors import DataError, GroundwaveError
from groundwave.recipes.inputs import open_input


def esp32_csi(count: int = 24) -> np.ndarray:
    csi = fake.whole_numbers(count, 64)
    csi[:, [0, *range(27, 38)]] = 0  # DC and guards in the chip's order
    return csi


@pytest.mark.parametrize("header", [True, False])
def test_esp32_lines_come_back_in_the_order_of_frequency(tmp_path: Path, header: bool) -> None:
    csi = esp32_csi()
    clocks = [(2**32 - 50_000 + 10_000 * n) % 2**32 for n in range(24)]
    opened = open_source(fake.write_esp32(tmp_path / "x.csv", csi, clocks, header=header), format="esp32")
    wanted = np.concatenate((csi[:, 38:], csi[:, 1:27]), axis=1)  # -26 ... -1, 1 ... 26
    np.testing.assert_array_equal(opened.csi[:, 0], wanted)
    assert opened.packet_rate_hz == pytest.approx(100)
    np.testing.assert_allclose(np.diff(opened.times_s), 0.01)


def test_esp32_damaged_lines_are_lost_packets(tmp_path: Path) -> None:
    csi = esp32_csi()
    lines = [fake.esp32_line(packet, 10_000 * n) for n, packet in enumerate(csi)]
    lines[3] = lines[3][:-40]
    lines[9] = lines[9].replace("[", "[x ")
    lines[14] = "I (305) wifi: " + lines[14][20:]
    lines[20] = lines[20].replace(",128,", ",126,")
    (tmp_path / "x.csv").write_text("\n".join(["boot", fake.ESP32_HEADER, *lines]) + '\nCSI_DATA,"')
    opened = open_source(tmp_path / "x.csv", format="esp32", sample_rate_hz=100.0)
    assert len(opened.csi) == 20
    windows = opened.windows(24)
    assert windows[torch.tensor([0])]["csi"].shape == (1, 1, 52, 24)


def test_espressifs_own_columns_are_found_by_their_names(tmp_path: Path) -> None:
    csi = esp32_csi(3)
    header = "type,seq,mac,local_timestamp,len,first_word,data"
    body = [
        f'CSI_DATA,{n},aa,{n * 1000},128,0,"[{",".join(f"{int(v.imag)},{int(v.real)}" for v in packet)}]"'
        for n, packet in enumerate(csi)
    ]
    (tmp_path / "x.csv").write_text("\n".join([header, *body]))
    opened = open_source(tmp_path / "x.csv", format="esp32")
    np.testing.assert_array_equal(opened.csi[:, 0, 26:], csi[:, 1:27])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", fake.ESP32_HEADER + "\nCSI_DATA,AP\n", "CSI_DATA,[1 2]\n" * 5])
def test_what_is_no_esp32_capture_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(DataError, match="ESP32"):
        open_source(tmp_path / "x.csv", format="esp32")


def test_a_stream_is_told_to_be_cut_before_it_is_used(tmp_path: Path) -> None:
    path = fake.write_esp32(tmp_path / "x.csv", esp32_csi(), range(0, 240_000, 10_000))
    with pytest.raises(GroundwaveError, match=r"groundwave ingest .* --format esp32 --num-samples"):
        open_input(path, format="esp32")
    store = ingest([path], tmp_path / "out", format="esp32", num_samples=8)
    assert (len(store), store.group_names) == (3, ("x",))
