"""What a page shows of an answer, compared with an answer: `…` stands for anything, numbers may be a little off."""

import re

import pytest

NUMBER = r"-?\d+(?:\.\d+)?"
TOKEN = re.compile(rf"{NUMBER}|…|[^\W\d]+|\S")
FRAMES = re.compile("[\u2500-\u257f]")  # lines that tables are drawn with


def _words(text: str) -> str:
    return FRAMES.sub(" ", text)


def _pattern(shown: str) -> re.Pattern[str]:
    parts = []
    for token in TOKEN.findall(_words(shown)):
        number = re.fullmatch(NUMBER, token)
        parts.append(f"({NUMBER})" if number else ".*?" if token == "…" else re.escape(token))
    return re.compile(r"\s*".join(parts), re.DOTALL)


def numbers(shown: str, answer: str) -> list[str] | None:
    """The answer's numbers where the page has its own; None where more than numbers differ."""
    found = _pattern(shown).search(_words(answer))
    return list(found.groups()) if found else None


def agrees(shown: str, answer: str) -> bool:
    """Whether the answer is the one that is shown; other processors round otherwise, in int8 above all."""
    found, said = numbers(shown, answer), re.findall(NUMBER, _words(shown))
    return found is not None and [float(one) for one in found] == pytest.approx(
        [float(one) for one in said], rel=0.05, abs=0.05
    )


def renewed(shown: str, answer: str) -> str:
    """What is shown, with the answer's numbers. Raises ValueError where more than numbers differ."""
    found = numbers(shown, answer)
    if found is None:
        raise ValueError(f"This is no longer the answer's form:\n{shown}\nbut\n{answer}")
    left = iter(found)
    return re.sub(NUMBER, lambda _: next(left), shown)
