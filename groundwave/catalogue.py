"""Everything that can be named on the command line, from the tables of the floors below."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from groundwave.errors import lookup


def catalogue() -> dict[str, Callable[[], dict[str, str]]]:
    """Return, by table, a function that returns its members with a line about each."""
    return {
        "scenes": lambda: _lines(scenes()),
        "waveforms": _waveforms,
        "formats": lambda: _lines(_table("groundwave.data", "READERS")),
        "views": lambda: _lines({**_table("groundwave.views", "VIEWS"), **_table("groundwave.views", "PICTURE_VIEWS")}),
        "backbones": lambda: _lines(_table("groundwave.nn", "BACKBONES")),
        "objectives": lambda: _lines(_table("groundwave.pretrain", "OBJECTIVES")),
        "learners": lambda: _lines(_table("groundwave.adapt", "LEARNERS")),
        "protocols": lambda: _lines(_table("groundwave.recipes", "PROTOCOLS")),
        "methods": _methods,
        "recipes": lambda: _lines(_table("groundwave.recipes", "RECIPES")),
        "models": _models,
    }


def scenes() -> dict[str, Callable[..., Any]]:
    """Return the scenes of records and of long recordings by name."""
    return {**_table("groundwave.scenes", "SCENES"), **_table("groundwave.scenes", "LONG_SCENES")}


def scene_of(name: str) -> Callable[..., Any]:
    """Return the class of a scene; raises `UnknownNameError`."""
    return lookup(scenes(), name, "scene")


def scene_or_path(name: str) -> Callable[..., Any]:
    """Return the class of a scene of records; a function without settings for a path, or for what is neither."""
    found = None if Path(name).exists() else _table("groundwave.scenes", "SCENES").get(name)
    return found or (lambda: None)


def format_of(name: str) -> Callable[..., Any]:
    """Return the reader of a format; raises `UnknownNameError`."""
    found: Callable[..., Any] = _resolved(lookup(_table("groundwave.data", "READERS"), name, "format"))
    return found


def protocol_of(name: str) -> Callable[..., Any]:
    """Return the function of a protocol; raises `UnknownNameError`."""
    found: Callable[..., Any] = _resolved(lookup(_table("groundwave.recipes", "PROTOCOLS"), name, "protocol"))
    return found


def recipe_of(name: str) -> Callable[..., Any]:
    """Return the function of a recipe; raises `UnknownNameError`."""
    found: Callable[..., Any] = _resolved(lookup(_table("groundwave.recipes", "RECIPES"), name, "recipe"))
    return found


def _table(module: str, name: str) -> Mapping[str, Any]:
    table: Mapping[str, Any] = getattr(import_module(module), name)
    return table


def _resolved(member: Any) -> Any:
    """Return the member itself, which some tables name as `module:function`."""
    if not isinstance(member, str):
        return member
    module, _, path = member.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _lines(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: (_resolved(member).__doc__ or "").strip().split("\n")[0] for name, member in sorted(table.items())}


def _waveforms() -> dict[str, str]:
    waveforms = sorted(_table("groundwave.scenes.waveforms", "WAVEFORMS").items(), key=lambda item: item[1].family)
    width = max(len(waveform.family) for _, waveform in waveforms) + 2
    return {name: f"{waveform.family:{width}}{waveform.text}" for name, waveform in waveforms}


def _methods() -> dict[str, str]:
    from groundwave.recipes.contenders import Size, contenders

    return {name: "; ".join(way.name for way in one.ways) for name, one in contenders(Size()).items()}


def _models() -> dict[str, str]:
    from groundwave.model import Model, packaged

    return {name: Model.load(name).card.strip().split("\n")[0].lstrip("# ") for name in packaged()}
