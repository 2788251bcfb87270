"""Removes everything, and verifies it."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy import names
from deploy.aws import Aws
from deploy.belongings import Thing, belongings, remove, tagged, unused
from deploy.bucket import delete_bucket, stored
from deploy.endpoint import describe
from deploy.errors import NotOurs, StillThere
from deploy.logs import log_groups
from deploy.role import delete_role


@dataclass(frozen=True)
class Removal:
    """What `down` is to remove, and what besides."""

    things: tuple[Thing, ...]
    role: bool = False
    bucket: bool = False


def down(aws: Aws, endpoint: str, bucket: str, removal: Removal) -> list[str]:
    """Removes all of an endpoint's, waits, and looks again. The role and bucket removed, by name. Raises StillThere."""
    for thing in removal.things:
        remove(aws, thing)
    places = {bucket, *(thing.place for thing in removal.things if thing.place)}
    prove_empty(belongings(aws, endpoint, *places))
    extra = []
    if removal.role and delete_role(aws, endpoint):
        extra.append(f"role {names.role_name(aws.region, endpoint)}")
    if removal.bucket and delete_bucket(aws, bucket):
        extra.append(f"bucket {bucket}")
    return extra


def clear(aws: Aws, bucket: str, things: list[Thing]) -> None:
    """Removes orphans and looks again. Raises StillThere."""
    for thing in things:
        remove(aws, thing)
    prove_empty(orphans(aws, bucket))


def prove_empty(left: list[Thing]) -> None:
    """Raises StillThere for anything that a fresh look at AWS still finds."""
    if left:
        error = StillThere("AWS still lists what was deleted, or it was created again.", hint="Run `down` again.")
        error.left = [str(thing) for thing in left]
        raise error


def live_endpoints(aws: Aws) -> list[str]:
    """Our endpoints that serve or are about to; these are no leftovers."""
    found = (describe(aws, item.name) for item in tagged(aws, "endpoint"))
    return sorted(endpoint.name for endpoint in found if endpoint is not None and endpoint.status != "Failed")


def orphans(aws: Aws, bucket: str) -> list[Thing]:
    """What earlier runs left: all that carries our tag and no live endpoint needs, in the order of removal."""
    live = live_endpoints(aws)
    left = []
    for name in sorted(known_names(aws, bucket)):
        things = known_belongings(aws, name, bucket)
        left += unused(aws, name, things) if name in live else things
    return left


def known_belongings(aws: Aws, name: str, bucket: str) -> list[Thing]:
    """All of a name's; nothing where the endpoint of that name is somebody else's."""
    try:
        return belongings(aws, name, bucket)
    except NotOurs:
        return []


def known_names(aws: Aws, bucket: str) -> set[str]:
    """Every endpoint name that anything of ours carries."""
    found = {item.endpoint for kind in ("endpoint", "configuration", "model") for item in tagged(aws, kind)}
    found |= {item.key.split("/")[1] for item in stored(aws, bucket, f"{names.PREFIX}/")}
    return found | set(tagged_logs(aws))


def tagged_logs(aws: Aws) -> Iterator[str]:
    """The endpoint names of the log groups that we made."""
    for group in log_groups(aws):
        if names.TAG in group.tags:
            yield group.tags[names.TAG]
