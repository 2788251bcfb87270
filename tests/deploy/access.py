"""IAM's documents: whether they allow an access."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """One check of AWS's: an action, on a resource, in a context."""

    action: str
    resource: str = "*"
    context: dict[str, str] = field(default_factory=dict, hash=False)


def allows(documents: Iterable[Document], access: Access) -> bool:
    """Whether any statement of the documents allows an access; none of ours denies."""
    return any(fits(statement, access) for document in documents for statement in document["Statement"])


def fits(statement: Document, access: Access) -> bool:
    """Whether a statement is about an access."""
    assert statement["Effect"] == "Allow"
    return (
        access.action in statement["Action"]
        and any(matches(access.resource, pattern) for pattern in statement["Resource"])
        and all(
            OPERATORS[operator](access.context.get(key), value)
            for operator, keys in statement.get("Condition", {}).items()
            for key, value in keys.items()
        )
    )


def matches(text: str | None, pattern: str) -> bool:
    """Whether a text fits a pattern of IAM's: * is anything, ? one character, and [ is itself."""
    return text is not None and fnmatchcase(text, pattern.replace("[", "[[]"))


OPERATORS: dict[str, Callable[[str | None, Any], bool]] = {
    "ArnEquals": lambda found, value: found == value,
    "StringEquals": lambda found, value: found in (value if isinstance(value, list) else [value]),
    "StringLike": matches,
    "Null": lambda found, value: (found is None) is (value == "true"),
}
