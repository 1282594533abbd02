"""GNU Radio: RadioML 2016.10a's transmitter and channel as a flow graph; run by benchmarks/generation.py.

Each block has a thread of its own, so it takes as many processors as there are; `radioml_one` keeps it to one.
"""

import os

import numpy as np
from gnuradio import blocks, channels, digital, gr
from stopwatch import Job, serve

NUM_SAMPLES, BATCH, SAMPLES_PER_SYMBOL = 1024, 2048, 8


def radioml(one_processor: bool) -> Job:
    """Return a job that sends QPSK through the published channel, at the settings of the published recipe."""

    def job() -> int:
        num = NUM_SAMPLES * BATCH
        flow = gr.top_block()
        symbols = np.random.default_rng(0).integers(0, 256, num // (4 * SAMPLES_PER_SYMBOL) + 1000, dtype=np.uint8)
        source = blocks.vector_source_b(symbols.tolist(), False)
        modulator = digital.generic_mod(
            digital.constellation_qpsk().base(), False, SAMPLES_PER_SYMBOL, True, 0.35, False, False
        )
        channel = channels.dynamic_channel_model(
            200e3, 0.01, 50, 0.01, 0.5e3, 8, 1, True, 4, [0, 0.9, 1.7], [1, 0.8, 0.3], 8, 10 ** (-10 / 10), 0x1337
        )
        head, sink = blocks.head(gr.sizeof_gr_complex, num), blocks.null_sink(gr.sizeof_gr_complex)
        flow.connect(source, modulator, channel, head, sink)
        everywhere = os.sched_getaffinity(0)
        if one_processor:
            os.sched_setaffinity(0, {min(everywhere)})  # the threads that the flow graph starts inherit it
        try:
            flow.run()
        finally:
            os.sched_setaffinity(0, everywhere)
        assert head.nitems_written(0) == num
        return BATCH

    return job


if __name__ == "__main__":
    serve({"radioml": lambda: radioml(False), "radioml_one": lambda: radioml(True)}, gr.version())
