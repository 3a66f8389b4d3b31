"""``gdinousam serve``: the page and the API on this machine."""

from __future__ import annotations

import argparse
import logging
import os
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gdinousam.commands.common import run
from gdinousam.commands.label_studio_options import add_label_studio_options, label_studio_settings
from gdinousam.errors import InputError

if TYPE_CHECKING:
    from gdinousam.prediction.segmenter import Segmenter
    from gdinousam.serving.settings import ServeSettings

logger = logging.getLogger(__name__)

PROGRAM = "gdinousam serve"
LIBRARIES = ("fastapi", "uvicorn", "python_multipart")
BACKLOG = 512  # connections that wait to be taken
EXAMPLE = (
    "example: %(prog)s --model small --model runs/train, then open http://127.0.0.1:8000 in a browser. For research; "
    "not for diagnosis. exit code: 0 when it was stopped, 2 where it could not start"
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(serve_command, arguments, program))


def serve_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, load the models and answer requests until the process is stopped; returns the exit code."""
    options = _parser(program).parse_args(arguments)
    missing = next((name for name in LIBRARIES if find_spec(name) is None), None)
    if missing is not None:
        raise InputError(f'{missing}, which a server needs, is not installed; run pip install "gdinousam[serve]"')
    settings, label_studio = _settings(options), label_studio_settings(options)
    with _listening(settings.host, settings.port) as listening:  # before the models, which take seconds
        import uvicorn

        from gdinousam.serving.app import create_app
        from gdinousam.serving.label_studio import label_studio_router

        models = load_models(options.model or ["small"], options.device)
        config = uvicorn.Config(
            create_app(models, settings, [label_studio_router(label_studio, settings.max_bytes)]),
            log_config=None,
            access_log=False,  # its lines have addresses of clients; ours do not
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        logging.getLogger("gdinousam").setLevel(logging.ERROR)  # names of files and phrases stay out of the log
        logging.getLogger("gdinousam.serving").setLevel(logging.INFO)
        logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # may tell values of elements
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{port} serves {', '.join(models)}; stop it with Ctrl-C", flush=True)
        with suppress(KeyboardInterrupt):  # which uvicorn hands on once it has stopped
            uvicorn.Server(config).run(sockets=[listening])
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Serve models to a page in the browser, to programs (/docs lists the API) and to annotation tools. "
        "Uploads are not kept. Without a token only programs of this machine are answered.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="small, small-v1, paper, a folder, a training run or a hub id; may be given several times, the first is "
        "the default (small)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (%(default)s)")
    reach = parser.add_argument_group("who may ask")
    reach.add_argument("--host", metavar="ADDRESS", help="address to listen on; others than 127.0.0.1 need a token")
    reach.add_argument("--port", type=int, metavar="N", help="port to listen on; 0: a free one (8000)")
    reach.add_argument("--token-file", type=Path, metavar="FILE", help="file with the token, else GDINOUSAM_TOKEN")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-megabytes", type=float, metavar="MB", help="largest request (64)")
    limits.add_argument("--max-megapixels", type=float, metavar="MP", help="largest picture or frame (16)")
    limits.add_argument("--max-frames", type=int, metavar="N", help="most frames of a clip (2000)")
    limits.add_argument("--queue", type=int, metavar="N", help="requests taken in at once (64)")
    limits.add_argument(
        "--together", type=int, metavar="N", help="images that go through a model at once (1); see docs/serving.md"
    )
    limits.add_argument("--keep-minutes", type=float, metavar="M", help="how long results of clips are kept (30)")
    add_label_studio_options(parser)
    parser.add_argument("--corrections", type=Path, metavar="FOLDER", help="folder that gets corrections saved there")
    return parser


def _settings(options: argparse.Namespace) -> ServeSettings:
    from pydantic import ValidationError

    from gdinousam.reading import reason_of
    from gdinousam.serving.settings import TOKEN_VARIABLE, ServeSettings, read_token

    token = os.environ.get(TOKEN_VARIABLE) or None
    if options.token_file is not None:
        token = read_token(options.token_file)
    names = set(ServeSettings.model_fields) - {"token"}
    given: dict[str, Any] = {name: value for name, value in vars(options).items() if name in names}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return ServeSettings(**given, token=token)
    except ValidationError as error:  # which would repeat the token
        raise InputError(f"serve: {reason_of(error).removeprefix('Value error, ')}") from None


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot listen on {host}, port {port} ({reason}); name others by --host and --port"
        ) from error


def load_models(names: Sequence[str], device: str = "auto") -> dict[str, Segmenter]:
    """Load models, by short names that no two share. Raises InputError for what cannot be loaded."""
    from gdinousam.prediction.segmenter import Segmenter

    models: dict[str, Segmenter] = {}
    for name in names:
        segmenter = Segmenter.load(name, device=device)
        _ = segmenter.trained_phrases  # a note that cannot be read is told now
        short = re.sub(r"[^\w.-]+", "-", Path(name).resolve().name if Path(name).exists() else name.split("/")[-1])
        number = 1
        while (unique := short if number == 1 else f"{short}-{number}") in models:
            number += 1
        models[unique] = segmenter
    return models


if __name__ == "__main__":
    main()
