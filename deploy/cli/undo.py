"""What happens when `up` or `update` fails: the way back if asked for, and what exists then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.aws import Aws
from deploy.belongings import belongings
from deploy.diagnose import UNKNOWN, likely_cause
from deploy.errors import DeployError, PermissionDenied
from deploy.plan import Plan
from deploy.policies import deployer


@contextmanager
def undoing(aws: Aws, plan: Plan, undo: Callable[[], None] | None) -> Iterator[None]:
    """Undoes what fails inside, if asked, and writes into the error what exists then."""
    try:
        yield
    except DeployError as error:
        try:
            if undo is not None:
                undo()
        except DeployError as second:
            error.hint = f"{error.hint} Rolling back failed too: {second}".strip()
        annotate(aws, plan, error)
        raise


def annotate(aws: Aws, plan: Plan, error: DeployError) -> None:
    """Writes into an error what to do, and what exists now as far as AWS still tells."""
    cause = likely_cause(str(error), [])
    if not error.hint and cause != UNKNOWN:
        error.hint = f"Likely cause: {cause}"
    if isinstance(error, PermissionDenied) and not error.documents:
        error.documents = {"the deployer's policy": deployer(plan.scope)}
    try:
        error.left = [str(thing) for thing in belongings(aws, plan.wish.endpoint, plan.bucket.name)]
    except DeployError:
        error.left = []
