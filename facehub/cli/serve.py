"""What `facehub serve` and `facehub keys` do."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from facehub.cli.arguments import names, names_of, whole_number
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
    """Add the arguments of `facehub serve`; the environment gives those that are left out."""
    parser.add_argument("--keys", type=Path, help="file of API keys (default: $FACEHUB_KEYS)")
    parser.add_argument(
        "--gallery",
        action="append",
        metavar="NAME=ADDRESS",
        help="a gallery, such as people=people.db; may be repeated (default: $FACEHUB_GALLERIES)",
    )
    parser.add_argument(
        "--allow-embed", action="store_true", help="give embeddings to keys with that scope"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=8000,
        help="port; 0 for any free one (default: %(default)s)",
    )


def add_keys_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `facehub keys`."""
    parser.add_argument("keys", type=Path, help="file of keys, made if missing")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--add", metavar="NAME", help="make a key; prints its token, once")
    change.add_argument("--remove", metavar="NAME", help="remove a key")
    parser.add_argument(
        "--scopes",
        type=names_of(Scope),
        default=[Scope.READ],
        help=f"what it may do: {', '.join(Scope)}, separated by commas (default: read)",
    )
    parser.add_argument(
        "--rate",
        type=whole_number(),
        default=DEFAULT_RATE,
        help="requests a minute (default: %(default)s)",
    )
    parser.add_argument(
        "--galleries", type=names, help="galleries it may use, separated by commas (default: all)"
    )


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
    serve(
        load_recognizer(args),
        settings,
        host=args.host,
        port=args.port,
        on_start=(lambda url: print_json(url=url)) if args.json else None,
    )
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
    print("Keep this token: it is not stored anywhere.", file=sys.stderr)
    return EXIT_YES


def _to_dict(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "rate": key.rate,
        "galleries": None if key.galleries is None else sorted(key.galleries),
    }
