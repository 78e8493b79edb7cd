"""What `facehub model add` does."""

from __future__ import annotations

import argparse

from facehub.cli.output import EXIT_YES, line, print_json
from facehub.errors import FaceHubError
from facehub.model.add import add_network
from facehub.model.spec import Preprocessing
from facehub.template import TEMPLATES


def run_add(args: argparse.Namespace) -> int:
    """`facehub model add`."""
    try:
        preprocessing = Preprocessing(
            colour=args.colour,
            layout=args.layout,
            mean=_one_or_three(args.mean),
            std=_one_or_three(args.std),
        )
    except ValueError as error:
        raise FaceHubError(f"The preprocessing makes no sense: {error}.") from error
    spec = add_network(
        args.network,
        args.output,
        template=TEMPLATES[args.template],
        preprocessing=preprocessing,
        flip=args.flip,
        threshold=args.threshold,
        overwrite=args.force,
    )
    if args.json:
        print_json(
            output=str(args.output),
            fingerprint=spec.fingerprint,
            embedding_size=spec.embedding_size,
            threshold=spec.threshold,
        )
        return EXIT_YES
    print(line(f"{args.output}: {spec.embedding_size}-d embeddings, {spec.fingerprint}"))
    if spec.threshold is None:
        print(
            line(
                "no threshold yet: in a checkout of facehub, `python -m train calibrate "
                f"{args.output} FACES --dataset NAME --fmr 1e-3` measures one"
            )
        )
    return EXIT_YES


def _one_or_three(values: list[float]) -> float | tuple[float, float, float]:
    return values[0] if len(values) == 1 else (values[0], values[1], values[2])
