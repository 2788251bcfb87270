"""`detect-gateway settings`: every setting, for the terminal and for docs/settings.md."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic.fields import FieldInfo
from rich.table import Table
from rich.text import Text

from api.cli.console import out, screen, settings_with

if TYPE_CHECKING:
    from api.settings import Settings

HEAD = """\
# Settings

```
.venv/bin/detect-gateway settings
```

prints every setting with its current value. Set them as environment variables, or in a `.env` file in the working
directory. AWS's own variables (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME` …) work as in every
AWS tool. `detect-gateway settings --markdown` writes this page.

| setting | default | what it does |
| --- | --- | --- |
"""
UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md, with the defaults.")] = False,
) -> None:
    """List every setting: environment variable, current value, meaning."""
    if markdown:
        screen.write(as_markdown())
    else:
        out.print(as_table(settings_with()))


def as_table(settings: "Settings") -> Table:
    """Names, values now, descriptions."""
    table = Table("setting", "value", "what it does")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        table.add_row(_variable(name), Text(_in_units(name, value) or _text(value)), field.description)
    return table


def as_markdown() -> str:
    """The page docs/settings.md."""
    from api.settings import INFERENCE, Settings

    fields = Settings.model_fields.items()
    rows = (f"| `{_variable(name)}` | {_default(name, field)} | {field.description} |" for name, field in fields)
    return HEAD + "\n".join(rows).replace(f"{INFERENCE.parent}/", "") + "\n"


def _variable(name: str) -> str:
    return f"DETECT_{name.upper()}"


def _default(name: str, field: FieldInfo) -> str:
    """As it is written, and in units that are easier to read."""
    text = "unset" if field.default_factory else _text(field.default)
    if text == "unset":
        return text
    units = _in_units(name, field.default)
    if units.startswith(f"{text} "):
        return f"`{text}`{units.removeprefix(text)}"
    return f"`{text}` ({units})" if units else f"`{text}`"


def _text(value: object) -> str:
    """As it is written in a variable."""
    if value in (None, "", (), {}):
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return json.dumps({name: one.model_dump(mode="json", exclude_none=True) for name, one in value.items()})
    return str(value)


def _in_units(name: str, value: object) -> str:
    """`10 MiB`, `25 s`, `50 megapixels`; empty where the name tells of no unit."""
    if not isinstance(value, (int, float)):
        return ""
    if name.endswith("_bytes"):
        unit, size = next(((unit, size) for unit, size in UNITS.items() if value % size == 0), ("bytes", 1))
        return f"{value / size:,.10g} {unit}"
    if name.endswith("_seconds"):
        return f"{value:g} s"
    if name == "max_pixels":
        return f"{value / 1_000_000:g} megapixels"
    return ""
