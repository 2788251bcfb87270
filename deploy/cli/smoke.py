"""`detect-deploy smoke`."""

from deploy.cli.options import Asked, Common, takes
from deploy.cli.prepare import account, tester
from deploy.cli.screen import answering, flat
from deploy.endpoint import existing


@takes(common=Common, asked=Asked)
def command(common: Common, asked: Asked) -> None:
    """Post a real image and check the response's shape, boxes and latency."""
    with answering(common.as_json) as screen:
        aws = account(common, screen)
        tester(screen, aws, asked)(existing(aws, common.endpoint_name))
        screen.table("Smoke test", ("", ""), flat(screen.answer["smoke"]))
