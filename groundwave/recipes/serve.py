"""A model behind HTTP: for this machine alone, or for others with a token."""

import os
from importlib.util import find_spec
from pathlib import Path

import torch

from groundwave.errors import GroundwaveError
from groundwave.model import Model

GROUNDWAVE_TOKEN = "GROUNDWAVE_TOKEN"  # the variable
LEAST_TOKEN = 16  # characters


def serve(model: str, *, host: str, port: int, token_file: Path | None, body_mb: float, seconds: float) -> None:
    """Serve a model until Ctrl-C; prints where once it listens there.

    Args:
        model: packaged model or model folder.
        host: address to listen on.
        port: to listen on; 0 takes any that is free.
        token_file: holds the token; by default the variable `GROUNDWAVE_TOKEN` does, if it is set.
        body_mb: most of a request, in megabytes.
        seconds: in which a request must have come, and in which it must be answered.

    Raises:
        GroundwaveError: the packages of the extra `serve` are not installed, other machines could ask without token, or
            an address that is not free.
    """
    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        raise GroundwaveError(
            got=f"no package {', '.join(missing)}",
            expected="the packages that answer HTTP",
            do="install them: pip install 'groundwave[serve]'",
        )
    from groundwave.deploy.guard import Limits, is_loopback
    from groundwave.deploy.listen import bound, listen
    from groundwave.deploy.serve import application

    if not (body_mb > 0 and seconds > 0):
        raise GroundwaveError(f"--body-mb {body_mb:g} --seconds {seconds:g}", "numbers above 0", "correct them")
    if not 0 <= port < 1 << 16:
        raise GroundwaveError(f"--port {port}", "0 (any free one) to 65535", "choose another, such as 8000")
    token = token_of(token_file)
    if token is None and not is_loopback(host):
        raise GroundwaveError(
            got=f"--host {host}, which other machines can reach, without a token",
            expected="a token, or an address of this machine alone",
            do=f"set {GROUNDWAVE_TOKEN}, give --token-file, or leave --host out",
        )
    limits = Limits(body_bytes=round(body_mb * 1e6), body_seconds=seconds, seconds=seconds)
    app = application(Path(model).name, Model.load(model), token=token, limits=limits)
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))  # one is left for the requests
    with bound(host, port) as at:
        name, number = f"[{host}]" if ":" in host else host, at.getsockname()[1]
        print(f"http://{name}:{number}, described at /openapi.json", flush=True)
        listen(app, at)


def token_of(file: Path | None) -> str | None:
    """Return the token that a file or the environment holds, None without either.

    Raises:
        GroundwaveError: a file that cannot be read, or a token that is too short or not of printable ASCII.
    """
    if file is not None:
        try:
            token = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise GroundwaveError(
                f"--token-file {file} ({error})", "a file of text", "write the token to it"
            ) from error
    elif GROUNDWAVE_TOKEN in os.environ:
        token = os.environ[GROUNDWAVE_TOKEN].strip()
    else:
        return None
    if len(token) < LEAST_TOKEN or not (token.isascii() and token.isprintable()):
        raise GroundwaveError(
            got=f"a token of {len(token)} characters",
            expected=f"at least {LEAST_TOKEN} of printable ASCII",
            do="make one: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return token
