"""What is exported of a model: its door, backbone and head as one function of real numbers, one class a modality."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from groundwave.contract import ArrayContract, CSIContract, InputContract, SpectrogramContract, demanded
from groundwave.contract.csi import normalised
from groundwave.contract.spectrogram import DECIBELS_PER_UNIT as DECIBELS_PER_CELL
from groundwave.contract.spectrogram import FLOOR_QUANTILE
from groundwave.errors import ContractError
from groundwave.model import Model
from groundwave.nn.dense import Decoder
from groundwave.nn.heads import answer
from groundwave.signal.spectrum import frame_spectra, power_db

Layout = Literal["rows", "interleaved"]
Size = tuple[int, int]


class Graph(nn.Module):
    """A network whose input is what a user has: float32 `[batch, rows, columns]`.

    Attributes:
        name: of the input.
        rows: GNU Radio 4's `history_depth`.
        columns: its `input_size`.
        words: what rows and columns are.
        shape: of one complex record, time last: `(antenna, samples)` or `(antenna, subcarrier, packet)`.
        lengths: the least and the most samples that a free length may have; None where it may not be free.
        columns_per_sample: what a sample takes in a row.
    """

    name = "iq"
    rows: int
    columns: int
    words: str
    shape: tuple[int, ...]
    lengths: tuple[int, int] | None = None
    columns_per_sample = 1

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.backbone, self.head = model.backbone, model.head

    @property
    def output(self) -> str:
        """Name of the output."""
        return "features" if self.head is None else getattr(self.head, "output", "probabilities")

    def answer(self, x: Tensor) -> Tensor:
        """Map a network's channels to what its head says of a record, or of each of its cells, or to features."""
        if isinstance(self.head, Decoder):
            tokens, grid = self.backbone.tokens(x), self.backbone.grid(x)  # type: ignore[operator]
            return answer(self.head, self.head(tokens, grid, x.shape[-2:]), dim=1)
        features: Tensor = self.backbone(x)
        return features if self.head is None else answer(self.head, self.head(features))

    @abstractmethod
    def laid_out(self, records: Tensor) -> Tensor:
        """Return complex records `[B, antenna, ...]` as this graph's input."""

    def for_model(self, records: Tensor) -> Tensor:
        """Return complex records as the model takes them."""
        return records


def levelled(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return channels `[B, 2 * antennas, time]` at unit mean power, and the power that they had, `[B, 1, 1]`."""
    power = x.square().mean(dim=(1, 2), keepdim=True) * 2  # of a complex sample: I and Q together
    return x / power.clamp_min(1e-30).sqrt(), power


def where_finite(found: Tensor, power: Tensor) -> Tensor:
    """Return an answer `[B, ...]`, made NaN for the records whose power is not finite.

    Maxima of ONNX Runtime pass over NaN, and would make a class of a broken record.
    """
    return found + (0 * power).reshape(-1, *[1] * (found.dim() - 1))


class _Samples(Graph):
    """A graph of IQ samples, in one of two layouts."""

    def __init__(self, model: Model, num_antennas: int, num_samples: int, layout: Layout) -> None:
        super().__init__(model)
        self.layout, self.shape = layout, (num_antennas, num_samples)
        self.rows, self.columns = 2 * num_antennas, num_samples
        self.words = "rows I and Q of each antenna, oldest sample first"
        if layout == "interleaved":
            self.rows, self.columns, self.columns_per_sample = num_antennas, 2 * num_samples, 2
            self.words = "one row for each antenna, I and Q in turns, oldest sample first"

    def channels(self, iq: Tensor) -> Tensor:
        """Return the input as rows I0, Q0, I1, ... `[batch, 2 * antennas, samples]`."""
        if self.layout == "rows":
            return iq
        pairs: Tensor = iq.unflatten(2, (-1, 2))
        return pairs.transpose(2, 3).flatten(1, 2)

    def laid_out(self, records: Tensor) -> Tensor:
        """Return complex `[B, antenna, time]` as the input."""
        pairs = torch.view_as_real(records.to(torch.complex64))  # [B, antenna, time, 2]
        found: Tensor = pairs.flatten(2) if self.layout == "interleaved" else pairs.transpose(2, 3).flatten(1, 2)
        return found


class IQGraph(_Samples):
    """A model of IQ or of an array: samples at any level are scaled to unit mean power over all antennas first.

    Args:
        model: its networks are shared, not copied.
        num_samples: length of the input; the contract's by default.
        layout: `rows` I and Q, or I and Q `interleaved`.
    """

    def __init__(self, model: Model, num_samples: int | None = None, layout: Layout = "rows") -> None:
        contract = model.contract
        if not isinstance(contract, ArrayContract):
            contract = demanded(contract, InputContract, "to export")
        low, high = contract.min_samples, contract.max_samples
        if num_samples is not None and not low <= num_samples <= high:
            raise ContractError(
                f"num_samples={num_samples}", f"{low} to {high}", "choose a length that the model takes whole"
            )
        super().__init__(model, contract.num_antennas, num_samples or contract.num_samples, layout)
        self.lengths = (low, high)

    def forward(self, iq: Tensor) -> Tensor:
        """Map samples to the answer."""
        x, power = levelled(self.channels(iq))
        return where_finite(self.answer(x), power)


class SpectrogramGraph(_Samples):
    """A model of spectrograms, with the Fourier transform and the levelling inside: its input is IQ.

    Args:
        model: its networks are shared, not copied.
        layout: as `IQGraph`.
    """

    def __init__(self, model: Model, layout: Layout = "rows") -> None:
        contract = demanded(model.contract, SpectrogramContract, "to export")
        transform = contract.transform
        super().__init__(model, contract.num_channels, transform.num_samples, layout)
        self.transform = transform
        starts = torch.arange(transform.num_frames * transform.num_averaged) * transform.hop
        self.places = starts[:, None] + torch.arange(transform.num_freqs)

    def for_model(self, records: Tensor) -> Tensor:
        """Return the spectrograms of complex `[B, antenna, time]`."""
        return self.transform.cells(records)["spec"]

    def forward(self, iq: Tensor) -> Tensor:
        """Map samples to the answer."""
        frames = self.channels(iq)[..., self.places]  # by number: ONNX has no sliding windows
        spectra = frame_spectra(torch.complex(frames[:, 0::2], frames[:, 1::2]), self.transform.window)
        spec = power_db(spectra, self.transform.num_averaged)
        cells = spec.flatten(1)
        place = 1 + round(FLOOR_QUANTILE * (cells.shape[1] - 1))
        # The contract takes the same value by kthvalue, which ONNX does not know.
        floor = cells.topk(place, dim=1, largest=False).values[:, -1]
        found = self.answer((spec - floor[:, None, None, None]) / DECIBELS_PER_CELL)
        return where_finite(found, iq.square().mean(dim=(1, 2)))


class CSIGraph(Graph):
    """A model of channel state information: one row for each packet, as receivers report them.

    One that takes any number of antennas becomes a graph of one.

    Args:
        model: its networks are shared, not copied.
        size: subcarriers and packets.
    """

    name = "csi"

    def __init__(self, model: Model, size: Size) -> None:
        super().__init__(model)
        contract = demanded(model.contract, CSIContract, "to export")
        if size[0] < contract.min_subcarriers or size[1] < contract.min_packets:
            raise ContractError(
                got=f"{size[0]} subcarriers by {size[1]} packets",
                expected=f"at least {contract.min_subcarriers} by {contract.min_packets}",
                do="choose what the model takes",
            )
        self.shape, self.normalisation = (contract.num_antennas, *size), contract.normalisation
        self.rows, self.columns = size[1], 2 * contract.num_antennas * size[0]
        self.words = "one row for each packet, oldest first: antenna by antenna, subcarrier by subcarrier, I and Q"

    def laid_out(self, records: Tensor) -> Tensor:
        """Return complex `[B, antenna, subcarrier, packet]` as the input."""
        return torch.view_as_real(records.to(torch.complex64).permute(0, 3, 1, 2).contiguous()).flatten(2)

    def forward(self, csi: Tensor) -> Tensor:
        """Map gains to the answer."""
        gains = csi.unflatten(2, (*self.shape[:2], 2))
        power = gains.square().sum(dim=-1).permute(0, 2, 3, 1)  # [batch, antenna, subcarrier, packet]
        found = self.answer(normalised(power.clamp_min(1e-30), self.normalisation))
        return where_finite(found, power.mean(dim=(1, 2, 3)))


def _csi(model: Model, num_samples: int | None, size: Size | None, layout: Layout) -> Graph:
    if size is None:
        raise ContractError(
            got="a model of CSI without a size",
            expected="how many subcarriers and packets a record has",
            do="give --size SUBCARRIERS PACKETS, as the model was trained on",
        )
    return CSIGraph(model, size)


# How the graph of each modality is made of a model and what a user may choose.
GRAPHS: Mapping[str, Callable[[Model, int | None, Size | None, Layout], Graph]] = {
    "iq": lambda model, num_samples, size, layout: IQGraph(model, num_samples, layout),
    "spec": lambda model, num_samples, size, layout: SpectrogramGraph(model, layout),
    "csi": _csi,
    "array": lambda model, num_samples, size, layout: IQGraph(model, num_samples, layout),
}
