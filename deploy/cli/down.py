"""`detect-deploy down`."""

from typing import Annotated

from deploy.belongings import Thing, belongings
from deploy.cli.options import Bucket, Common, Yes, option, takes
from deploy.cli.prepare import account
from deploy.cli.screen import Screen, answering
from deploy.down import Removal, clear, down, orphans
from deploy.errors import Refused
from deploy.names import bucket_name


@takes(common=Common)
def command(
    common: Common,
    yes: Yes = False,
    bucket: Bucket = None,
    delete_role: Annotated[bool, option("--delete-role", text="Also remove the role that `up` made.")] = False,
    delete_bucket: Annotated[bool, option("--delete-bucket", text="Also remove the bucket, if it is empty.")] = False,
    all_orphans: Annotated[bool, option("--all-orphans", text="What earlier runs left, of every endpoint.")] = False,
) -> None:
    """Remove the endpoint and all that belongs to it, and verify that nothing that bills is left."""
    with answering(common.as_json) as screen:
        if all_orphans and (delete_role or delete_bucket):
            raise Refused("--all-orphans removes neither roles nor buckets.")
        aws = account(common, screen)
        place = bucket or bucket_name(aws.region, aws.account)
        things = orphans(aws, place) if all_orphans else belongings(aws, common.endpoint_name, place)
        screen.table("To be removed", ("what", "name", "endpoint"), [(t.kind, t.name, t.endpoint) for t in things])
        screen.confirm(f"Remove {len(things)} things for good?", yes or not (things or delete_role or delete_bucket))
        if all_orphans:
            clear(aws, place, things)
            extra: list[str] = []
        else:
            extra = down(aws, common.endpoint_name, place, Removal(tuple(things), delete_role, delete_bucket))
        show_removed(screen, things, extra)


def show_removed(screen: Screen, things: list[Thing], extra: list[str]) -> None:
    """What is gone; AWS was asked again and named nothing."""
    screen.answer["removed"] = [*map(str, things), *extra]
    screen.answer["left"] = []
    for name in extra:
        screen.say(f"{name} is gone")
    screen.say("AWS was asked again: nothing that bills is left.")
