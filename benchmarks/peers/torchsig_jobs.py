"""TorchSig, asked for records one by one as its data sets make them; run by benchmarks/generation.py.

Its PyPI wheel of torchaudio wants CUDA libraries; without a GPU, removing torchaudio/lib/*.so lets it import.
"""

from importlib.metadata import version

import numpy as np
from stopwatch import Job, serve
from torchsig.datasets.datasets import TorchSigIterableDataset
from torchsig.transforms.impairments import Impairments
from torchsig.utils.defaults import TorchSigDefaults

NUM_SAMPLES, WINDOW = 1024, 64
WARM_UP = 500  # its first records come at another speed


def records(level: int | None) -> Job:
    """Return a job that makes one record of any class, with the impairments of a level or none."""
    defaults = TorchSigDefaults().default_dataset_metadata
    sizes = {"num_iq_samples_dataset": NUM_SAMPLES, "fft_size": WINDOW, "fft_stride": WINDOW}
    durations = {"signal_duration_in_samples_min": 0.8 * NUM_SAMPLES, "signal_duration_in_samples_max": NUM_SAMPLES}
    impairments = None if level is None else Impairments(level)
    data = TorchSigIterableDataset(
        metadata={**defaults, **sizes, **durations},
        transforms=[] if impairments is None else [impairments.dataset_transforms],
        target_labels=[],
    )
    for signal in data.signal_generators:
        signal["transforms"] = [] if impairments is None else [impairments.signal_transforms]
    data.seed(0)
    for _ in range(WARM_UP):
        next(data)

    def job() -> int:
        record = np.asarray(next(data))
        assert record.shape == (NUM_SAMPLES,)
        return 1

    return job


if __name__ == "__main__":
    serve({"waveforms": lambda: records(None), "impaired": lambda: records(2)}, version("torchsig"))
