"""API keys: several, each with a name; the gateway knows only their hashes."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import NamedTuple

ENTRY = re.compile(r"([A-Za-z0-9._-]{1,64}):([0-9a-f]{64})(:admin)?")


class Owner(NamedTuple):
    """Whose a key is, and whether it may also change what runs."""

    name: str
    admin: bool = False


class ApiKeys:
    """Entries `name:hash`, or `name:hash:admin`, as `new_key` makes them. Raises ValueError for any other."""

    def __init__(self, entries: Iterable[str]) -> None:
        matches = [(entry, ENTRY.fullmatch(entry)) for entry in entries]
        if wrong := [entry for entry, match in matches if not match]:
            raise ValueError(
                f"an entry of {len(wrong[0])} characters is not NAME:SHA256 or NAME:SHA256:admin, as "
                "`detect-gateway key NAME` prints it"
            )
        self._known = [(Owner(match[1], bool(match[3])), bytes.fromhex(match[2])) for _, match in matches if match]

    def __bool__(self) -> bool:
        return bool(self._known)

    def owner(self, key: str) -> Owner | None:
        """Whose key it is. Takes as long for a wrong one, and compares in constant time."""
        given, found = _hash(key), None
        for owner, known in self._known:
            if hmac.compare_digest(given, known):
                found = owner
        return found


def new_key(name: str, admin: bool = False) -> tuple[str, str]:
    """A key of 256 random bits, to be shown once, and the entry to keep. SHA-256 is enough: it cannot be guessed."""
    key = f"dg_{secrets.token_urlsafe(32)}"
    return key, f"{name}:{_hash(key).hex()}{':admin' if admin else ''}"


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
