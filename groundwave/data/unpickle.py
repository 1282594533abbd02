"""Reading a pickle from the web without letting it run code: only NumPy arrays and plain containers come out."""

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from groundwave.errors import DataError


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stand in for `_codecs.encode`, by which Python 3 writes bytes into old pickles; one harmless encoding only."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


# Everything a pickled array calls to rebuild itself, under NumPy's names of before and after 2.0.
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    **{
        (f"numpy.{core}.{module}", name): getattr(import_module(f"numpy._core.{module}"), name)
        for core in ("core", "_core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    },
}


class _ArraysOnly(pickle.Unpickler):
    """Refuses every global but the few that rebuild arrays."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED[module, name]


def load_arrays(path: Path) -> Any:
    """Unpickle arrays, dicts, tuples, lists, text and numbers (also of Python 2); raises `DataError` for the rest."""
    try:
        with path.open("rb") as file:
            return _ArraysOnly(file, encoding="latin1").load()
    except Exception as error:  # a hostile or damaged pickle can raise anything; nothing of it has been run
        raise DataError(
            got=f"{path}, a pickle that holds more than arrays or is damaged ({error})",
            expected="NumPy arrays, dicts, tuples, lists, text and numbers",
            do="do not open it elsewhere: a pickle can run code; get the file from its original source",
        ) from error
