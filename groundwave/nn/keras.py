"""Initial weights as Keras draws them, for the networks whose source is written in Keras.

PyTorch draws matrices and kernels about three times smaller when fan-in and fan-out are alike.
"""

from torch import nn


def keras_initial(module: nn.Module) -> None:
    """Draw the weights of one layer anew; a function for `nn.Module.apply`.

    Kernels and matrices are Glorot uniform and biases zero; recurrent matrices are orthogonal, and the forget gates of
    an LSTM start with a bias of 1 (Keras, `LSTM(unit_forget_bias=True)`).
    """
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LSTM):
        for name, parameter in module.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
                if name.startswith("bias_ih"):  # gates stand in the order input, forget, cell, output
                    nn.init.ones_(parameter[module.hidden_size : 2 * module.hidden_size])
