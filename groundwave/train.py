"""fit(): the one training loop (Lightning inside).

Lightning brings devices, precision, checkpoints, loggers and progress; this file brings what the house promises: the
batches of epoch `e` are a pure function of `e`, every random view is addressed by (seed, step), and so a run that was
interrupted continues from its last epoch exactly as if it had never stopped.
"""

import json
import logging
import math
import pickle
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from groundwave.atomic import write_atomically
from groundwave.contracts import Record
from groundwave.errors import GroundwaveError, OutputExistsError
from groundwave.page import png
from groundwave.rng import generator, stable_hash

Batches = Callable[[int], DataLoader[Record]]
AfterEpoch = Callable[[int, float], None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: AdamW with a linear warm-up and, by default, a cosine decay to zero.

    Args:
        epochs: passes over the batches.
        lr: peak learning rate.
        weight_decay: decay of matrices; vectors (biases, norms, scales) are not decayed.
        warmup: share of all steps spent warming up.
        clip: largest gradient norm.
        precision: Lightning's name of the number format, see `computed_in`.
        decay: `cosine`, or `none` for a constant rate after the warm-up.
    """

    epochs: int = 10
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    clip: float = 1.0
    precision: str = "bf16-mixed"
    decay: str = "cosine"

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("lr", 0 < self.lr < math.inf, "a positive number"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("warmup", 0 <= self.warmup <= 1, "a share of the steps, 0 to 1"),
            ("clip", self.clip > 0, "a positive number"),
            ("decay", self.decay in ("cosine", "none"), "cosine or none"),
        ):
            if not good:
                raise GroundwaveError(f"{name} {getattr(self, name)}", expected, f"change {name}")

    def lasting(self, epochs: int | None) -> "Schedule":
        """Return the same over so many epochs; None leaves its own. Raises `GroundwaveError` for none at all."""
        return self if epochs is None else replace(self, epochs=epochs)


def fit(
    objective: nn.Module,
    batches: Batches,
    *,
    schedule: Schedule,
    out: Path,
    seed: int,
    config: dict[str, Any] | None = None,
    device: str = "auto",
    progress: bool = True,
    after_epoch: AfterEpoch | None = None,
) -> dict[str, float]:
    """Train `objective` and return the scalars of its last epoch.

    Writes `last.ckpt`, `run.json` and `logs/` (`metrics.csv`, TensorBoard events) into `out`, and for an objective that
    has a `picture`, what it makes of always the same records after epochs 1, 2, 4, 8, ... and the last (`pictures/`).
    Called again with the same configuration after an interruption, it resumes; with another one it refuses. What fails
    before its first epoch is done leaves nothing behind.

    Args:
        objective: module whose `forward(record, generator)` returns `{"loss": scalar, ...}`; `picture(record,
            generator)`, where it has one, returns a figure.
        batches: maps an epoch to its batches; each epoch has the same number.
        schedule: how long and how fast.
        out: folder of the run.
        seed: addresses the random views and the initial state of any layer still to be drawn.
        config: what makes this run this run; written to `run.json` and compared on resume.
        device: Lightning's accelerator name.
        progress: whether to draw a progress bar.
        after_epoch: called with an epoch's number and the seconds that its steps took, before its checkpoint is
            written: after an interruption it may be called for that epoch again.

    Raises:
        OutputExistsError: `out` holds a run of another configuration.
        GroundwaveError: the loss is no longer finite, or a file of the run is damaged.
    """
    made = not out.exists()
    begin_run(out, schedule=schedule, seed=seed, config=config)
    if (out / "last.ckpt").exists():
        read_checkpoint(out / "last.ckpt")  # so that a damaged one is told before anything starts
    try:
        return _train(objective, batches, schedule, out, seed, device, progress, after_epoch)
    except Exception:
        if not (out / "last.ckpt").exists():
            _withdraw(out, made)
        raise


def begin_run(out: Path, *, schedule: Schedule, seed: int, config: dict[str, Any] | None = None) -> None:
    """Write into `out` what makes this run this run, unless it stands there; raises as `holds_run` does."""
    if not holds_run(out, schedule=schedule, seed=seed, config=config):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / "run.json", json.dumps(_identity(schedule, seed, config), indent=2).encode())


def holds_run(out: Path, *, schedule: Schedule, seed: int, config: dict[str, Any] | None = None) -> bool:
    """Return whether `out` holds the run that `fit` would make of these settings.

    Raises:
        OutputExistsError: `out` holds another run, or anything else.
        GroundwaveError: its run.json is damaged.
    """
    record = out / "run.json"
    if not record.exists():
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise OutputExistsError(out)
        return False
    try:
        found = json.loads(record.read_text())
    except ValueError as error:
        raise GroundwaveError(
            got=f"{record}, which is damaged ({error})",
            expected="the settings of the run",
            do=f"remove {out} and run the command again",
        ) from error
    if found != _identity(schedule, seed, config):
        raise OutputExistsError(out)
    return True


def _identity(schedule: Schedule, seed: int, config: dict[str, Any] | None) -> Any:
    return json.loads(json.dumps({"seed": seed, "schedule": asdict(schedule), **(config or {})}, default=str))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds, without running code from it; raises `GroundwaveError` for a damaged one."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except (RuntimeError, ValueError, EOFError, LookupError, pickle.UnpicklingError) as error:
        raise GroundwaveError(
            got=f"{path}, which is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
            expected="the checkpoint of the last whole epoch",
            do="remove that file and run the same command again: it starts from the first epoch",
        ) from error


def _withdraw(out: Path, made: bool) -> None:
    """Remove what `fit` has put into `out`, and `out` itself when `fit` made it."""
    for name in ("logs", "pictures"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "run.json").unlink(missing_ok=True)
    if made and not any(out.iterdir()):
        out.rmdir()


def _train(
    objective: nn.Module,
    batches: Batches,
    schedule: Schedule,
    out: Path,
    seed: int,
    device: str,
    progress: bool,
    after_epoch: AfterEpoch | None,
) -> dict[str, float]:
    """Run Lightning's loop from the last checkpoint, where there is one."""
    import lightning as L
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    num_batches = len(batches(0))
    module = _adapter(objective, batches, schedule, seed, schedule.epochs * num_batches, after_epoch)
    checkpoint = out / "last.ckpt"
    with warnings.catch_warnings():
        # Lightning's advice on worker counts and logging intervals; its own deprecations inside its own code.
        warnings.filterwarnings("ignore", module=r"lightning|torch\.utils\.data|tensorboard")
        warnings.filterwarnings("ignore", message=r".*does not have many workers.*|.*Checkpoint directory.*exists.*")
        trainer = L.Trainer(
            accelerator=device,
            devices=1,
            precision=computed_in(schedule.precision, device),
            max_epochs=schedule.epochs,
            gradient_clip_val=schedule.clip,
            logger=[CSVLogger(out, name="", version="logs"), TensorBoardLogger(out, name="", version="logs")],
            callbacks=[
                ModelCheckpoint(dirpath=out, filename="last", enable_version_counter=False),
                *_progress(progress),
                *_pictures(objective, batches, out / "pictures", seed),
            ],
            log_every_n_steps=max(1, min(20, num_batches)),
            reload_dataloaders_every_n_epochs=1,
            enable_model_summary=False,
            enable_progress_bar=progress,
        )
        try:
            trainer.fit(module, ckpt_path=checkpoint if checkpoint.exists() else None, weights_only=True)
        except SystemExit as stop:  # Lightning leaves by this door on Ctrl-C; callers want to know what happened
            raise KeyboardInterrupt from stop
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def computed_in(precision: str, device: str = "auto") -> str:
    """Return the number format that training takes on this machine: bf16-mixed only where that is the faster one.

    With a matrix unit (AMX) a processor multiplies bfloat16 about 4 times as fast as 32 bits, without one about half as
    fast: there bf16-mixed becomes 32-true, which loses nothing. An interrupted run may go on in the other format.
    """
    on_processor = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    flags = processor_flags()
    return "32-true" if on_processor and flags and "amx_bf16" not in flags and precision == "bf16-mixed" else precision


def processor_flags() -> set[str]:
    """Return the names of the processor's instruction sets; none where they are not known (on Linux alone they are)."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((set(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), set())


def _progress(wanted: bool) -> list[Any]:
    from lightning.pytorch.callbacks import RichProgressBar

    return [RichProgressBar(leave=False)] if wanted else []


def _pictures(objective: nn.Module, batches: Batches, folder: Path, seed: int) -> list[Any]:
    """Return a callback that keeps what an objective draws; the run goes on as if nothing had been drawn."""
    if not hasattr(objective, "picture"):
        return []
    from lightning.pytorch.callbacks import LambdaCallback

    def draw(trainer: Any, module: Any) -> None:
        done = trainer.current_epoch + 1
        if done & (done - 1) and done != trainer.max_epochs:
            return
        with torch.random.fork_rng(devices=[]):  # a loader draws from torch's generator
            record = module.transfer_batch_to_device(next(iter(batches(0))), module.device, 0)
        objective.eval()
        figure = objective.picture(record, generator(seed, "picture", device=module.device))  # type: ignore[operator]
        objective.train()
        folder.mkdir(exist_ok=True)
        write_atomically(folder / f"epoch-{done:04}.png", png(figure))

    return [LambdaCallback(on_train_epoch_end=draw)]


def warm_cosine(total_steps: int, warmup: float, decay: str = "cosine") -> Callable[[int], float]:
    """Return the factor on the learning rate at each step: a linear rise, then half a cosine down to zero (or 1)."""
    rise = max(1, round(warmup * total_steps))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        if decay == "none":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total_steps - rise)))

    return factor


def _adapter(
    objective: nn.Module,
    batches: Batches,
    schedule: Schedule,
    seed: int,
    total_steps: int,
    after_epoch: AfterEpoch | None,
) -> Any:
    """Wrap an objective as the LightningModule that Lightning wants."""
    import lightning as L

    class Adapter(L.LightningModule):  # type: ignore[misc]  # Lightning is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.objective = objective

        def train_dataloader(self) -> DataLoader[Record]:
            return batches(self.current_epoch)

        def on_train_epoch_start(self) -> None:
            self._started = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            if after_epoch is not None:
                after_epoch(self.current_epoch, time.perf_counter() - self._started)

        def training_step(self, record: Record, _: int) -> Tensor:
            step_generator = generator(seed, "step", self.global_step, device=self.device)
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(stable_hash(seed, "layers", self.global_step))  # what dropout draws from
                scalars = self.objective(record, step_generator)
            if not torch.isfinite(scalars["loss"]):
                raise GroundwaveError(
                    got=f"a loss of {scalars['loss'].item()} at step {self.global_step}",
                    expected="a finite loss",
                    do="lower the learning rate or train with precision=32-true",
                )
            self.log_dict(scalars, prog_bar=True, batch_size=len(next(iter(record.values()))))
            loss: Tensor = scalars["loss"]
            return loss

        def configure_optimizers(self) -> Any:
            parameters = [p for p in self.objective.parameters() if p.requires_grad]
            groups = [
                {"params": [p for p in parameters if p.dim() > 1], "weight_decay": schedule.weight_decay},
                {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
            ]
            optimizer = torch.optim.AdamW(groups, lr=schedule.lr)
            factor = warm_cosine(total_steps, schedule.warmup, schedule.decay)
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    return Adapter()
