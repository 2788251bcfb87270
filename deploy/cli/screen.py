"""What the operator sees: tables and progress, or one JSON document."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.errors import DeployError, NotConfirmed

INTERRUPTED = 130


class Screen:
    """Results go to stdout, progress and errors to stderr; with `as_json` stdout gets `answer`, and stderr nothing."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.answer: dict[str, Any] = {}
        self.out = Console(quiet=as_json, highlight=False)
        self.err = Console(stderr=True, quiet=as_json, highlight=False)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.err, transient=True, disable=as_json)
        self.task = self.progress.add_task("", total=None, visible=False)
        self.said = ""

    def report(self, text: str, done: float | None = None) -> None:
        """Shows what AWS is doing; `done` 1 ends a step, which stays on the screen."""
        if done is not None and done >= 1.0:
            self.progress.reset(self.task, total=None, visible=False)
            self.progress.console.print(f"[green]✓[/] {escape(text)}")
        elif self.err.is_terminal:
            self.progress.update(self.task, description=escape(text), completed=done or 0, visible=True)
            self.progress.update(self.task, total=None if done is None else 1)
        elif text != self.said:
            self.err.print(escape(text))
        self.said = text

    def hear(self, line: str) -> None:
        """Shows a line of the container's log, which stays on the screen."""
        self.progress.console.print(f"[dim]  {escape(line)}[/]")

    def table(self, title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Prints a table; None is a dash."""
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("-" if cell is None else escape(str(cell)) for cell in row))
        self.out.print(table)

    def say(self, text: str) -> None:
        """Prints a line."""
        self.out.print(escape(text))

    def document(self, title: str, content: Any) -> None:
        """Prints JSON under a title."""
        self.out.print(f"[bold]{escape(title)}[/]")
        self.out.print_json(data=content)

    def confirm(self, question: str, yes: bool) -> None:
        """Asks. Raises NotConfirmed for a no, and where nobody can be asked."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise NotConfirmed("Nothing was done.", hint="Add --yes to do it without being asked.")
        self.progress.stop()  # it would draw over the question
        agreed = typer.confirm(question, err=True)
        self.progress.start()
        if not agreed:
            raise NotConfirmed("Nothing was done.")

    def fail(self, error: DeployError) -> None:
        """Shows an error: what, what to do, the log, what is left, the documents."""
        self.answer["error"] = {
            "kind": type(error).__name__,
            "message": str(error),
            "hint": error.hint,
            "left": error.left,
            "log": error.log,
            "documents": error.documents,
        }
        self.err.print(f"[red]{escape(str(error))}[/]")
        if error.hint:
            self.err.print(escape(error.hint))
        for title, lines in (("The end of the container's log:", error.log), ("What exists now:", error.left)):
            if lines:
                self.err.print(f"[bold]{title}[/]\n  " + "\n  ".join(escape(line) for line in lines))
        for name, content in error.documents.items():
            self.err.print(f"[bold]{escape(name)}[/]")
            self.err.print_json(data=content)

    def finish(self) -> None:
        """Prints the JSON document, if that is what was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(self.answer, indent=2, default=str) + "\n")


@contextmanager
def answering(as_json: bool, way_out: str = "down") -> Iterator[Screen]:
    """A screen for one command: shows its errors and ends with their exit codes. `way_out` undoes what was stopped."""
    screen = Screen(as_json)
    code = 0
    try:
        with screen.progress:
            yield screen
    except DeployError as error:
        screen.fail(error)
        code = error.exit_code
    except KeyboardInterrupt:
        hint = f"AWS goes on with what it was told. Run the same again, or `{way_out}`."
        screen.fail(DeployError("Stopped.", hint=hint))
        code = INTERRUPTED
    screen.finish()
    if code:
        raise typer.Exit(code)


def flat(found: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested values as rows."""
    rows: list[tuple[str, Any]] = []
    for key, value in found.items():
        rows += (
            flat(value, f"{prefix}{key} ") if isinstance(value, dict) else [(f"{prefix}{key}".replace("_", " "), value)]
        )
    return rows
