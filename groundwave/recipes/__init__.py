"""Choices: one published setting a file, the protocols of `groundwave bench` and the recipes of `groundwave run`."""

from collections.abc import Mapping

PROTOCOLS: Mapping[str, str] = {
    "ism-fewshot": "groundwave.recipes.ism_fewshot:ism_fewshot",
    "modulation-fewshot": "groundwave.recipes.modulation_fewshot:modulation_fewshot",
}

# Each regenerates the rows of published figures, or of ours that are set beside them.
RECIPES: Mapping[str, str] = {
    "ablations": "groundwave.recipes.ablations:ablations",
    "angles": "groundwave.recipes.angles:angles",
    "aoa-compression": "groundwave.recipes.aoa_compression:aoa_compression",
    "cascade": "groundwave.recipes.cascade:cascade",
    "contrastive": "groundwave.recipes.contrastive:contrastive",
    "csi-activity": "groundwave.recipes.csi_activity:csi_activity",
    "deepbeam-cnn": "groundwave.recipes.deepbeam_cnn:deepbeam_cnn",
    "deepsense-beams": "groundwave.recipes.deepsense_beams:deepsense_beams",
    "early-exit": "groundwave.recipes.early_exit:early_exit",
    "fewshot": "groundwave.recipes.fewshot:fewshot",
    "fidelity": "groundwave.recipes.fidelity:fidelity",
    "forecasting": "groundwave.recipes.forecasting:forecasting",
    "label-efficiency": "groundwave.recipes.label_efficiency:label_efficiency",
    "lsm": "groundwave.recipes.lsm_ours:lsm",
    "lsm-published": "groundwave.recipes.lsm_published:lsm_published",
    "msm-convlstm": "groundwave.recipes.msm:msm_convlstm",
    "msm-vit": "groundwave.recipes.msm:msm_vit",
    "multimodal-vit": "groundwave.recipes.multimodal:multimodal_vit",
    "protobeam": "groundwave.recipes.protobeam:protobeam",
    "protobeam-published": "groundwave.recipes.protobeam_published:protobeam_published",
    "segmentation": "groundwave.recipes.segmentation:segmentation",
    "semantic-communication": "groundwave.recipes.semantic_communication:semantic_communication",
    "transfer": "groundwave.recipes.fewshot:transfer",
}
