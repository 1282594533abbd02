"""Layers and backbones. A backbone is one file and one line in `BACKBONES`; contract tests run over the table."""

from collections.abc import Callable

from torch import nn

from groundwave.nn.amc_cnn import AMCCNN
from groundwave.nn.aoanet import AoANet
from groundwave.nn.beamspace import Beamspace
from groundwave.nn.cldnn import CLDNN
from groundwave.nn.conv4 import Conv4
from groundwave.nn.convlstm import ConvLSTM
from groundwave.nn.cyclic import CyclicEncoder
from groundwave.nn.deepbeam_cnn import DeepBeamCNN
from groundwave.nn.dense import ContextDecoder, Conv3dDecoder, ConvDecoder, LightDecoder, LinearDecoder
from groundwave.nn.densenet import DenseNet
from groundwave.nn.fft import FFTEncoder, SpectrumEncoder
from groundwave.nn.future import FutureDecoder
from groundwave.nn.heads import CosineHead, DirectionHead, LinearHead, MLPHead
from groundwave.nn.lsm import LSM
from groundwave.nn.mcldnn import MCLDNN
from groundwave.nn.multimodal import MultiModalViT
from groundwave.nn.peaks import PeakHead
from groundwave.nn.relation import RelationHead
from groundwave.nn.residual import ResidualEncoder
from groundwave.nn.resnet import ResNet18
from groundwave.nn.resnet2d import ResNet2d
from groundwave.nn.semiamc import SemiAMC
from groundwave.nn.token_map import TokenMap
from groundwave.nn.vit import ViT
from groundwave.nn.vtcnn2 import VTCNN2
from groundwave.nn.welch import EnvelopeEncoder, WelchEncoder
from groundwave.nn.white import White
from groundwave.nn.xcit import XCiT

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "amc_cnn": AMCCNN,
    "aoanet": AoANet,
    "beamspace": Beamspace,
    "cldnn": CLDNN,
    "conv4": Conv4,
    "convlstm": ConvLSTM,
    "cyclic": CyclicEncoder,
    "deepbeam_cnn": DeepBeamCNN,
    "densenet": DenseNet,
    "envelope": EnvelopeEncoder,
    "fft": FFTEncoder,
    "lsm": LSM,
    "mcldnn": MCLDNN,
    "multimodal_vit": MultiModalViT,
    "residual": ResidualEncoder,
    "resnet18": ResNet18,
    "resnet2d": ResNet2d,
    "semiamc": SemiAMC,
    "spectrum": SpectrumEncoder,
    "token_map": TokenMap,
    "vit": ViT,
    "vtcnn2": VTCNN2,
    "welch": WelchEncoder,
    "white": White,
    "xcit": XCiT,
}

HEADS: dict[str, Callable[..., nn.Module]] = {
    "context_decoder": ContextDecoder,
    "conv3d_decoder": Conv3dDecoder,
    "conv_decoder": ConvDecoder,
    "cosine": CosineHead,
    "direction": DirectionHead,
    "future_decoder": FutureDecoder,
    "light_decoder": LightDecoder,
    "linear": LinearHead,
    "linear_decoder": LinearDecoder,
    "mlp": MLPHead,
    "peaks": PeakHead,
    "relation": RelationHead,
}
