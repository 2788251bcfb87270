"""`detect-gateway settings`: every setting, for the terminal and for docs/settings.md."""

import sys
from typing import Annotated

import typer
from pydantic.fields import FieldInfo
from rich.table import Table

from api.cli.console import out, settings_with
from api.settings import INFERENCE, Settings

HEAD = """\
# Settings

Environment variables, or lines of a `.env` file in the folder that the gateway starts in. AWS's own variables
(`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME` …) are read by boto3 as in every AWS tool.
This page is written by `detect-gateway settings --markdown`.

| setting | default | what it does |
| --- | --- | --- |
"""


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/settings.md has them, with defaults.")] = False,
) -> None:
    """List every setting: its environment variable, its value now, what it does."""
    if markdown:
        sys.stdout.write(as_markdown())
    else:
        out.print(as_table(settings_with()))


def as_table(settings: Settings) -> Table:
    """Names, values now, descriptions."""
    table = Table("setting", "value", "what it does")
    for name, field in Settings.model_fields.items():
        table.add_row(_variable(name), str(getattr(settings, name)), field.description)
    return table


def as_markdown() -> str:
    """The page docs/settings.md."""
    fields = Settings.model_fields.items()
    rows = (f"| `{_variable(name)}` | {_default(field)} | {field.description} |" for name, field in fields)
    return HEAD + "\n".join(rows) + "\n"


def _variable(name: str) -> str:
    return f"DETECT_{name.upper()}"


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.default_factory or default in (None, "", {}):
        return "unset"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{str(default).replace(str(INFERENCE.parent) + '/', '')}`"
