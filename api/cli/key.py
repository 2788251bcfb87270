"""`detect-gateway key`: makes an API key."""

from typing import Annotated

import typer

from api.admission.api_keys import ApiKeys, new_key
from api.cli.console import screen, stop


def key(
    name: Annotated[str, typer.Argument(help="Name of the key's owner; letters, digits, dots and dashes.")],
    admin: Annotated[bool, typer.Option("--admin", help="The key may also reload models.")] = False,
) -> None:
    """Make an API key: the key for its owner, and the entry for DETECT_API_KEYS. The key is shown only once."""
    made, entry = new_key(name, admin)
    try:
        ApiKeys([entry])
    except ValueError:
        stop(f"{name!r} is not a valid name for a key: at most 64 letters, digits, dots and dashes.")
    screen.write(f"key    {made}\nentry  {entry}\n")
