"""How well hidden parts of held-out records are drawn: a pretrained network beside answers without learning."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from groundwave.bench.cells import Cell
from groundwave.bench.contest import Contender, Setting, encoder, run_of
from groundwave.bench.encoders import Pretraining
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.contract.spectrogram import DECIBELS_PER_UNIT
from groundwave.data.split import split_hash
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.msm import MaskedSpectrogramModeling
from groundwave.rng import generator
from groundwave.signal.inpaint import INPAINTERS
from groundwave.train import read_checkpoint

AT_ONCE = 32  # records that are drawn together
METRIC = "error"  # of hidden cells, root mean square over all of them, in decibels

Reconstruction = tuple[Tensor, Tensor, Tensor]
Show = Callable[["Hiding", Reconstruction], None]


@dataclass(frozen=True)
class Hiding:
    """What is hidden of a record.

    Args:
        mask: name in `MASKS`.
        ratio: share of the cells.
    """

    mask: str
    ratio: float

    @property
    def metric(self) -> str:
        """The metric of its rows."""
        return f"{METRIC} {self.mask} {self.ratio:.0%} (dB)"


def redrawn(
    title: str, how: Pretraining, hidings: Sequence[Hiding], setting: Setting, shown: Show = lambda *_: None
) -> None:
    """Fill the cells of a network and of all `INPAINTERS` that have no value yet; pretrains where one is missing.

    Args:
        title: of the network, as it appears in tables.
        how: its pretraining, by masked modelling of spectrograms.
        hidings: what is hidden of the test records, one after another.
        setting: on which data.
        shown: called with what was hidden and the reconstruction of the first test records.
    """
    cells = {hiding: _cells(title, how, hiding, setting) for hiding in hidings}
    missing = {hiding: setting.sheet.missing(some.values()) for hiding, some in cells.items()}
    if not any(missing.values()):
        return
    try:
        model = encoder(Contender(how, ()), setting.plan, setting, "all")
        assert model is not None
        state = objective_state(run_of(how, setting.plan, setting))
    except FAILURES as error:
        setting.sheet.fail([cell for some in missing.values() for cell in some], f"pretraining: {reason(error)}")
        return
    for hiding in [hiding for hiding in hidings if missing[hiding]]:
        start = time.perf_counter()
        objective = drawing(how, model, hiding, state)
        errors = hidden_errors(title, objective, hiding, setting, setting.plan.query, shown)
        proof = {"split": setting.plan.split, "split_hash": split_hash(setting.plan.parts())}
        seconds, n = time.perf_counter() - start, len(setting.plan.query)
        for cell in missing[hiding]:
            setting.sheet.fill(cell, errors[cell.method], n=n, seconds=seconds, **proof)


def _cells(title: str, how: Pretraining, hiding: Hiding, setting: Setting) -> dict[str, Cell]:
    config = {**setting.config, "pretraining": how.config(), "mask": hiding.mask, "ratio": hiding.ratio}
    return {
        name: Cell(method=name, data=setting.data, seed=setting.seed, metric=hiding.metric, config=config)
        for name in (title, *INPAINTERS)
    }


def objective_state(run: Path) -> Mapping[str, Tensor]:
    """Return the weights of the objective of a finished run: the backbone's and those that its model leaves out."""
    state = read_checkpoint(run / "last.ckpt")["state_dict"]
    return {name.removeprefix("objective."): x for name, x in state.items()}


def drawing(how: Pretraining, model: Model, hiding: Hiding, state: Mapping[str, Tensor]) -> MaskedSpectrogramModeling:
    """Return what draws hidden cells: a pretrained model, and the decoder of its run."""
    args = {**how.objective_args, "mask": hiding.mask, "ratio": hiding.ratio}
    objective: nn.Module = lookup(OBJECTIVES, how.objective, "objective")(
        model.backbone, views=(), contract=model.contract, **args
    )
    assert isinstance(objective, MaskedSpectrogramModeling)
    objective.load_state_dict(state)
    return objective.to(next(model.backbone.parameters()).device).eval()


def hidden_errors(
    title: str, objective: MaskedSpectrogramModeling, hiding: Hiding, setting: Setting, rows: Tensor, shown: Show
) -> dict[str, float]:
    """Return the root mean squared error in decibels of hidden cells by method; all of them see the same cells."""
    squares = dict.fromkeys((title, *INPAINTERS), 0.0)
    count = 0.0
    place = next(objective.parameters()).device
    for number, some in enumerate(rows.split(AT_ONCE)):
        record = {name: x.to(place) for name, x in setting.source[some].items()}
        stream = generator(setting.seed, "hiding", hiding.mask, f"{hiding.ratio:g}", number, device=place)
        x, hidden, drawn = objective.reconstruct(record, stream)
        if number == 0:
            shown(hiding, (x[:3].cpu(), hidden[:3].cpu(), drawn[:3].cpu()))
        answers = {title: drawn, **{name: fill(x, hidden) for name, fill in INPAINTERS.items()}}
        for name, answer in answers.items():
            squares[name] += float((answer - x).masked_fill(~hidden, 0).double().square().sum())
        count += float(hidden.sum()) * x.shape[1]
    return {name: DECIBELS_PER_UNIT * (total / count) ** 0.5 for name, total in squares.items()}
