"""The papers that pages of results compare with, as their last section names them."""

from collections.abc import Mapping


def _arxiv(number: str) -> str:
    return f"[arXiv:{number}](https://arxiv.org/abs/{number})"


def _doi(name: str) -> str:
    return f"[doi:{name}](https://doi.org/{name})"


SOURCES: Mapping[str, str] = {
    "LSM": "LSM: Z. Wen, Y. Ye, J. Su et al., *Unraveling Complexity: An Exploration into the Large-Scale Multi-Modal "
    "Signal Processing*; its code and log are at [github.com/YYH211/LSM](https://github.com/YYH211/LSM).",
    "RadioML": "RadioML 2016.10a: T. O'Shea and N. West, *Radio Machine Learning Dataset Generation with GNU Radio*, "
    "GNU Radio Conference, 2016.",
    "VT-CNN2": "VT-CNN2 (*CNN2*): T. O'Shea, J. Corgan and T. C. Clancy, *Convolutional Radio Modulation Recognition "
    f"Networks*, 2016, {_arxiv('1602.04105')}; accuracies by SNR are those of its notebook in "
    "[github.com/radioML/examples](https://github.com/radioML/examples).",
    "MCLDNN": "MCLDNN: J. Xu, C. Luo, G. Parr and Y. Luo, *A Spatiotemporal Multi-Channel Learning Framework for "
    f"Automatic Modulation Recognition*, 2020, {_doi('10.1109/LWC.2020.2999453')}.",
    "SCLBSS": "SCLBSS (SemiAMC): D. Liu, P. Wang, T. Wang and T. Abdelzaher, *Self-Contrastive Learning based "
    f"Semi-Supervised Radio Modulation Classification*, 2021, {_arxiv('2203.15932')}.",
    "Mod-CL": "Mod-CL: C. Wang, S. Wang, L. Han et al., *Modulation Consistency-based Contrastive Learning for "
    f"Self-Supervised Automatic Modulation Classification*, 2026, {_arxiv('2605.11875')}.",
    "contrastive": f"SimCLR: T. Chen et al., 2020, {_arxiv('2002.05709')}. MoCo: K. He et al., 2020, "
    f"{_arxiv('1911.05722')}. SimSiam: X. Chen and K. He, 2021, {_arxiv('2011.10566')}.",
    "episodic": f"ProtoNet: J. Snell, K. Swersky and R. Zemel, 2017, {_arxiv('1703.05175')}. RelationNet: F. Sung et "
    f"al., 2018, {_arxiv('1711.06025')}.",
    "ProtoBeam": "ProtoBeam: O. Mashaal, E. Mohammed, A. Digby et al., *ProtoBeam: Generalizing Deep Beam Prediction "
    "to Unseen Antennas using Prototypical Networks*, 2024; its code is at "
    "[github.com/omarmshaal/ProtoBeam](https://github.com/omarmshaal/ProtoBeam).",
    "DeepBeam": "DeepBeam: M. Polese, F. Restuccia and T. Melodia, *DeepBeam: Deep Waveform Learning for "
    f"Coordination-Free Beam Management in mmWave Networks*, 2021, {_doi('10.1145/3466772.3467035')}.",
    "DeepSense 6G": "DeepSense 6G: A. Alkhateeb, G. Charan, T. Osman et al., *DeepSense 6G: A Large-Scale Real-World "
    f"Multi-Modal Sensing and Communication Dataset*, 2023, {_arxiv('2211.09769')}.",
    "ProtoAoA": f"ProtoAoA: few-shot angles of arrival by prototypical networks, 2026, {_arxiv('2604.14476')}.",
    "MUSIC": "MUSIC: R. Schmidt, *Multiple Emitter Location and Signal Parameter Estimation*, 1986, "
    f"{_doi('10.1109/TAP.1986.1143830')}. ESPRIT: R. Roy and T. Kailath, 1989, {_doi('10.1109/29.32276')}.",
    "early exits": "Early exits: E. Mohammed, O. Mashaal and H. Abou-Zeid, *Using Early Exits for Fast Inference in "
    f"Automatic Modulation Classification*, 2023, {_arxiv('2308.11100')}.",
    "RML22": "RML22: V. Sathyanarayanan, P. Gerstoft and A. El Gamal, *RML22: Realistic Dataset Generation for "
    f"Wireless Modulation Classification*, 2023, {_doi('10.1109/TWC.2023.3254490')}.",
    "talk": "The talk: H. Abou-Zeid, *GREAT AI for Foundation Models in 6G*, slides of a talk at Ericsson Ottawa; its "
    "network and data on angles of arrival are not public.",
    "MSM": "Masked spectrograms, ViT: A. Aboulfotouh, A. Eshaghbeigi and H. Abou-Zeid, *Building 6G Radio Foundation "
    f"Models with Transformer Architectures*, 2024, {_arxiv('2411.09996')}. Their predecessor with a ConvLSTM: "
    f"{_arxiv('2411.09849')}.",
    "semantic": "Semantic communication: H. Zhao et al., *Multi-Modal Self-Supervised Semantic Communication*, 2025, "
    f"{_arxiv('2503.13940')}; no code and no figures to compare with were within reach.",
}
