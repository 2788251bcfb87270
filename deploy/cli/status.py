"""`detect-deploy status`."""

import typer

from deploy.cli.options import Common, takes
from deploy.cli.prepare import account
from deploy.cli.screen import answering, flat
from deploy.status import status

NOT_IN_SERVICE = 1


@takes(common=Common)
def command(common: Common) -> None:
    """Show state, variant, instances and the last hour's invocations, errors and latency. 1 unless it is in service."""
    with answering(common.as_json) as screen:
        found = status(account(common, screen), common.endpoint_name)
        screen.answer.update(found)
        screen.table(f"Endpoint {common.endpoint_name}", ("", ""), list(flat(found)))
    if found["status"] != "InService":
        raise typer.Exit(NOT_IN_SERVICE)
