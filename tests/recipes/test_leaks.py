"""No recipe pretrains on what it asks: seen from the outside, by what is handed to pretrain() and to the learners.

The plans' own guard is switched off here, so that this test stands by itself; one test shows that it would catch the
same leak, and that the guard does.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.bench import antennas, contest, domains, encoders, labels, plans, reconstruction, semantic, tuning
from groundwave.bench.encoders import Hidden
from groundwave.bench.plans import Plan
from groundwave.bench.rows import read
from groundwave.errors import SplitError
from groundwave.model import InputContract, Model
from groundwave.pretrain import OBJECTIVES
from groundwave.recipes import (
    RECIPES,
    ablations,
    angles,
    aoa_compression,
    cascade,
    compress_parts,
    contrastive,
    csi_activity,
    deepbeam_cnn,
    deepsense_beams,
    early_exit,
    fewshot,
    fidelity,
    forecasting,
    label_efficiency,
    lsm_ours,
    lsm_published,
    msm,
    multimodal,
    protobeam,
    protobeam_published,
    segmentation,
    semantic_communication,
    spectrogram_sets,
    unseen_angles,
)

Recipe = Callable[..., Any]
# Few contenders, one of each kind: all of them go through the same pretrain().
PANELS: Mapping[str, tuple[Recipe, dict[str, Any]]] = {
    "ablations": (ablations.ablations, {}),
    "angles": (angles.angles, {"data": ("single", "several", "unseen")}),
    "aoa-compression": (aoa_compression.aoa_compression, {}),
    "cascade": (cascade.cascade, {}),
    "contrastive": (contrastive.contrastive, {"methods": ("lsm", "lsm-published", "sclbss", "cumulants"), "draws": 2}),
    "csi-activity": (csi_activity.csi_activity, {}),
    "deepbeam-cnn": (deepbeam_cnn.deepbeam_cnn, {}),
    "deepsense-beams": (deepsense_beams.deepsense_beams, {}),
    "early-exit": (early_exit.early_exit, {}),
    "fewshot": (fewshot.fewshot, {"methods": ("lsm", "lsm-published", "protonet", "cumulants")}),
    "transfer": (fewshot.transfer, {"methods": ("lsm", "cnn2")}),
    "label-efficiency": (label_efficiency.label_efficiency, {"methods": ("lsm", "cumulants"), "ceiling": ("conv4",)}),
    "fidelity": (fidelity.fidelity, {"networks": ("vtcnn2",)}),
    "lsm": (lsm_ours.lsm, {}),
    "lsm-published": (lsm_published.lsm_published, {}),
    "semantic-communication": (
        semantic_communication.semantic_communication,
        {"methods": ("supervised", "ours", "separate")},  # a new class: tests/bench/test_semantic.py
    ),
    "segmentation": (segmentation.segmentation, {"methods": ("frozen", "scratch")}),
    "forecasting": (forecasting.forecasting, {"methods": ("vit-frozen", "persistence")}),
    "msm-vit": (msm.msm_vit, {"masks": ("random",)}),
    "msm-convlstm": (msm.msm_convlstm, {"masks": ("random",)}),
    "multimodal-vit": (multimodal.multimodal_vit, {}),
    "protobeam": (protobeam.protobeam, {}),
    "protobeam-published": (protobeam_published.protobeam_published, {}),
}

SAME_CLASSES = ("deepbeam-cnn", "protobeam", "protobeam-published")  # of which antennas are new, not classes


class Watch:
    """What was handed over: groups of the data set, rows pretrained on, rows with labels, rows asked."""

    def __init__(self) -> None:
        self.plans: list[tuple[Plan, Tensor]] = []
        self.seen: list[tuple[Plan, Tensor, Tensor]] = []
        self.answered: list[tuple[Plan, Tensor, Tensor]] = []

    @property
    def plan(self) -> Plan:
        return self.plans[-1][0]

    @property
    def groups(self) -> Tensor:
        return self.plans[-1][1]

    def check(self, plan: Plan, groups: Tensor) -> Plan:
        """Stand in for the guard: note the plan and let everything pass."""
        self.plans.append((plan, groups))
        return plan

    def pretrain(self, source: Hidden, *, indices: Tensor, contract: InputContract, **given: Any) -> Model:
        """Stand in for pretrain(): note what it is handed, and return random weights."""
        record = source[indices]
        self.seen.append((self.plan, record["index"], record["label"]))
        return Model.build(given["backbone"], contract, dict(given["backbone_args"]), others=given["others"])

    def drawing(self, how: Any, model: Any, hiding: Any, _: Any) -> Any:
        """Stand in for what draws hidden cells: there is no run whose decoder it could have."""
        return OBJECTIVES[how.objective](model.backbone, views=(), contract=model.contract, **how.objective_args)

    def errors(self, *given: Any) -> Any:
        """Note which records are drawn, without any labels."""
        rows = given[4]
        self.answered.append((self.plan, rows[:0], rows))
        return self._errors(*given)

    def score(self, record: Any, drawn: Any, methods: Any) -> Any:
        for support, query in drawn.values():
            self.answered.append((self.plan, record["index"][support], record["index"][query]))
        return self._score(record, drawn, methods)

    def answer(self, method: Any, count: Any, cells: Any, query: Any, setting: Any) -> None:
        learner = method.learner

        def watched(seed: int) -> Any:
            made = learner(seed)
            fit = made.fit

            def noted(support: Any) -> Any:
                self.answered.append((self.plan, support["index"], query["index"]))
                return fit(support)

            made.fit = noted
            return made

        self._answer(encoders.replace(method, learner=watched), count, cells, query, setting)

    def compete(self, approaches: Any, *given: Any, **settings: Any) -> None:
        """Note what each approach learns from and what it is asked in a domain that is new."""

        def watched(make: Any) -> Any:
            def noting(seed: int) -> Any:
                made, known = make(seed), []
                fit, predict = made.fit, made.predict

                def fitted(support: Any) -> Any:
                    known.append(support["index"])
                    return fit(support)

                def asked(query: Any) -> Any:
                    self.answered.append((self.plan, known[-1], query["index"]))
                    return predict(query)

                made.fit, made.predict = fitted, asked
                return made

            return noting

        self._compete([encoders.replace(one, learner=watched(one.learner)) for one in approaches], *given, **settings)

    def tune(self, *given: Any, **settings: Any) -> Any:
        """Note what is labelled, and what chooses the epoch, as asked."""
        indices = given[3]
        self.answered.append((self.plan, indices, settings["validation"]))
        return self._tune(*given, **settings)

    def tally(self, answer: Any, task: Any, setting: Any, rows: Tensor) -> Any:
        """Note what is asked with the labels of the last tuning."""
        support = self.answered[-1][1] if self.answered else rows[:0]
        self.answered.append((self.plan, support, rows))
        return self._tally(answer, task, setting, rows)

    def loader(self, source: Any, rows: Tensor, **given: Any) -> Any:
        """Note what stage one of semantic communication is handed."""
        record = source[rows]
        self.seen.append((self.plan, record["index"], record["label"]))
        return self._loader(source, rows, **given)

    def second_stage(self, *given: Any, **settings: Any) -> Any:
        """Note what lends labels across the air; the accuracy is asked in there."""
        self.lent = given[3]
        return self._second_stage(*given, **settings)

    def asked(self, system: Any, setting: Any, *given: Any) -> float:
        """Note what a server is asked."""
        self.answered.append((self.plan, self.lent, setting.plan.query))
        return self._asked(system, setting, *given)

    def parts_of(self, model: Any, source: Any, plan: Plan) -> Any:
        """Note which records a network that is compressed learns from, and which it is asked, by their channels."""
        parts = self._parts_of(model, source, plan)
        rows = {name: self._found(model, source, part.x) for name, part in parts.items()}
        self.answered.append((self.plan, rows["train"], rows["test"]))
        return parts

    @staticmethod
    def _found(model: Any, source: Any, x: Tensor) -> Tensor:
        """Return the rows of a source whose channels these are."""
        everything = torch.arange(len(source))
        channels = model.contract.channels(model.contract.prepare(source[everything])).flatten(1)
        return torch.cat([(channels == row.flatten()).all(dim=1).nonzero()[:, 0] for row in x])

    def unadapted(self, model: Any, cell: Any, setting: Any) -> None:
        """Note which records a model is asked as it is, without any labels."""
        self.answered.append((self.plan, setting.plan.query[:0], setting.plan.query))

    def scored(self, guesser: Any, seed: int, known: Any, asked: Any) -> Any:
        """Note which records a guesser of beams may know, those of other sites among them, and which it is asked."""
        self.answered.append((self.plan, known["index"], asked["index"]))
        return self._scored(guesser, seed, known, asked)

    def trained(self, source: Any, **given: Any) -> Model:
        """Stand in for pretrain() where a head is asked afterwards: note what it is handed; weights are random."""
        model = self.pretrain(source, **given)
        make, settings = OBJECTIVES[given["objective"]], given["objective_args"]
        told = {"contract": given["contract"]} if given["objective"] != "protonet" else {}
        finished: Model = make(model.backbone, views=(), **told, **settings).finished(model, {}, ())
        return finished

    def compared(self, finders: Any, records: Any, **given: Any) -> None:
        """Note which records direction finders are asked."""
        for record in records.values():
            self.answered.append((self.plan, self.plan.support, record["group"]))
        self._compared(finders, records, **given)

    def episode(self, *given: Any) -> Tensor:
        """Note which records lend labels of new angles, and which are asked with them."""
        rows: Tensor = self._episode(*given)
        self.answered.append((self.plan, rows[:, :2].flatten(), rows[:, 2:].flatten()))
        return rows

    def side(self, bench: Any, rows: Tensor) -> Any:
        """Note which records of directions are learned from, first, and which are asked, second."""
        self._sides.append(rows)
        if len(self._sides) == 2:
            self.answered.append((self.plan, *self._sides))
        return self._side(bench, rows)

    def leaks(self) -> list[str]:
        """Return every way in which something was seen that must not have been."""
        found = []
        groups = dict((id(plan), groups) for plan, groups in self.plans)
        for plan, rows, _ in self.seen:
            of = groups[id(plan)]
            asked = torch.cat([rows[:0], *(query for asker, _, query in self.answered if asker is plan)])
            labelled = torch.cat([rows[:0], *(support for asker, support, _ in self.answered if asker is plan)])
            if torch.isin(of[asked], of[rows]).any():
                found.append("pretrained on a group of the queries")
            if torch.isin(of[plan.validation], of[rows]).any():
                found.append("pretrained on a group of the validation records")
            if not plan.support_seen and torch.isin(labelled, rows).any():
                found.append("pretrained on a labelled record")
        for plan, support, query in self.answered:
            of = groups[id(plan)]
            if torch.isin(of[query], of[support]).any():
                found.append("labelled a group of the queries")
            if torch.isin(of[plan.validation], of[support]).any():
                found.append("labelled a group of the validation records")
        return found


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    watch._score, watch._answer = contest.score, labels._answer  # type: ignore[attr-defined]
    watch._tune, watch._tally = tuning.tune, tuning.tally  # type: ignore[attr-defined]
    watch._errors = reconstruction.hidden_errors  # type: ignore[attr-defined]
    watch._compete = domains.contest  # type: ignore[attr-defined]
    watch._loader, watch._asked = semantic.loader, semantic.asked  # type: ignore[attr-defined]
    watch._second_stage = semantic.second_stage  # type: ignore[attr-defined]
    monkeypatch.setattr(contest, "check_plan", watch.check)
    for name in ("loader", "second_stage", "asked"):
        monkeypatch.setattr(semantic, name, getattr(watch, name))
    monkeypatch.setattr(domains, "check_plan", watch.check)
    monkeypatch.setattr(antennas, "_answer_unadapted", watch.unadapted)
    watch._scored = deepsense_beams.scored  # type: ignore[attr-defined]
    monkeypatch.setattr(deepsense_beams, "check_plan", watch.check)
    monkeypatch.setattr(deepsense_beams, "scored", watch.scored)
    monkeypatch.setattr(csi_activity, "contest", watch.compete)
    watch._parts_of, watch._side, watch._sides = compress_parts.parts_of, aoa_compression._Bench._side, []  # type: ignore[attr-defined]
    monkeypatch.setattr(compress_parts, "check_plan", watch.check)
    for recipe in (cascade, early_exit):
        monkeypatch.setattr(recipe, "parts_of", watch.parts_of)
    monkeypatch.setattr(aoa_compression._Bench, "_side", lambda bench, rows: watch.side(bench, rows))
    watch._compared, watch._episode = angles.compare, unseen_angles._episode  # type: ignore[attr-defined]
    for part in (angles, unseen_angles):
        monkeypatch.setattr(part, "check_plan", watch.check)
        monkeypatch.setattr(part, "pretrain", watch.trained)
    monkeypatch.setattr(angles, "compare", watch.compared)
    monkeypatch.setattr(unseen_angles, "_episode", watch.episode)
    monkeypatch.setattr(encoders, "pretrain", watch.pretrain)
    monkeypatch.setattr(contest, "score", watch.score)
    monkeypatch.setattr(labels, "_answer", watch.answer)
    monkeypatch.setattr(tuning, "tune", watch.tune)
    monkeypatch.setattr(tuning, "tally", watch.tally)
    monkeypatch.setattr(reconstruction, "hidden_errors", watch.errors)
    monkeypatch.setattr(reconstruction, "objective_state", lambda run: {})
    monkeypatch.setattr(reconstruction, "drawing", watch.drawing)
    return watch


def test_every_recipe_is_watched() -> None:
    assert PANELS.keys() == RECIPES.keys()


@pytest.mark.parametrize("name", PANELS)
def test_nothing_that_is_asked_was_seen(name: str, watch: Watch, tmp_path: Path) -> None:
    recipe, settings = PANELS[name]
    recipe(tmp_path, runs=tmp_path / "runs", smoke=True, **settings)
    assert watch.leaks() == []
    assert watch.answered
    assert watch.seen or name in (
        "fidelity",
        "csi-activity",
        "early-exit",
        "aoa-compression",
        "cascade",
        "deepsense-beams",
    )
    for plan, rows, told in watch.seen:
        assert rows.equal(plan.pretraining)
        if (told >= 0).any():  # methods with labels learn the base classes, and never hear of a new one
            assert told.unique().tolist() == list(range(len(plan.known)))
            if name not in SAME_CLASSES:
                assert not set(plan.known) & set(plan.classes)


def leaking(split: Recipe, seen: str, asked: str) -> Recipe:
    """Return a split that puts one record beside another of its group, on the other side."""

    def dealt(source: Any, fractions: Any, **given: Any) -> dict[str, Tensor]:
        parts = split(source, fractions, **given)
        group = source.groups[parts[asked]]
        torn = parts[asked][group == group.mode().values][:1]
        parts[asked] = parts[asked][parts[asked] != torn]
        return {**parts, seen: torch.cat([parts[seen], torn]).sort().values}

    return dealt


PLANTED = [
    ("contrastive", contrastive, "train", "test", "pretrained on a group of the queries"),
    ("contrastive", contrastive, "train", "validation", "pretrained on a group of the validation records"),
    ("label-efficiency", label_efficiency, "train", "test", "labelled a group of the queries"),
    ("fewshot", fewshot, "support", "query", "labelled a group of the queries"),
]


@pytest.mark.parametrize(("name", "module", "seen", "asked", "leak"), PLANTED)
def test_a_planted_leak_is_found(
    name: str,
    module: Any,
    seen: str,
    asked: str,
    leak: str,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "split_cells", leaking(plans.split_cells, seen, asked))
    recipe, settings = PANELS[name]
    if name == "fewshot":  # so many shots that the one record is among the labelled
        monkeypatch.setattr(contest, "episodes", everything)
    recipe(tmp_path, runs=tmp_path / "runs", smoke=True, **settings)
    assert leak in watch.leaks()


def everything(label: Tensor, groups: Any, *, support_pool: Tensor, query_pool: Tensor, **_: Any) -> Any:
    """Return one episode of all there is."""
    return [(support_pool, query_pool)] * 2


@pytest.mark.parametrize(("name", "module", "seen", "asked", "leak"), PLANTED)
def test_the_guard_refuses_the_same_leak(
    name: str, module: Any, seen: str, asked: str, leak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "split_cells", leaking(plans.split_cells, seen, asked))
    with pytest.raises(SplitError, match="records of groups that"):
        PANELS[name][0](tmp_path, runs=tmp_path / "runs", smoke=True, **PANELS[name][1])
    assert not list(tmp_path.rglob("model.safetensors"))


def test_pretraining_on_the_labelled_records_is_found_and_refused(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_of_it(data: Any, seed: int, **_: Any) -> Any:
        plan, config = contrastive.plan(data, seed)
        return encoders.replace(plan, pretraining=torch.cat([plan.pretraining, plan.support])), config

    monkeypatch.setattr(contrastive, "partial", lambda *_, **__: all_of_it)
    contrastive.contrastive(tmp_path, runs=tmp_path / "runs", smoke=True, methods=("lsm",))
    assert set(watch.leaks()) == {"pretrained on a labelled record"}
    monkeypatch.setattr(contest, "check_plan", plans.check_plan)
    with pytest.raises(SplitError, match="support records of groups that pretraining holds"):
        contrastive.contrastive(tmp_path, runs=tmp_path / "runs", smoke=True, methods=("lsm",))


@pytest.mark.parametrize(
    ("seen", "asked", "leak"),
    [
        ("pool", "test", "pretrained on a group of the queries"),
        ("pool", "validation", "pretrained on a group of the validation records"),
        ("train", "test", "labelled a group of the queries"),
    ],
)
def test_a_spectrogram_on_two_sides_is_found_and_refused(
    seen: str, asked: str, leak: str, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = spectrogram_sets.split

    def doubled(*given: Any, **settings: Any) -> dict[str, Tensor]:
        parts = split(*given, **settings)
        return {**parts, seen: torch.cat([parts[seen], parts[asked][:1]])}

    monkeypatch.setattr(spectrogram_sets, "split", doubled)
    recipe, settings = PANELS["forecasting"]  # which takes all labels
    recipe(tmp_path, runs=tmp_path / "runs", smoke=True, **settings)
    assert leak in watch.leaks()
    monkeypatch.setattr(contest, "check_plan", plans.check_plan)
    with pytest.raises(SplitError, match="records of groups that"):
        recipe(tmp_path, runs=tmp_path / "again", smoke=True, **settings)


def test_a_frame_on_two_sides_is_found_and_refused(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*given: Any, **settings: Any) -> dict[str, Tensor]:
        parts = split(*given, **settings)
        return {**parts, "query": torch.cat([parts["query"], parts["train"][:1]])}

    split = antennas.split
    monkeypatch.setattr(antennas, "split", torn)
    recipe = PANELS["protobeam-published"][0]
    with pytest.raises(SplitError, match="records of groups that"):
        recipe(tmp_path, runs=tmp_path / "runs", smoke=True)
    monkeypatch.setattr(antennas, "check_plan", watch.check)
    recipe(tmp_path, runs=tmp_path / "again", smoke=True)
    assert "pretrained on a group of the queries" in watch.leaks()


def test_a_record_that_a_compressed_network_learns_from_and_is_asked_is_found_and_refused(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = compress_parts.split

    def doubled(*given: Any, **settings: Any) -> dict[str, Tensor]:
        parts = split(*given, **settings)
        return {**parts, "train": torch.cat([parts["train"], parts["test"][:1]])}

    monkeypatch.setattr(compress_parts, "split", doubled)
    early_exit.early_exit(tmp_path, runs=tmp_path / "runs", smoke=True)
    assert "labelled a group of the queries" in watch.leaks()
    monkeypatch.setattr(compress_parts, "check_plan", plans.check_plan)
    for recipe in (early_exit.early_exit, cascade.cascade, aoa_compression.aoa_compression):
        with pytest.raises(SplitError, match="records of groups that"):
            recipe(tmp_path, runs=tmp_path / "again", smoke=True)


def test_a_group_that_lends_labels_and_is_asked_is_found_and_refused(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lend = domains.lend

    def torn(fold: Any, known: Any, count: int, seed: int) -> tuple[Tensor, Tensor]:
        lent, asked = lend(fold, known, count, seed)
        return lent, torch.cat([asked, lent[:1]])

    monkeypatch.setattr(domains, "lend", torn)
    csi_activity.csi_activity(tmp_path, runs=tmp_path / "runs", smoke=True)
    assert set(watch.leaks()) == {"labelled a group of the queries"}
    monkeypatch.setattr(domains, "check_plan", plans.check_plan)
    csi_activity.csi_activity(tmp_path, runs=tmp_path / "again", smoke=True)
    rows = read(tmp_path / "again" / "smoke" / "results" / "csi-activity.jsonl")
    assert all("records of groups that" in str(row.failed) for row in rows if row.shots)
