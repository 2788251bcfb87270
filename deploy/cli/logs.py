"""`detect-deploy logs`."""

from typing import Annotated

from deploy.cli.options import Common, option, takes
from deploy.cli.prepare import account
from deploy.cli.screen import answering
from deploy.errors import Refused
from deploy.logs import stream, tail


@takes(common=Common)
def command(
    common: Common,
    lines: Annotated[int, option(text="How many of the last lines.", min=1)] = 50,
    minutes: Annotated[int, option(text="How far to look back.", min=1)] = 60,
    follow: Annotated[bool, option("--follow", "-f", text="Go on with every new line until stopped.")] = False,
) -> None:
    """Show what the container logs."""
    with answering(common.as_json) as screen:
        if follow and common.as_json:
            raise Refused("--follow never ends, and a JSON document does.")
        aws = account(common, screen)
        screen.answer["lines"] = found = tail(aws, common.endpoint_name, lines, minutes)
        for line in found:
            screen.say(line)
        for line in stream(aws, common.endpoint_name) if follow else ():
            screen.say(line)
