"""A store in the making: it grows part by part beside its place, and the same command goes on after its last part."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundwave import __version__
from groundwave.atomic import full_disk_told, sync
from groundwave.data.store import Store
from groundwave.errors import BusyError, DataError, OutputExistsError


@contextmanager
def draft(out: Path, verb: str, plan: Mapping[str, Any], **layout: Any) -> Iterator[Store]:
    """Yield the store that is to become `out`: an unfinished one of the same plan in `OUT.partial`, or a new one.

    It is renamed at the end. Whatever stops the work before, parts already committed (see `Store.appender`) stay for
    the next run; only a source that can never be read takes them along.

    Args:
        out: Where the store will be.
        verb: The command at work; notes of the store keep the plan under this name.
        plan: All that decides what the store will hold, as JSON can hold it.
        layout: Arguments of `Store.create` for a new store.

    Raises:
        OutputExistsError: `out` exists, or `OUT.partial` is not ours.
        DataError: `OUT.partial` belongs to another plan, or the disk is full.
    """
    if out.exists():
        raise OutputExistsError(out)
    partial = out.with_name(f"{out.name}.partial")
    with full_disk_told(out):
        store = _found(partial, verb, json.loads(json.dumps(plan)))
        if store is None:
            out.parent.mkdir(parents=True, exist_ok=True)
            store = Store.create(partial, **{**layout, "notes": {**layout.get("notes", {}), verb: plan}})
        try:
            yield store
        except BusyError:
            raise
        except BaseException as error:
            hopeless = isinstance(error, DataError) and not isinstance(error.__cause__, OSError)
            if hopeless or not len(store):  # nothing there that the next run could go on from
                shutil.rmtree(partial)
            raise
        partial.rename(out)
        sync(out.parent.resolve())


def _found(partial: Path, verb: str, plan: Any) -> Store | None:
    """Return the unfinished store of this plan, None where there is none yet."""
    if not partial.exists():
        return None
    if partial.is_dir() and all(path.name.startswith((".manifest.json.", ".lock")) for path in partial.iterdir()):
        shutil.rmtree(partial)  # stopped before its first manifest
        return None
    try:
        store = Store.open(partial)
    except DataError:
        raise OutputExistsError(partial) from None
    known = store.manifest.notes.get(verb)
    if known is None:
        raise OutputExistsError(partial)
    if store.manifest.groundwave != __version__ or known != plan:
        raise _other(partial, {"version": store.manifest.groundwave, **known}, {"version": __version__, **plan})
    return store


def _other(partial: Path, known: Mapping[str, Any], plan: Mapping[str, Any]) -> DataError:
    differ = [name for name in {**known, **plan} if known.get(name) != plan.get(name)]
    told = [f"{name} {json.dumps(known.get(name)):.60}, not {json.dumps(plan.get(name)):.60}" for name in differ]
    return DataError(
        got=f"{partial}, the unfinished store of another command ({'; '.join(told)})",
        expected="the same command again",
        do="finish that one first, choose another output path, or remove the unfinished store",
    )
