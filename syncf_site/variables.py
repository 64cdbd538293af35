"""One variable, read as what it has to be. Each raises ImproperlyConfigured, naming the variable and what it may be."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


def words(source: Mapping[str, str], name: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in source.get(name, "").split(",") if word.strip()]


def flag(source: Mapping[str, str], name: str, *, default: bool) -> bool:
    """true or false, in one of the usual words."""
    word = source.get(name, "").strip().lower()
    if word and word not in TRUE_WORDS | FALSE_WORDS:
        raise ImproperlyConfigured(f"{name} must be true or false, not {word!r}.")
    return word in TRUE_WORDS if word else default


def number(source: Mapping[str, str], name: str, allowed: range, *, default: int) -> int:
    """One within `allowed`."""
    text = source.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) in allowed):
        raise ImproperlyConfigured(f"{name} must be a number from {allowed[0]} to {allowed[-1]}, not {text!r}.")
    return int(text)


def choice(source: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """One of `choices` whatever the case; the first is the default."""
    text = source.get(name, "").strip() or choices[0]
    for known in choices:
        if text.lower() == known.lower():
            return known
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {text!r}.")
