"""Choices: one published setting a file, the protocols of `groundwave bench` and the recipes of `groundwave run`."""

from collections.abc import Mapping

PROTOCOLS: Mapping[str, str] = {
    "ism-fewshot": "groundwave.recipes.ism_fewshot:ism_fewshot",
    "modulation-fewshot": "groundwave.recipes.modulation_fewshot:modulation_fewshot",
}

# Each regenerates the rows of published figures, or of ours that are set beside them.
RECIPES: Mapping[str, str] = {
    "contrastive": "groundwave.recipes.contrastive:contrastive",
    "fewshot": "groundwave.recipes.fewshot:fewshot",
    "transfer": "groundwave.recipes.fewshot:transfer",
}
