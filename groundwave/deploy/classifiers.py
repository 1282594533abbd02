"""What names the class of windows of IQ: a model in PyTorch, or an exported file in ONNX Runtime alone."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from groundwave.contract import InputContract, demanded
from groundwave.deploy.described import AGAIN, described
from groundwave.deploy.export import SUFFIXES, check_packages, start_session
from groundwave.errors import GroundwaveError, ModelError
from groundwave.model import Model
from groundwave.nn.dense import Decoder

IQ = npt.NDArray[np.complex64]
Probabilities = npt.NDArray[np.float32]


class Classifier(Protocol):
    """Names the class of windows.

    Attributes:
        name: what annotations call it.
        classes: names of the probabilities.
        num_samples: length of a window.
        num_antennas: channels of a window.
    """

    name: str
    classes: tuple[str, ...]
    num_samples: int
    num_antennas: int

    def answer(self, iq: IQ) -> Probabilities:
        """Return probabilities `[B, C]` of windows `[B, antenna, time]`, each finite and with some power."""
        ...


def open_classifier(name: str) -> Classifier:
    """Return what a name stands for: an exported file, a packaged model, a model folder.

    Raises:
        ModelError: no head, a head for cells, or a file that does not do as its metadata say.
        DataError: a file whose metadata are missing or of another type.
        ContractError: a model of anything but IQ.
    """
    if Path(name).suffix in SUFFIXES:
        return OnnxClassifier(Path(name))
    return TorchClassifier(Path(name).name, Model.load(name))


class TorchClassifier:
    """A model as it was saved."""

    def __init__(self, name: str, model: Model) -> None:
        contract = demanded(model.contract, InputContract, "to name what is in a stream")
        if model.head is None or isinstance(model.head, Decoder):
            raise ModelError(
                got=f"{name}, which {'has no head' if model.head is None else 'answers for cells'}",
                expected="a model that names the class of a window",
                do="run `groundwave adapt` with a few labels first",
            )
        self.name, self.classes, self._model = name, model.classes, model
        self.num_samples, self.num_antennas = contract.num_samples, contract.num_antennas

    def answer(self, iq: IQ) -> Probabilities:
        """Return probabilities `[B, C]` of windows `[B, antenna, time]`."""
        x = torch.from_numpy(np.ascontiguousarray(iq))
        found: Probabilities = self._model.predict(x[:, 0] if self.num_antennas == 1 else x).numpy()
        return found


class OnnxClassifier:
    """A file that `groundwave export` wrote, by what it says of itself."""

    def __init__(self, path: Path) -> None:
        check_packages()
        try:
            self._session = start_session(path)
            told = described(self._session, path)
        except GroundwaveError:
            raise
        except Exception as error:  # ONNX Runtime has errors of its own for every kind of broken file
            raise ModelError(
                got=f"{path}, which cannot be run ({' '.join(str(error).split())[:200]})",
                expected="a file that `groundwave export` wrote from a model of IQ",
                do=AGAIN,
            ) from error
        self.name, self.classes = path.stem, told.classes
        self.num_antennas, self.num_samples = told.num_antennas, told.num_samples
        self._told = told

    def answer(self, iq: IQ) -> Probabilities:
        """Return probabilities `[B, C]` of windows `[B, antenna, time]`."""
        pairs = np.ascontiguousarray(iq).view(np.float32)  # [B, antenna, 2 * time], I and Q in turns
        if not self._told.interleaved:
            pairs = pairs.reshape(*iq.shape, 2).swapaxes(2, 3).reshape(len(iq), -1, iq.shape[-1])
        parts = np.split(pairs, len(pairs)) if self._told.one_by_one else [pairs]
        name = self._told.input
        found: list[Any] = [self._session.run(None, {name: np.ascontiguousarray(part)})[0] for part in parts]
        answers: Probabilities = np.concatenate(found)
        return answers
