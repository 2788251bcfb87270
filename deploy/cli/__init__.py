"""detect-deploy: plan, up, update, scale, down. What only looks is in cli_look.py."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from deploy import down as removal
from deploy import scale as scaling
from deploy import up as making
from deploy import update as changing
from deploy.aws import Aws
from deploy.belongings import Thing, belongings
from deploy.bill import cost_line, plan_cost
from deploy.cli_look import look
from deploy.current import Current, read_current
from deploy.endpoint import Endpoint, existing
from deploy.errors import DeployError, Refused
from deploy.names import bucket_name
from deploy.options import Asked, Common, NoSmoke, Rollback, Wanted, Yes, option, takes
from deploy.plan import Plan
from deploy.policies import deployer, execution, gateway
from deploy.prepare import account, plan_any, plan_change, plan_new
from deploy.prices import read_prices
from deploy.screen import Screen, answering
from deploy.smoke import smoke
from deploy.update import Smoke

app = typer.Typer(
    help="Puts a detector on SageMaker, watches it, and takes it away again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The command line."""
    app()


@app.command()
@takes(common=Common, wanted=Wanted)
def plan(common: Common, wanted: Wanted) -> None:
    """Show what would be created or changed, the roles' policies and the cost. Touches nothing."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        made = plan_any(aws, common, wanted)
        show_plan(screen, made)
        policies = {
            "deployer": deployer(made.scope),
            "execution": execution(made.scope),
            "gateway": gateway(made.scope),
        }
        screen.answer["policies"] = policies
        for role, policy in policies.items():
            screen.document(f"Policy of the {role} role", policy)


@app.command()
@takes(common=Common, wanted=Wanted, asked=Asked)
def up(
    common: Common,
    wanted: Wanted,
    asked: Asked,
    yes: Yes = False,
    rollback: Rollback = False,
    no_smoke: NoSmoke = False,
) -> None:
    """Make the endpoint, or go on where an earlier `up` was stopped."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        made = plan_new(aws, common, wanted)
        making.check_new(made)
        show_plan(screen, made)
        screen.confirm(f"Make the endpoint {common.endpoint_name}?", yes or made.endpoint_action == "keep")
        test = no_test if no_smoke else tester(screen, aws, asked)
        with undoing(aws, made, partial(making.roll_back, aws, made) if rollback else None):
            endpoint = making.up(aws, made)
            test(endpoint)
        show_endpoint(screen, endpoint)


@app.command()
@takes(common=Common, wanted=Wanted, asked=Asked)
def update(
    common: Common,
    wanted: Wanted,
    asked: Asked,
    yes: Yes = False,
    rollback: Rollback = False,
    no_smoke: NoSmoke = False,
    back: Annotated[bool, option("--back", text="Return to the configuration before this one.")] = False,
) -> None:
    """Change the endpoint without downtime; what is not given stays as it is. The old configuration is kept back."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        made, current = plan_change(aws, common, wanted)
        test = no_test if no_smoke else tester(screen, aws, asked)
        if back:
            screen.confirm(f"Return to {current.previous}?", yes)
            show_endpoint(screen, changing.back(aws, common.endpoint_name, current, test))
            return
        changing.check_change(aws, current, made)
        show_plan(screen, made)
        screen.confirm(f"Change the endpoint {common.endpoint_name}?", yes)
        with undoing(aws, made, partial(changing.roll_back, aws, made) if rollback else None):
            endpoint = changing.update(aws, made, test)
        show_endpoint(screen, endpoint)


@contextmanager
def undoing(aws: Aws, made: Plan, undo: Callable[[], None] | None) -> Iterator[None]:
    """Takes back what fails inside, if asked, and writes into the error what exists then."""
    try:
        yield
    except DeployError as error:
        try:
            if undo is not None:
                undo()
        except DeployError as second:
            error.hint = f"{error.hint} Taking it back failed too: {second}".strip()
        making.annotate(aws, made, error)
        raise


@app.command()
@takes(common=Common)
def scale(
    common: Common,
    yes: Yes = False,
    minimum: Annotated[int, option("--min", text="Least instances.")] = 1,
    maximum: Annotated[int | None, option("--max", text="Most instances: turns target tracking on.")] = None,
    invocations: Annotated[float, option(text="Pictures a minute that one instance should have.")] = 600.0,
    instances: Annotated[int | None, option(text="A fixed number of instances instead.")] = None,
    concurrency: Annotated[int | None, option(text="Serverless: requests at once.")] = None,
    off: Annotated[bool, option("--off", text="End target tracking.")] = False,
) -> None:
    """Set target tracking (--max), a fixed number (--instances) or serverless concurrency (--concurrency)."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        tracking = None if maximum is None else scaling.Tracking(minimum, maximum, invocations)
        order = scaling.Order(tracking, instances, concurrency, off)
        current = read_current(aws, existing(aws, common.endpoint_name))
        scaling.check_order(order, current.wish)
        show_scaling(screen, current, order, aws.region)
        screen.confirm(f"Scale the endpoint {common.endpoint_name}?", yes)
        if concurrency is not None:
            made, _ = plan_change(aws, common, Wanted(concurrency=concurrency))
            changing.update(aws, made, no_test)
        else:
            scaling.carry_out(aws, common.endpoint_name, order)
        screen.answer["scaled"] = asdict(order)


@app.command()
@takes(common=Common)
def down(
    common: Common,
    yes: Yes = False,
    bucket: Annotated[str | None, option(text="Bucket of the artifact. Default: sagemaker-REGION-ACCOUNT.")] = None,
    delete_role: Annotated[bool, option("--delete-role", text="Also remove the role that `up` made.")] = False,
    delete_bucket: Annotated[bool, option("--delete-bucket", text="Also remove the bucket, if it is empty.")] = False,
    all_orphans: Annotated[bool, option("--all-orphans", text="What earlier runs left, of every endpoint.")] = False,
) -> None:
    """Remove the endpoint and all that belongs to it, and prove that nothing that bills is left."""
    with answering(common.as_json) as screen:
        if all_orphans and (delete_role or delete_bucket):
            raise Refused("--all-orphans removes neither roles nor buckets.")
        aws = account(common, screen.report)
        place = bucket or bucket_name(aws.region, aws.account)
        things = removal.orphans(aws, place) if all_orphans else belongings(aws, common.endpoint_name, place)
        screen.table("To be removed", ("what", "name", "endpoint"), [(t.kind, t.name, t.endpoint) for t in things])
        screen.confirm(f"Remove {len(things)} things for good?", yes or not (things or delete_role or delete_bucket))
        if all_orphans:
            removal.clear(aws, place, things)
            extra: list[str] = []
        else:
            extra = removal.down(
                aws, common.endpoint_name, place, removal.Removal(tuple(things), delete_role, delete_bucket)
            )
        show_removed(screen, things, extra)


def show_plan(screen: Screen, made: Plan) -> None:
    """The plan's lines and its cost."""
    cost = plan_cost(read_prices(), made.wish, made.scope.region)
    screen.answer["plan"] = [asdict(step) for step in made.steps]
    screen.answer["cost"] = cost
    screen.table("Plan", ("", "what", "name", ""), [(s.action, s.kind, s.name, s.note) for s in made.steps])
    screen.say(cost_line(cost))


def show_endpoint(screen: Screen, endpoint: Endpoint) -> None:
    """What there is now."""
    screen.answer["endpoint"] = {"name": endpoint.name, "status": endpoint.status, "configuration": endpoint.config}
    screen.say(
        f"The endpoint {endpoint.name} is {endpoint.status}. For the gateway: DETECT_ENDPOINT_NAME={endpoint.name}"
    )


def show_scaling(screen: Screen, current: Current, order: scaling.Order, region: str) -> None:
    """What the endpoint may cost after scaling."""
    least, most = scaling.bounds(order, current.wish)
    costs = [plan_cost(read_prices(), scaling.with_instances(current.wish, count), region) for count in (least, most)]
    screen.answer["cost"] = {"least": costs[0], "most": costs[1]}
    screen.say(f"At least {least}: {cost_line(costs[0])}")
    screen.say(f"At most {most}: {cost_line(costs[1])}")


def show_removed(screen: Screen, things: list[Thing], extra: list[str]) -> None:
    """What is gone; the proof is that AWS was asked again and named nothing."""
    screen.answer["removed"] = [*map(str, things), *extra]
    screen.answer["left"] = []
    for name in extra:
        screen.say(f"{name} is gone")
    screen.say("AWS was asked again: nothing that bills is left.")


def tester(screen: Screen, aws: Aws, asked: Asked) -> Smoke:
    """The smoke test of an endpoint in service, for the model that it serves."""

    def test(endpoint: Endpoint) -> None:
        wish = read_current(aws, endpoint).wish
        result = smoke(aws, endpoint.name, wish.target, asked.question(wish.input_size))
        screen.answer["smoke"] = result.as_dict()

    return test


def no_test(endpoint: Endpoint) -> None:
    """Believes AWS."""


look(app)
