"""What `detect-deploy batch` does with its plan, and what it shows."""

from dataclasses import asdict, dataclass

from deploy.aws import Aws
from deploy.batch.plan import Job, Plan, make_plan
from deploy.batch.policies import runner
from deploy.batch.price import Price, price
from deploy.batch.run import Tally, abandon, check_start, run
from deploy.cli.screen import Screen
from deploy.cost.prices import read_prices
from deploy.errors import PermissionDenied
from deploy.policies import boundary, execution

TITLES = {
    "runner": "Policy of whoever runs batch jobs",
    "execution": "Policy of the execution role",
    "boundary": "Permissions boundary of the execution role, for an administrator to make",
}


@dataclass(frozen=True)
class Doing:
    """What of it the operator asks for."""

    plan_only: bool
    abandon: bool
    yes: bool
    throughput: float | None


def do(screen: Screen, aws: Aws, wanted: Job, doing: Doing) -> None:
    """Plans and acts; a missing permission comes with the policy that gives it."""
    plan = make_plan(aws, wanted)
    cost = price(read_prices(), plan.machines, plan.work, doing.throughput)
    try:
        act(screen, aws, plan, cost, doing)
    except PermissionDenied as error:
        error.documents = error.documents or {"the policy of whoever runs batch jobs": runner(plan)}
        raise


def act(screen: Screen, aws: Aws, plan: Plan, cost: Price, doing: Doing) -> None:
    """Shows the plan, and does what is asked for."""
    show_plan(screen, plan, cost)
    if doing.plan_only:
        show_policies(screen, plan)
    elif doing.abandon:
        screen.confirm("Stop the job and delete all that it made?", doing.yes)
        abandon(aws, plan)
        screen.say("The job is stopped, and nothing of it is left.")
    else:
        check_start(plan)
        if plan.is_done:
            screen.say("An earlier run has written all of the output.")
        screen.confirm(f"Detect objects in {plan.survey.count:,} files?", doing.yes or plan.is_done)
        show_tally(screen, plan, run(aws, plan, cost), cost)


def show_plan(screen: Screen, plan: Plan, cost: Price) -> None:
    """The plan's lines and its price."""
    steps = plan.steps
    screen.answer |= {
        "job": f"{plan.name}-{plan.job}",
        "plan": [asdict(step) for step in steps],
        "cost": cost.as_dict(),
    }
    screen.table("Plan", ("", "what", "name", ""), [(s.action, s.kind, s.name, s.note) for s in steps])
    screen.say(cost.line())


def show_policies(screen: Screen, plan: Plan) -> None:
    """The documents of whoever runs the job, and of what it runs as."""
    found = {"runner": runner(plan), "execution": execution(plan.scope), "boundary": boundary(plan.scope)}
    screen.answer["policies"] = found
    for name, title in TITLES.items():
        screen.document(title, found[name])


def show_tally(screen: Screen, plan: Plan, tally: Tally, cost: Price) -> None:
    """What became of the files."""
    spent = cost.spent(tally.seconds)
    screen.answer |= {"output": plan.output.address, "result": asdict(tally), "spent": spent}
    if tally.files:
        screen.say(f"{tally.files:,} files: {tally.objects:,} objects, {tally.problems:,} files with a problem.")
    if tally.problems:
        screen.say(f"The first problem: {tally.first_problem}")
    if tally.seconds and spent is not None:
        screen.say(f"The machines worked for {tally.seconds / 60:.0f} minutes: ${spent:.2f}.")
    screen.say(f"Answers: {plan.output.address}")
