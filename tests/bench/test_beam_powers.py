"""Beam prediction from few powers: features, baselines against loops, and a network that uses other sites."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from groundwave.bench.beam_powers import (
    BestMeasured,
    Committee,
    HomeForest,
    Neighbours,
    SitesNetwork,
    above_noise,
    combs,
    hits,
    known_of,
    measured_features,
    noise_of,
    scale_of,
    select,
)
from groundwave.bench.cells import Sheet
from groundwave.contracts import Record
from groundwave.recipes.deepsense_beams import SHIFTS, Site, Street, shifted, simulated_drives

BEAMS = torch.arange(8) * 8 + 3
DRIVES = simulated_drives(3)
SCALE = scale_of(10 * DRIVES[torch.arange(600)]["power"].log10()[:, BEAMS])


def known(rows: Tensor, home: int = 1, validates: Tensor | None = None) -> Record:
    record = DRIVES[rows]
    power_db = 10 * record["power"].log10()
    heard = above_noise(record["power"][:, BEAMS], noise_of(DRIVES[torch.arange(600)]["power"][:, BEAMS]))
    seen = {"features": measured_features(power_db, BEAMS, SCALE), "heard": heard, "site": record["scenario"]}
    checks = torch.zeros(len(rows), dtype=torch.bool) if validates is None else validates
    return seen | known_of(power_db, rows, record["scenario"] == home, checks)


def test_combs_are_even_and_all_of_them() -> None:
    sets = combs(64, 8)
    assert len(sets) == 8
    assert torch.cat(sets).sort().values.tolist() == list(range(64))
    assert all((beams.diff() == 8).all() for beams in sets)


def test_features_are_in_the_scale_of_the_site_and_below_the_strongest() -> None:
    power_db = torch.tensor([[-10.0, -20.0, -5.0, -30.0], [-12.0, -9.0, -7.0, -30.0]])
    x = measured_features(power_db, torch.tensor([0, 2]), (torch.tensor([-11.0, -6.0]), torch.tensor([1.0, 2.0])))
    torch.testing.assert_close(x, torch.tensor([[1.0, 0.5, -1.0, 0.0], [-1.0, -0.5, -1.0, 0.0]]))


def test_the_best_of_the_measured_is_what_it_says() -> None:
    record = known(torch.arange(40))
    power_db = 10 * DRIVES[torch.arange(40)]["power"].log10()
    answer = BestMeasured(BEAMS).fit(record).predict(record).argmax(1)
    assert answer.tolist() == [int(BEAMS[row[BEAMS].argmax()]) for row in power_db]
    assert hits(torch.eye(4), torch.tensor([0, 1, 2, 0]), 1) == 0.75
    assert hits(torch.tensor([[0.1, 0.9, 0.5]]), torch.tensor([2]), 2) == 1.0


def test_neighbours_vote_by_their_distance_and_only_at_home() -> None:
    record = known(torch.arange(600))
    query = select(known(torch.arange(200)), torch.tensor([0, 57, 120]))
    scores = Neighbours().fit(record).predict(query)
    home = select(record, record["home"])
    for x, row in zip(query["features"], scores, strict=True):
        distance = (home["features"] - x).norm(dim=1)
        votes = [0.0] * 64
        for i in distance.argsort()[:15].tolist():
            votes[int(home["label"][i])] += 1 / (float(distance[i]) + 1e-3)
        torch.testing.assert_close(row, torch.tensor(votes), rtol=2e-2, atol=1e-2)
    assert (scores.sum(1) > 0).all()


def test_powers_above_the_noise_are_those_of_no_noise_and_of_any_gain() -> None:
    power = torch.cat([torch.zeros(30, 4), torch.rand(10, 4)]) + 0.01 * torch.rand(40, 4)
    seen = above_noise(power, noise_of(power))
    other = 7 * power + 3
    torch.testing.assert_close(above_noise(other, noise_of(other)), seen, atol=1e-3, rtol=1e-3)
    assert float(seen[:30, :4].abs().mean()) < 1 < float(seen[30:, :4].mean())
    torch.testing.assert_close(seen[30:, 4:].max(1).values, torch.ones(10))
    still = torch.full((5, 3), 2.0)
    assert above_noise(still, noise_of(still)).isfinite().all()


def test_the_network_learns_from_other_sites_and_from_its_own() -> None:
    rows = torch.arange(600)
    asked = known(rows[160:200])
    for lent, least in ((rows[200:], 0.5), (torch.cat([rows[200:], rows[:8]]), 0.5), (rows, 0.7)):
        lent = lent[~torch.isin(lent, rows[160:200])]
        answer = SitesNetwork(0, 150).fit(known(lent)).predict(asked)
        assert hits(answer, asked["label"], 3) > least  # a guess is right in 3 of 64


def test_a_committee_weighs_its_members_by_sequences_of_its_own() -> None:
    rows = torch.arange(200)
    member = Committee(0, 100, 5).fit(known(rows[:160], validates=rows[:160] >= 120))
    assert 0 <= member.weight <= 1
    asked = known(rows[160:])
    assert hits(member.predict(asked), asked["label"], 3) > 0.5


def test_the_forest_knows_its_own_site_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwave.bench.methods.NUM_TREES", 5)
    record = known(torch.arange(60))
    one, two = (
        HomeForest(0).fit(known(torch.cat([torch.arange(60), more])))
        for more in (record["index"][:0], torch.arange(300, 400))
    )
    torch.testing.assert_close(one.predict(record), two.predict(record))
    assert hits(one.predict(record), record["label"], 1) > 0.7


def test_a_virtual_site_has_the_beams_of_a_real_one_further_on() -> None:
    power = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    assert shifted(power, 1).tolist() == [[1.0, 2.0, -math.inf], [5.0, 4.0, -math.inf]]
    assert shifted(power, -2).tolist() == [[-math.inf, -math.inf, 3.0], [-math.inf, -math.inf, 0.0]]


def test_virtual_sites_lend_labels_and_are_never_asked(tmp_path: Path) -> None:
    street = Street(DRIVES, "drives", Sheet(tmp_path / "rows.jsonl", "rows"), small=True)
    sites = street.sites(0)
    rows = sites[0].parts["train"]
    known = street._known(sites, sites[0], BEAMS, rows)
    assert known["index"][known["home"]].tolist() == rows.tolist()
    assert len(known["site"].unique()) == 1 + (len(sites) - 1) * len(SHIFTS)
    assert (known["site"][known["home"]] == known["site"][0]).all()  # labels at home are of no virtual site
    real = street._seen(sites[1], sites[1].parts["train"], BEAMS)
    shift = SHIFTS[2]
    virtual = street._seen(sites[1], sites[1].parts["train"], BEAMS, shift)
    kept = torch.isin(real["index"], virtual["index"])
    assert (virtual["label"] == real["label"][kept] - shift).all()
    assert street._seen(sites[0], sites[0].parts["test"], BEAMS)["index"].tolist() == sites[0].parts["test"].tolist()
    assert street._shifts(torch.tensor([1, 62])) == [0, -1, 1]


def test_the_beams_of_a_new_scenario_are_chosen_on_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    street = Street(DRIVES, "drives", Sheet(tmp_path / "rows.jsonl", "rows"), small=True)
    sites, seen = street.sites(0), []

    def chosen(some: Sequence[Site]) -> Tensor:
        seen.append([site.number for site in some])
        return BEAMS

    monkeypatch.setattr(street, "chosen", chosen)
    monkeypatch.setattr(street, "_ask", lambda *_: None)
    for site in sites:
        street.new(site, sites, 0, 4)
    assert seen == [[2, 3], [1, 3], [1, 2]]
