"""What `facehub serve` and `facehub keys` do."""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from facehub.cli.faces import load_recognizer
from facehub.cli.output import EXIT_YES, line, print_json
from facehub.errors import FaceHubError
from facehub.service.keys import (
    DEFAULT_RATE,
    Key,
    Scope,
    changing_keys,
    make_key,
    read_keys,
    write_keys,
)


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `facehub serve`; what is not given is taken from the environment."""
    parser.add_argument("--keys", type=Path, help="file of API keys (default: $FACEHUB_KEYS)")
    parser.add_argument(
        "--gallery",
        action="append",
        metavar="NAME=ADDRESS",
        help="a gallery, people=people.db say; may be repeated (default: $FACEHUB_GALLERIES)",
    )
    parser.add_argument(
        "--allow-embed", action="store_true", help="give embeddings to keys with that scope"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port (default: %(default)s)")


def add_keys_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `facehub keys`."""
    parser.add_argument("keys", type=Path, help="file of keys, made if missing")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--add", metavar="NAME", help="make a key; prints its token, once")
    change.add_argument("--remove", metavar="NAME", help="remove a key")
    parser.add_argument(
        "--scopes",
        type=_scopes,
        default=[Scope.READ],
        help=f"of {', '.join(Scope)} (default: read)",
    )
    parser.add_argument(
        "--rate", type=int, default=DEFAULT_RATE, help="requests a minute (default: %(default)s)"
    )
    parser.add_argument("--galleries", type=_words, help="those it may use (default: all)")


def run_serve(args: argparse.Namespace) -> int:
    """`facehub serve`."""
    try:
        from facehub.service.launch import serve
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
            raise
        raise FaceHubError("The service needs FastAPI: pip install 'facehub[serve]'.") from error
    from facehub.service.settings import Settings, read_addresses

    settings = Settings.from_environment()
    if args.keys is not None:
        settings = replace(settings, keys=args.keys)
    if args.gallery is not None:
        settings = replace(settings, galleries=read_addresses(args.gallery))
    if args.allow_embed:
        settings = replace(settings, allow_embed=True)
    serve(load_recognizer(args), settings, host=args.host, port=args.port)
    return EXIT_YES


def run_keys(args: argparse.Namespace) -> int:
    """`facehub keys`."""
    if args.add is not None:
        with changing_keys(args.keys):
            return _add_key(args)
    if args.remove is not None:
        with changing_keys(args.keys):
            keys = read_keys(args.keys)
            left = [key for key in keys if key.name != args.remove]
            if len(left) == len(keys):
                raise FaceHubError(f"There is no key {args.remove}.")
            write_keys(args.keys, left)
    else:
        left = read_keys(args.keys)
    if args.json:
        print_json(keys=[_to_dict(key) for key in left])
        return EXIT_YES
    for key in left:
        where = "all galleries" if key.galleries is None else ", ".join(sorted(key.galleries))
        rate = f"{key.rate} requests a minute"
        print(line(f"{key.name}: {', '.join(sorted(key.scopes))}; {rate}; {where}"))
    return EXIT_YES


def _add_key(args: argparse.Namespace) -> int:
    keys = read_keys(args.keys) if os.path.exists(args.keys) else []
    if any(key.name == args.add for key in keys):
        raise FaceHubError(f"There is already a key {args.add}.")
    key, token = make_key(args.add, args.scopes, args.rate, args.galleries)
    write_keys(args.keys, [*keys, key])
    if args.json:
        print_json(name=key.name, token=token)
    else:
        print(token)
    print("Keep this token: it is written nowhere else.", file=sys.stderr)
    return EXIT_YES


def _to_dict(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "rate": key.rate,
        "galleries": None if key.galleries is None else sorted(key.galleries),
    }


def _words(text: str) -> list[str]:
    """From "staff,visitors"."""
    return re.findall(r"[^,\s]+", text)


def _scopes(text: str) -> list[Scope]:
    """From "read,enrol"."""
    try:
        return [Scope(word) for word in _words(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; there are {', '.join(Scope)}") from error
