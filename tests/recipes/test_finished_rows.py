"""Rows that there are belong to cells of the recipes that made them: nothing that took an hour is measured again."""

from pathlib import Path

import pytest

from groundwave.bench.cells import Sheet
from groundwave.bench.rows import Row, hash_config, latest, read
from groundwave.recipes import aoa_compression, cascade, early_exit
from groundwave.recipes.early_exit_measured import Told

RESULTS = Path(__file__).parents[2] / "results"


def early_exit_config(row: Row) -> object:
    bench = early_exit._Bench(Sheet(Path("none"), "early-exit"), Path("none"), row.config["records_per_cell"], False)
    name = row.method.removesuffix(f", {row.config['policy']}")
    told = Told(row.config["policy"], row.metric, row.snr_db, 0.0)
    return bench._cell(name, row.seed, told).config


def cascade_config(row: Row) -> object:
    told = row.config
    setting = cascade._Setting(
        told["model"], told["seed"], told["records_per_cell"], told["epochs"], tuple(told["shrink"])
    )
    return setting.cells("chosen")[0].config


def aoa_config(row: Row) -> object:
    bench = object.__new__(aoa_compression._Bench)
    bench.seed, bench.num_records, bench.epochs = row.seed, row.config["num_records"], row.config["epochs"]
    return bench._cells(row.method)[0].config


@pytest.mark.parametrize(
    ("name", "config"),
    [("early-exit", early_exit_config), ("cascade", cascade_config), ("aoa-compression", aoa_config)],
)
def test_settings_of_finished_rows_are_those_of_the_recipe(name: str, config: object) -> None:
    rows = latest(read(RESULTS / f"{name}.jsonl"))
    assert rows
    for settings, row in {row.config_hash: row for row in rows}.items():
        assert hash_config(config(row)) == settings, row.method
