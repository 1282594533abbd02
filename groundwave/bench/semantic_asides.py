"""Beside the comparison of methods: the classical separate design, and a class that nobody has told the server of."""

import math
import time
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from groundwave.adapt.linear import Prototype
from groundwave.bench import semantic
from groundwave.bench.contest import Setting
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.bench.semantic import ACCURACY, Edge, Method, Values
from groundwave.contracts import Record
from groundwave.metrics import macro_recall
from groundwave.rng import generator
from groundwave.semcom.engines import OneProcess
from groundwave.semcom.ledger import UP, Ledger
from groundwave.semcom.link import Link
from groundwave.semcom.pictures import ZonalCodec
from groundwave.semcom.split import SplitTraining
from groundwave.signal.block_fading import capacity

CLEAR_DB = 90.0  # inside the server, where there is no air
RECALL_OF_NEW = "recall of the new class"


def title_of_separate(symbols: int) -> str:
    """Return what rows call the separate design with so many symbols for a picture."""
    return f"separate design, {symbols} symbols a picture"


def title_of_new(method: str) -> str:
    """Return what rows call a method that is asked about a new class."""
    return f"{method}, a new class"


def separate_design(edge: Edge, setting: Setting, counts: tuple[int | None, ...], symbols: int) -> None:
    """Fill the cells of a server that gets compressed pictures by a code that reaches capacity, and learns by itself.

    Networks and steps are those of the other methods, and nothing goes down: training records go up once. Where gains
    are estimated, each block of the link has its pilots beside these symbols, too, and the code pays for their errors.

    Args:
        edge: what all methods share.
        setting: the records.
        counts: of labels.
        symbols: complex symbols for each picture.
    """
    config = {"design": "separate", "symbols": symbols}
    for cell in setting.sheet.missing(
        semantic.cell_of(title_of_separate(symbols), edge, setting, n, config) for n in counts
    ):
        try:
            start = time.perf_counter()
            values = _separately(edge, setting, setting.labelled(cell.shots), symbols)
            semantic.fill(setting, cell, values, time.perf_counter() - start)
        except FAILURES as error:
            setting.sheet.fail([cell], reason(error))


def _separately(edge: Edge, setting: Setting, rows: Tensor, symbols: int) -> Values:
    """Train on what arrives at the training SNR; ask with what arrives at each."""
    record, pool = semantic.everything(setting), setting.plan.pretraining
    codecs = {name: ZonalCodec.learned(record[name][pool]) for name in edge.contracts}

    def budget(snr_db: float) -> float:
        heard_db = estimated_snr_db(snr_db, edge.link.num_pilots)
        return symbols * float(capacity(torch.tensor(heard_db, dtype=torch.float64), edge.link.rician_k))

    def arriving(snr_db: float) -> Record:
        return {name: codec.sent(record[name], budget(snr_db)) for name, codec in codecs.items()}

    inside = Link(edge.link.num_symbols, (CLEAR_DB, CLEAR_DB))
    central = replace(edge, link=inside, noisy_gradients=False, engine="process")
    values: Values = {}

    def noted(system: SplitTraining, done: int) -> None:
        if done in edge.marks:
            values[f"accuracy after {done} rounds", None] = semantic.asked(system, setting, inside)

    trained_db = sum(edge.link.snr_db) / 2
    encoders, num_classes = edge.new_encoders(setting.seed), len(setting.source.classes)
    given = encoders, central, setting, rows, record["label"], num_classes, noted, arriving(trained_db)
    with semantic.second_stage(*given) as system:
        assert isinstance(system.engine, OneProcess)
        values[ACCURACY, None] = semantic.asked(system, setting, inside)
        for snr_db in edge.snrs_db:
            for name, x in arriving(snr_db).items():
                system.engine.devices[name].inputs = x
            values[ACCURACY, snr_db] = semantic.asked(system, setting, inside)
    ledger, num_bits = Ledger(), sum(codec.bits(budget(trained_db)) for codec in codecs.values())
    used = symbols + edge.link.num_pilots * math.ceil(symbols / edge.link.num_symbols)  # pilots in each block
    ledger.digital("training", UP, bits=num_bits * len(rows), symbols=used * len(codecs) * len(rows))
    values["Mbit once", None] = ledger.traffic("training", UP).bits / 1e6
    return values


def estimated_snr_db(snr_db: float, num_pilots: int) -> float:
    """Return the SNR that is left where gains are estimated from pilots: what is wrong in them is noise.

    Hassibi and Hochwald (IEEE Transactions on Information Theory, 2003); 0 pilots: gains are known.
    """
    if num_pilots == 0:
        return snr_db
    snr = 10 ** (snr_db / 10)
    error = 1 / (1 + snr * num_pilots)
    return 10 * math.log10(snr * (1 - error) / (1 + snr * error))


def new_class(method: Method, edge: Edge, setting: Setting, shots: int) -> None:
    """Fill the cells of a class that neither stage saw: is it noticed, and can the server add it from a few labels?

    A record is as new as its features are far (in angle) from the nearest prototype of a known class. The class is then
    added as one prototype more, of `shots` records that are sent up once: no gradient goes down.
    """
    edge, num_classes = method.at_its_rate(edge), len(setting.source.classes)
    new = setting.seed % num_classes
    cell = replace(
        semantic.cell_of(title_of_new(method.title), edge, setting, None, method.config()),
        metric=RECALL_OF_NEW,
        shots=shots,
    )
    if not setting.sheet.missing([cell]):
        return
    try:
        start = time.perf_counter()
        values = _with_new(method, edge, setting, new, shots)
        semantic.fill(setting, cell, values, time.perf_counter() - start)
    except FAILURES as error:
        setting.sheet.fail([cell], reason(error))


def _with_new(method: Method, edge: Edge, setting: Setting, new: int, shots: int) -> Values:
    """Train without a class, then ask about it."""
    label, plan, groups = semantic.everything(setting)["label"], setting.plan, setting.source.groups
    told = plan.support[label[plan.support] != new]
    unseen = (label < 0) | torch.isin(groups, groups[label == new])  # what has no label may be of the new class, too
    encoders, _ = semantic.first_stage(method, edge, setting, plan.pretraining[~unseen[plan.pretraining]])
    number = label - (label > new).long()  # the known classes, numbered without a gap
    num_known = len(setting.source.classes) - 1
    own = plan.support[label[plan.support] == new]
    lent = own[torch.randperm(len(own), generator=generator(setting.seed, "new class"))[:shots]]
    with semantic.second_stage(encoders, edge, setting, told, number, num_known) as system:
        received = [system.receive(rows, edge.link, draw=i) for i, rows in enumerate((told, lent, plan.query))]
    support, few, query = map(system.fused, received)
    known = Prototype().fit({"features": support, "label": number[told]})
    is_new = label[plan.query] == new
    nearest = F.normalize(query - known.head.centre, dim=-1) @ F.normalize(known.head.prototypes, dim=-1).T
    grown = Prototype().fit(
        {
            "features": torch.cat([support, few]),
            "label": torch.cat([number[told], torch.full((len(few),), num_known)]),
        }
    )
    answers = {name: one.predict({"features": query}).argmax(-1) for name, one in (("before", known), ("after", grown))}
    confidence = system.server.head(query).detach().softmax(dim=-1).amax(dim=-1)
    known_label = number[plan.query][~is_new]
    return {
        ("AUROC of the new class", None): area(-nearest.detach().amax(dim=-1), is_new),
        ("AUROC of the new class by confidence", None): area(-confidence, is_new),
        ("macro recall of known classes before", None): macro_recall(answers["before"][~is_new], known_label),
        ("macro recall of known classes after", None): macro_recall(answers["after"][~is_new], known_label),
        (RECALL_OF_NEW, None): float((answers["after"][is_new] == num_known).double().mean()),
    }


def area(score: Tensor, yes: Tensor) -> float:
    """Return the area under the curve of a score that should be higher where the answer is yes."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(yes.numpy(), score.numpy()))
