"""`detect-deploy image`."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from deploy.cli.options import Common, option, takes
from deploy.cli.prepare import account
from deploy.cli.screen import answering
from deploy.errors import Refused
from deploy.image import build_and_push, lines, own_image

ARCHITECTURES = ("amd64", "arm64")
STDERR = 2


@takes(common=Common)
def command(
    common: Common,
    name: Annotated[str, option(text="Repository and tag.")] = f"detect-endpoint:{version('detect-gateway')}",
    architecture: Annotated[str, option(text="amd64, or arm64 for Graviton.")] = "amd64",
    context: Annotated[Path, option(text="The checkout, with its Dockerfile.")] = Path(),
    print_lines: Annotated[bool, option("--print", text="Print the lines to type instead of running them.")] = False,
) -> None:
    """Build the endpoint's image as SageMaker takes it, push it to ECR, and print what --image takes."""
    with answering(common.as_json) as screen:
        if architecture not in ARCHITECTURES:
            raise Refused(f"--architecture is {' or '.join(ARCHITECTURES)}, not {architecture!r}.")
        aws = account(common, screen)
        image = own_image(aws, name)
        screen.answer |= {"image": image.uri, "lines": lines(image, architecture, str(context))}
        if print_lines:
            for line in screen.answer["lines"]:
                screen.say(line)
            return
        build_and_push(aws, image, architecture, context, subprocess.DEVNULL if common.as_json else STDERR)
        screen.say(image.uri)
