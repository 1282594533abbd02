"""Fake CSI files: Intel 5300 and ESP32 captures bit by bit and letter by letter, NTU-Fi, UT-HAR, spectrum frames."""

import struct
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

CHAINS = 0b100100  # receive chains A, B, C in their own places


def bfee(gains: np.ndarray, clock_us: int, *, antennas: int = CHAINS, **changes: int) -> bytes:
    """Return one record of an Intel 5300: `gains` whole numbers `[receive, transmit, 30]`, written bit after bit."""
    num_receive, num_transmit, _ = gains.shape
    bits = ""
    for subcarrier in range(30):
        bits += "000"
        for receive in range(num_receive):
            for transmit in range(num_transmit):
                value = gains[receive, transmit, subcarrier]
                for part in (int(value.real), int(value.imag)):
                    bits += format(part & 0xFF, "08b")[::-1]  # the least bit comes first
    payload = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    assert len(payload) == (30 * (num_receive * num_transmit * 16 + 3) + 7) // 8
    fields = {"rssi_a": 40, "rssi_b": 38, "rssi_c": 0, "noise": -90, "gain": 35, **changes}
    signal = struct.pack("<BBBbB", *(fields[key] for key in ("rssi_a", "rssi_b", "rssi_c", "noise", "gain")))
    header = struct.pack("<IHHBB", clock_us, 1, 0, num_receive, num_transmit) + signal
    body = b"\xbb" + header + struct.pack("<BHH", antennas, len(payload), 0x1101) + payload
    return struct.pack(">H", len(body)) + body


def whole_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Return complex whole numbers of 8 bits."""
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, shape) + 1j * rng.integers(-128, 128, shape)


def write_intel5300(path: Path, gains: np.ndarray, clocks_us: Sequence[int]) -> Path:
    records = [bfee(packet, clock) for packet, clock in zip(gains, clocks_us, strict=True)]
    path.write_bytes(b"\x00\x05\xc1word".join(records))  # a record of another kind in between
    return path


ESP32_HEADER = (
    "type,role,mac,rssi,rate,sig_mode,mcs,bandwidth,smoothing,not_sounding,aggregation,stbc,fec_coding,sgi,"
    "noise_floor,ampdu_cnt,channel,secondary_channel,local_timestamp,ant,sig_len,rx_state,real_time_set,"
    "real_timestamp,len,CSI_DATA"
)


def esp32_line(csi: np.ndarray, clock_us: int) -> str:
    """Return a line of the ESP32-CSI-Tool; `csi` whole numbers in the chip's order."""
    numbers = " ".join(f"{int(value.imag)} {int(value.real)}" for value in csi)
    before = "CSI_DATA,AP,30:AE:A4:00:00:01,-50,11,1,0,0,1,1,0,0,0,0,-95,0,6,1"
    return f"{before},{clock_us},0,80,0,1,12.5,{2 * len(csi)},[{numbers} ]"


def write_esp32(path: Path, csi: np.ndarray, clocks_us: Sequence[int], *, header: bool = True) -> Path:
    lines = [esp32_line(packet, clock) for packet, clock in zip(csi, clocks_us, strict=True)]
    path.write_text("\n".join([ESP32_HEADER, *lines] if header else lines) + "\n")
    return path


def write_ntu_fi(root: Path, amplitudes: dict[str, np.ndarray]) -> Path:
    """Write one file for each "class/name": `amplitudes` `[3, subcarriers, packets]`."""
    for name, values in amplitudes.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        with np.errstate(divide="ignore"):
            savemat(root / f"{name}.mat", {"CSIamp": 20 * np.log10(values.reshape(-1, values.shape[-1]))})
    return root


def write_mat73(path: Path, **arrays: np.ndarray) -> Path:
    """Write arrays as MATLAB's -v7.3 does: HDF5 behind 512 bytes of its own, columns first."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name] = values.T
    with path.open("r+b") as handle:
        handle.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM")
    return path


def write_ut_har(folder: Path, windows: np.ndarray, labels: np.ndarray, part: str = "train") -> Path:
    """Write `data/X_<part>.csv` and `label/y_<part>.csv`, NumPy arrays both."""
    for kind, name, values in (("data", "X", windows), ("label", "y", labels)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        with (folder / kind / f"{name}_{part}.csv").open("wb") as file:
            np.save(file, values)
    return folder / "data" / f"X_{part}.csv"


def write_frames(folder: Path, spec: np.ndarray, levels: np.ndarray) -> Path:
    """Write a spectrum frame and its labels for each of `[frame, rows, columns]`."""
    folder.mkdir(exist_ok=True)
    for number, (frame, labels) in enumerate(zip(spec, levels, strict=True)):
        savemat(folder / f"LTE_NR_spect_frame_{number}.mat", {"rxSpectrogram": frame})
        savemat(folder / f"LTE_NR_labels_frame_{number}.mat", {"data": labels})
    return folder
