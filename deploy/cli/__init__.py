"""detect-deploy: one file for each command, and what they share."""

import typer

from deploy.cli import batch, cost, down, image, logs, plan, scale, smoke, status, up, update

app = typer.Typer(
    help="Puts a detector on SageMaker, watches it, and removes it again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("image")(image.command)
app.command("plan")(plan.command)
app.command("up")(up.command)
app.command("update")(update.command)
app.command("scale")(scale.command)
app.command("down")(down.command)
app.command("status")(status.command)
app.command("smoke")(smoke.command)
app.command("logs")(logs.command)
app.command("batch")(batch.command)
app.command("cost")(cost.command)


def main() -> None:
    """The command line."""
    app()
