"""The only source of randomness: a generator addressed by a seed and a path.

`generator(7, "radioml", "block", 3)` is the same stream on every machine, for any number of workers and in any order of
asking, because the stream is a pure function of its address and never of what was drawn before.
"""

from hashlib import blake2b

import torch


def stable_hash(*path: object) -> int:
    """Hash an address to 63 bits; the same on every platform and Python run (unlike `hash`)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in path)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *path: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return the generator at address `(seed, *path)`."""
    return torch.Generator(device=device).manual_seed(stable_hash(int(seed), *path))
