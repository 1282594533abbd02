"""The protocol `modulation-fewshot`: eleven modulations, five labels a class, one table for each SNR."""

from collections.abc import Sequence
from pathlib import Path

from groundwave.bench.fewshot import Score, measure
from groundwave.bench.methods import CLASSICAL, MOMENTS, Method, from_scratch, probe
from groundwave.model import Model
from groundwave.recipes.modulation import CROP, NUM_SAMPLES, trial
from groundwave.recipes.place import Place

SNRS_DB = (-4.0, 0.0, 4.0, 10.0, 16.0)


def modulation_fewshot(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/modulation-fewshot"),
    models: Sequence[str] = ("modulation-small", "iq-small"),
    shots: Sequence[int] = (1, 5),
    episodes: int = 100,
    seed: int = 0,
    smoke: bool = False,
) -> Path:
    """Compare frozen models with classical features and the first one's network from scratch, on simulated records.

    Args:
        results: folder of the file of rows.
        runs: folder of a rehearsal's rows.
        models: packaged models or model folders.
        shots: labelled records per class.
        episodes: episodes per SNR and number of shots; training from scratch, which is slow, runs a tenth of them.
        seed: addresses the episodes.
        smoke: two SNRs and a few episodes, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    encoders = {name: Model.load(name) for name in models}
    path = Place(name="modulation-fewshot", results=results, runs=runs, smoke=smoke).path
    snrs_db, num_episodes = ((4.0, 16.0), 4) if smoke else (SNRS_DB, episodes)
    for num_shots in shots:
        quick = [*(probe(f"{name}, frozen", encoder) for name, encoder in encoders.items()), MOMENTS, *CLASSICAL]
        compare(quick, path, snrs_db=snrs_db, num_shots=num_shots, num_episodes=num_episodes, seed=seed)
        slow = [from_scratch(encoders[models[0]], CROP)]
        compare(slow, path, snrs_db=snrs_db, num_shots=num_shots, num_episodes=max(2, num_episodes // 10), seed=seed)
    return path


def compare(
    methods: Sequence[Method],
    results: Path,
    *,
    snrs_db: Sequence[float],
    num_shots: int,
    num_episodes: int,
    seed: int,
    records_per_cell: int = 60,
) -> dict[float, list[Score]]:
    """Score methods at some of the SNRs on records whose seeds and channels no model has seen; return the new scores.

    The records are the same whichever SNRs are asked: a scene of other SNRs would draw others.
    """
    scene = trial(SNRS_DB, records_per_cell)
    block = scene.block(0)
    scores = {}
    for snr_db in snrs_db:
        at_snr = block["snr_db"] == snr_db
        scores[snr_db] = measure(
            {key: values[at_snr] for key, values in block.items()},
            methods,
            protocol="modulation-fewshot",
            data=f"radioml fixed, {NUM_SAMPLES} samples",
            results=results,
            num_shots=num_shots,
            num_episodes=num_episodes,
            seed=seed,
            snr_db=snr_db,
            config={"records_per_cell": records_per_cell, "scene_seed": scene.seed},
        )
    return scores
