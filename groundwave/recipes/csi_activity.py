"""Human activities from channel state information, in rooms, from persons and in sessions that are new."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from groundwave.adapt.discriminant import LDA
from groundwave.bench.domains import Approach, Domains, contest, leave_out
from groundwave.bench.methods import Forest, settings, weights_sha256
from groundwave.contracts import Record
from groundwave.data.sources import SceneSource
from groundwave.data.store import Store
from groundwave.errors import DataError
from groundwave.model import Model
from groundwave.recipes.inputs import read
from groundwave.recipes.place import Place
from groundwave.scenes.csi import CSI
from groundwave.signal.motion import level_profile, motion_statistics

NUM_SIMULATED = 2112
WHERE = ("room", "user")  # columns that tell domains apart


def csi_activity(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/masked"),
    data: Sequence[str] = ("csi",),
    hold_out: Sequence[str] = WHERE,
    only: int | None = None,
    shots: Sequence[int] = (0, 5),
    seeds: Sequence[int] = (0, 1, 2),
    models: Sequence[str] = (),
    smoke: bool = False,
) -> Path:
    """Tell activities in a room, or of a person, or in a session, from which no label was seen, or five per class.

    Learners know all other values of the column that is held out. Labels of the new domain come from half of its
    groups, and the other half is asked. Methods that align count each domain's features from its own mean and spread,
    for which they see its records without labels. Rows hold the accuracy, the recall of each class and, of two methods
    where no label was seen, the share of each class that is taken for another (`sitting as lying`).

    Args:
        results: folder of the file of rows.
        runs: folder of what a rehearsal writes.
        data: stores of CSI with the columns `room` and `user` (`groundwave ingest --format csi-npz --room KEY --user
            KEY`), or `csi`, the simulator.
        hold_out: columns whose values are held out in turn: room, user.
        only: learn from this value alone, such as the first of several sessions.
        shots: labels per class from the new domain.
        seeds: of the labels that it lends.
        models: packaged models or folders of models of CSI, whose frozen features are asked, too.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    sheet = Place(name="csi-activity", results=results, runs=runs, smoke=smoke).sheet()
    for name in data:
        domains, columns = _opened(name, small=smoke)
        ways = [*CLASSICAL, *(way for model in models for way in encoded(model))]
        for what in hold_out:
            if what not in columns:
                continue
            contest(
                ways[:2] if smoke else ways,
                list(leave_out(columns[what], what, only)),
                domains,
                sheet=sheet,
                shots=(0,) if what == "user" else shots,  # a person is one group
                seeds=seeds,
                config={"hold_out": what, "only": only, "records": len(domains.group)},
            )
    return sheet.path


def amplitudes(csi: Tensor) -> Tensor:
    """Return mean and standard deviation over time of every gain's magnitude: what an expert would try first."""
    magnitude = csi.abs()
    return torch.cat([magnitude.mean(dim=-1).flatten(1), magnitude.std(dim=-1).flatten(1)], dim=-1)


def motion_and_levels(csi: Tensor) -> Tensor:
    """Return the statistics of motion and, beside them, what the room looks like at rest."""
    return torch.cat([motion_statistics(csi), level_profile(csi)], dim=-1)


def classical(name: str, look: object, align: bool, confusions: bool = False) -> Approach:
    """Return linear discriminants on features that nothing has learned."""
    assert callable(look)
    config = {"features": getattr(look, "__name__", ""), "align": align, **settings(LDA)}
    return Approach(name, look, lambda _: LDA(), align, config, confusions)


CLASSICAL = (
    classical("motion, aligned", motion_statistics, align=True),
    Approach("amplitudes + forest", amplitudes, Forest, False, {"features": "amplitudes", **settings(Forest)}),
    classical("motion", motion_statistics, align=False),
    classical("motion and levels, aligned", motion_and_levels, align=True, confusions=True),
    classical("motion and levels", motion_and_levels, align=False),
)


def encoded(name: str) -> tuple[Approach, Approach]:
    """Return frozen features of a model, by themselves and beside the statistics of motion, aligned both."""
    model = Model.load(name)
    config = {"weights_sha256": weights_sha256(model)[:12], "align": True, **settings(LDA)}

    def beside(csi: Tensor) -> Tensor:
        return torch.cat([model.embed({"csi": csi}), motion_statistics(csi)], dim=-1)

    return (
        Approach(f"{name}, frozen", lambda csi: model.embed({"csi": csi}), lambda _: LDA(), True, config),
        Approach(f"{name}, frozen + motion", beside, lambda _: LDA(), True, {**config, "features": "motion"}, True),
    )


def _opened(name: str, small: bool) -> tuple[Domains, dict[str, Tensor]]:
    """Return the labelled records of a store or of the simulator, and the columns that have several values."""
    source: SceneSource | Store
    if name == "csi":
        scene = CSI(num_rooms=2, num_users=5)
        if small:
            scene = CSI(classes=scene.classes[:3], num_packets=64, num_rooms=2, num_users=3)
        source = SceneSource(scene, 96 if small else NUM_SIMULATED)
    else:
        source = Store.open(name)
    record = _labelled(read(source, torch.arange(len(source))), name)
    known = {what: record[what] for what in WHERE if what in record and bool((record[what] >= 0).all())}
    columns = {what: values for what, values in known.items() if len(values.unique()) > 1}
    if not columns:
        raise DataError(
            got=f"{name} without several rooms or users",
            expected="a column `room` or `user`, from whose values to hold out",
            do="ingest with --room KEY or --user KEY",
        )
    domain = _numbered(*columns.values())
    domains = Domains(Path(name).name, record, source.classes, _numbered(domain, record["group"]), domain)
    return domains, columns


def _labelled(record: Record, name: str) -> Record:
    if "csi" not in record:
        raise DataError(f"{name} with {', '.join(record)}", "records of CSI", "ingest with --format csi-npz")
    rows = record["label"] >= 0
    return {key: values[rows] for key, values in record.items()}


def _numbered(*columns: Tensor) -> Tensor:
    """Return a number for each combination of values, int64 `[N]`."""
    number: Tensor = torch.stack(columns, dim=1).unique(dim=0, return_inverse=True)[1]
    return number
