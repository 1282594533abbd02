"""The command line: `groundwave VERB ...`.

Help must answer in well under a second, so nothing heavy is imported before a verb runs.
"""

import errno
import os
import sys
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import get_type_hints

from groundwave import __version__, verbs, verbs_deploy
from groundwave.errors import GroundwaveError, lookup

VERBS: dict[str, Callable[..., int | None]] = {
    "demo": verbs.demo,
    "doctor": verbs.doctor,
    "list": verbs.list_names,
    "generate": verbs.generate,
    "ingest": verbs.ingest,
    "audit": verbs.audit,
    "pretrain": verbs.pretrain,
    "adapt": verbs.adapt,
    "predict": verbs.predict,
    "embed": verbs.embed,
    "bench": verbs.bench,
    "run": verbs.run,
    "compress": verbs_deploy.compress,
    "export": verbs_deploy.export,
    "stream": verbs_deploy.stream,
    "serve": verbs_deploy.serve,
    "report": verbs.report,
}

# What Ctrl-C left, for the commands that can go on; every other command leaves nothing.
RESUMES = {
    "demo": "run the same command again: finished steps are kept",
    "generate": "run the same command again: whole parts of a store are kept",
    "ingest": "run the same command again: it goes on after the last whole part",
    "pretrain": "run the same command again: it goes on after its last whole epoch",
    "bench": "run the same command again: the rows so far are kept",
    "run": "run the same command again: the rows and whole epochs so far are kept",
}


# Verbs whose first argument (of ingest, `--format`) names something with settings of its own: where to find it, and
# their prefix.
OWN_SETTINGS = {
    "ingest": ("format_of", "reader."),
    "generate": ("scene_of", "scene."),
    "audit": ("scene_or_path", "scene."),
    "bench": ("protocol_of", ""),
    "run": ("recipe_of", ""),
}

# What the settings with a prefix leave out, as the verbs have it themselves.
SHARED = {
    "scene.": ("seed",),
    "reader.": (
        *("path", "sample_rate_hz", "datatype", "num_channels", "center_hz", "iq", "csi", "axes", "scale"),
        *("label", "group", "room", "user", "snr", "classes", "group_names"),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0; 1 (the doctor or a strict audit found a fault, or every cell of a run failed); 2 (an error); 130 (Ctrl-C).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    verb = words[0] if words else "--help"
    # Before torch is loaded: threads that wait by spinning make a busy machine ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return answer(verb, words[1:])
    except GroundwaveError as error:
        return complain(str(error))
    except ArgumentError as error:
        return complain(f"{' '.join(str(error).split())}; see `groundwave {verb} --help`")
    except BrokenPipeError:  # `groundwave list | head -1`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" while writing {error.filename}" if error.filename else ""
            return complain(f"got no space left on the disk{where}; free some space and run the same command again")
        return complain(f"the operating system refuses: {error}")
    except KeyboardInterrupt:
        return complain(f"interrupted; {RESUMES.get(verb, 'nothing was written: run the same command again')}", 130)


def answer(verb: str, words: list[str]) -> int:
    """Run a verb, or print the help or the version, and return the exit code once all is written out."""
    code = 0
    if verb in ("-h", "--help"):
        print(overview())
    elif verb == "--version":
        print(f"groundwave {__version__}")
    else:
        try:
            code = run(verb, words)
        except SystemExit as end:  # how argparse leaves after printing help
            code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()  # here, where a reader that has gone away can still be told from a fault
    return code


def overview() -> str:
    """Return the help of the whole command."""
    lines = [f"  {verb:10}{(function.__doc__ or '').splitlines()[0]}" for verb, function in VERBS.items()]
    return "\n".join(
        [
            "usage: groundwave VERB [ARGUMENTS]",
            "",
            "Radio foundation models: pretrain without labels, adapt with a few, measure, deploy.",
            "",
            *lines,
            "",
            "groundwave VERB --help tells more.",
        ]
    )


def run(verb: str, words: list[str]) -> int:
    """Parse the arguments of a verb by its signature, and call it."""
    function = lookup(VERBS, verb, "command")
    from groundwave.arguments import add_signature, arguments, options, parser_of, takes_mapping

    words = words[:1] + options(words[1:]) if verb == "run" else words
    parser = parser_of(function, f"groundwave {verb}")
    if verb in OWN_SETTINGS and (name := named(verb, words)):
        from groundwave import catalogue

        find, prefix = OWN_SETTINGS[verb]
        add_signature(parser, getattr(catalogue, find)(name), prefix=prefix, skip=SHARED.get(prefix, ()))
    given = arguments(parser, words)
    settings = given.pop("scene", {})
    if takes_mapping(get_type_hints(function).get("scene")):  # its own arguments have names that a scene uses, too
        return function(**given, scene=settings) or 0
    return function(**given, **settings) or 0


def named(verb: str, words: Sequence[str]) -> str:
    """Return the name of what has settings of its own in the words of a command; an empty one where none is named."""
    if verb == "ingest":
        spread = [part for word in words for part in (word.split("=", 1) if word.startswith("--format=") else [word])]
        return dict(pairwise(spread)).get("--format", "")
    return words[0] if words and not words[0].startswith("-") else ""


def complain(text: str, code: int = 2) -> int:
    """Print an error, in red where there is a terminal, and return the exit code."""
    red = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(f"\033[31mgroundwave: {text}\033[0m" if red else f"groundwave: {text}", file=sys.stderr)
    return code
