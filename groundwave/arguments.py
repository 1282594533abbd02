"""From a typed signature and its docstring to command-line arguments: Python API and command line are one thing.

Positional parameters become positional arguments, keyword-only ones become options (`sample_rate` is `--sample-rate`),
lists and tuples take several values, the fields of a dataclass are options `--NAME.FIELD`, those of an unpacked typed
dict are options that functions share, and each argument's help is its line in the docstring.
"""

import re
import types
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import reduce
from inspect import Parameter, isclass, signature
from operator import getitem
from typing import Any, Union, Unpack, get_args, get_origin, get_type_hints

from docstring_parser import parse
from jsonargparse import ArgumentParser

from groundwave.errors import UnknownNameError

UNKNOWN_OPTION = re.compile(r"unrecognized arguments:.*?(--[^\s=]+)")
UNKNOWN_VALUE = re.compile(r'key "(?P<key>[^"]+)".*Literal\[(?P<known>[^]]+)\].*Got value: (?P<value>\S+)', re.DOTALL)


class Parser(ArgumentParser):
    """A parser that knows which options together make a dataclass, by the name of the parameter that takes it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(exit_on_error=False, allow_abbrev=False, **settings)
        self.dataclasses: dict[str, Any] = {}


def parser_of(function: Callable[..., Any], prog: str) -> Parser:
    """Return a parser of a function's arguments, which also reads them from a YAML file."""
    text = parse(function.__doc__ or "")
    description = "\n\n".join(part for part in (text.short_description, text.long_description) if part)
    parser = Parser(prog=prog, description=description)
    add_signature(parser, function)
    parser.add_argument("--config", action="config", help="YAML file of arguments; those on the command line win")
    return parser


def add_signature(
    parser: Parser,
    function: Callable[..., Any],
    prefix: str | None = None,
    skip: Sequence[str] = (),
    default: object = None,
) -> None:
    """Add the parameters of a function or class; with a prefix (even an empty one) all are options `--PREFIXNAME`.

    `default`: an instance whose attributes are the defaults, instead of the signature's.
    """
    texts = _texts(function)
    hints = get_type_hints(function.__init__ if isclass(function) else function)
    for name, parameter in signature(function).parameters.items():
        if get_origin(hints.get(name)) is Unpack:
            _add_shared(parser, *get_args(hints[name]))
        if name in skip or parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        if takes_mapping(hints.get(name)):  # settings of something else, which has options of its own
            continue
        positional = parameter.kind is not Parameter.KEYWORD_ONLY and prefix is None
        dashed, hint = f"{prefix or ''}{name.replace('_', '-')}", hints.get(name, str)
        usual = parameter.default if default is None else getattr(default, name)
        if isinstance(hint, type) and is_dataclass(hint) and not positional:
            parser.dataclasses[dashed.replace("-", "_")] = hint
            add_signature(parser, hint, prefix=f"{dashed}.", default=usual)
            continue
        parser.add_argument(
            name if positional else f"--{dashed}",
            help=texts.get(name, ""),
            **_settings(hint, usual, positional),
        )


def _add_shared(parser: Parser, shared: type) -> None:
    """Add the fields of a typed dict, all of which may be left out."""
    texts = _texts(shared)
    for name, hint in get_type_hints(shared).items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=texts[name], **_settings(hint, None, positional=False))


def _texts(documented: object) -> dict[str, str]:
    """Return what a docstring says of each argument."""
    return {p.arg_name: " ".join((p.description or "").split()) for p in parse(documented.__doc__ or "").params}


def takes_mapping(hint: Any) -> bool:
    """Return whether a parameter takes names with values."""
    return get_origin(hint) is Mapping


def _settings(hint: Any, default: Any, positional: bool) -> dict[str, Any]:
    """Return what `add_argument` needs to know about one parameter."""
    required = default is Parameter.empty
    settings: dict[str, Any] = {} if required else {"default": default}
    item, count = _items(hint)
    if not positional:
        settings["required"] = required
    if hint is bool:
        return {**settings, "action": "store_true"}
    if item is not None:
        if isinstance(default, tuple):  # jsonargparse works on lists
            settings["default"] = list(default)
        return {**settings, "type": item, "nargs": count}
    return {**settings, "type": hint, **({"nargs": "?"} if positional and not required else {})}


def _items(hint: Any) -> tuple[Any, Any]:
    """Return the type and number of values of a list or tuple (or of one that may be left out), None for the rest."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [arm for arm in get_args(hint) if arm is not type(None)]
        return _items(inner[0]) if len(inner) == 1 else (None, None)
    values = get_args(hint)
    if get_origin(hint) in (list, Sequence) or (get_origin(hint) is tuple and values[1:] == (...,)):
        return values[0], "+"
    if get_origin(hint) is tuple and len(set(values)) == 1:
        return values[0], len(values)
    return None, None


def options(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with each `setting=1,2` written as `--setting 1 2`, `smoke=true` as `--smoke`.

    A flag that is `false` is left out; other words stay as they are.
    """
    found: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            found.append(word)
        elif value != "false":
            found += [f"--{name.replace('_', '-')}", *(value.split(",") if value != "true" else ())]
    return found


def arguments(parser: Parser, argv: Sequence[str]) -> dict[str, Any]:
    """Return what a command line says, by parameter.

    Raises:
        UnknownNameError: an option, or a value of a fixed set, that there is not; the nearest are offered.
        argparse.ArgumentError: anything else.
    """
    try:
        parsed = parser.instantiate(parser.parse_args(list(argv))).as_dict()
    except ArgumentError as error:
        if option := UNKNOWN_OPTION.search(str(error)):
            known = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", parser.format_usage()))
            raise UnknownNameError("option", option[1], known) from error
        if value := UNKNOWN_VALUE.search(str(error)):
            kind = f"value of --{value['key'].replace('_', '-')}"
            raise UnknownNameError(kind, value["value"].strip("'"), re.findall(r"'([^']*)'", value["known"])) from error
        raise
    for name, make in parser.dataclasses.items():
        *path, last = name.split(".")
        holder = reduce(getitem, path, parsed)
        fields = {key: tuple(value) if isinstance(value, list) else value for key, value in holder[last].items()}
        holder[last] = make(**fields)
    return {name: value for name, value in parsed.items() if name != "config"}
