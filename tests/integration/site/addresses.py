"""Every address of the site, from the resolver: whoever adds one is walked over without doing anything."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:\[[^]]*\]|[^()])*\)")


class Address(NamedTuple):
    """A route with its parameters in braces: `/api/jobs/{pk}/pause`."""

    template: str
    names: tuple[str, ...]

    def filled(self, values: dict[str, str]) -> str:
        """With these values. A parameter that is not among them is one more thing that the walks must be told."""
        missing = [name for name in self.names if name not in values]
        assert not missing, f"{self.template}: say in tests/integration/site/people.py what {missing} stand for"
        return self.template.format(**values)


def addresses() -> list[Address]:
    """All there are."""
    return sorted({_address(route) for route in _routes(get_resolver().url_patterns)})


def _routes(patterns, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def _address(route: str) -> Address:
    names = tuple(first or second for first, second in _PARAMETER.findall(route))
    template = _PARAMETER.sub(lambda found: "{" + (found[1] or found[2]) + "}", route)
    return Address("/" + template.removesuffix("$").removesuffix("/?").replace("\\", ""), names)
