"""Reading the product's tables by plain SQL, on both databases, without the product."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg.rows import dict_row


def rows(url: str, query: str, *parameters: Any) -> list[dict[str, Any]]:
    """The rows of a SELECT with %s for parameters, behind a DATABASE_URL. A UUID may be a parameter on both databases;
    blobs come as bytes."""
    if url.startswith("sqlite:"):
        return _sqlite_rows(unquote(url.removeprefix("sqlite:///")), query, parameters)
    try:
        return _connected(url).execute(query, parameters).fetchall()  # type: ignore[arg-type]
    except psycopg.OperationalError:  # the connection was cut, or the server restarted
        forget(url)
        return _connected(url).execute(query, parameters).fetchall()  # type: ignore[arg-type]


_kept: dict[str, psycopg.Connection[dict[str, Any]]] = {}


def _connected(url: str) -> psycopg.Connection[dict[str, Any]]:
    """A connection that is kept: a new one for each look costs several times as much as the look."""
    if url not in _kept:
        _kept[url] = psycopg.connect(
            url, row_factory=dict_row, connect_timeout=5, autocommit=True, prepare_threshold=None
        )
    return _kept[url]


def forget(url: str) -> None:
    """Keep no connection to that database any more."""
    if connection := _kept.pop(url, None):
        connection.close()


def _sqlite_rows(file: str, query: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
    plain = [value.hex if isinstance(value, uuid.UUID) else value for value in parameters]
    with closing(sqlite3.connect(f"{Path(file).as_uri()}?mode=ro", uri=True, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query.replace("%s", "?"), plain)]
