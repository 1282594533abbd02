"""Choices: one published setting a file, and the protocols that `groundwave bench` runs."""

from collections.abc import Mapping

PROTOCOLS: Mapping[str, str] = {
    "ism-fewshot": "groundwave.recipes.ism_fewshot:ism_fewshot",
    "modulation-fewshot": "groundwave.recipes.modulation_fewshot:modulation_fewshot",
}
