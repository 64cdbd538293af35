"""Storage URLs, taken apart the same way for every backend."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from storage_backends.errors import ConfigurationError


class StorageUrl(NamedTuple):
    """`scheme://host/path?option=value`. It may hold a password, so it is never printed whole."""

    scheme: str
    host: str
    """Everything between `//` and the next `/`, user and port included."""
    path: bytes
    """With its leading slash, percent signs decoded."""
    options: dict[str, str]

    def __repr__(self) -> str:
        return f"StorageUrl({self.scheme})"

    @classmethod
    def parse(cls, url: str) -> StorageUrl:
        """Raises ConfigurationError for what is not a URL, has a fragment, or says an option twice."""
        try:
            parts = urlsplit(url)
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:  # not chained and not quoted: its text holds parts of the URL
            raise ConfigurationError("the storage URL cannot be read: no valid host, port or options") from None
        if not parts.scheme or f"{parts.scheme}://" != url[: len(parts.scheme) + 3].lower():
            raise ConfigurationError("a storage URL starts with its kind, as in file:///data or s3://bucket/prefix")
        if parts.fragment:
            raise ConfigurationError(f"{parts.scheme}: a '#' in a storage URL is written %23")
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"{parts.scheme}: the option {name!r} stands in the URL more than once")
        return cls(parts.scheme, parts.netloc, unquote_to_bytes(parts.path), dict(pairs))

    def allow_options(self, known: Collection[str]) -> None:
        """Raises ConfigurationError for an option that is not in `known`."""
        for name in self.options:
            if name not in known:
                choice = ", ".join(sorted(known)) or "none"
                raise ConfigurationError(f"{self.scheme}: unknown option {name!r} in the URL; known: {choice}")

    def flag(self, name: str) -> bool:
        """An option that is `1` or `0`; absent means `0`."""
        value = self.options.get(name, "0")
        if value not in ("0", "1"):
            raise ConfigurationError(f"{self.scheme}: the option {name!r} is 0 or 1, not {value!r}")
        return value == "1"


def endpoint_told(kind: str, text: str) -> str:
    """The address of a service or an emulator, without a slash at its end. Raises ConfigurationError, which does not
    quote it: a password may be in it."""
    if not _is_endpoint(text):
        raise ConfigurationError(f"{kind}: an endpoint is written https://host or http://host:port, with no user")
    return text.rstrip("/")


def _is_endpoint(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_host = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:  # of brackets, ports and labels
        return False
    is_bare = parts.username is None and not parts.query and not parts.fragment
    return has_host and is_bare and parts.scheme in ("http", "https")
