"""Whole databases: migrated once for all processes of a run, copied for each of them and for every test of real ones.

`Template.copy()` gives a database nobody else has ever seen, as a DATABASE_URL for child processes, and drops it
afterwards, whoever is still connected.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.servers import ensure_postgres
from tests.support import stack

ROOT = Path(__file__).resolve().parents[2]


def product_environment(**variables: str) -> dict[str, str]:
    """The environment for a child process that runs the product: this stack's, completed by `variables`."""
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "syncf_site.settings", **variables}


def migrate(url: str) -> None:
    """Bring the database behind `url` to the newest schema, in a process of its own."""
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"]
    subprocess.run(command, env=product_environment(DATABASE_URL=url), check=True, stdin=subprocess.DEVNULL)


class SqliteTemplate:
    """A migrated file in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "template.sqlite3"
        if not self._file.exists():
            new = directory / "template.new"
            migrate(self._url(new))
            new.rename(self._file)

    @contextmanager
    def copy(self) -> Iterator[str]:
        """A DATABASE_URL of its own."""
        file = self._directory / f"{uuid.uuid4().hex}.sqlite3"
        shutil.copyfile(self._file, file)
        try:
            yield self._url(file)
        finally:
            for path in self._directory.glob(f"{file.name}*"):
                path.unlink()

    def close(self) -> None:
        """The directory goes with pytest's."""

    @staticmethod
    def _url(file: Path) -> str:
        return f"sqlite:///{quote(str(file))}"


class PostgresTemplate:
    """A migrated database beside the one `server_url` names; `directory` remembers its name."""

    def __init__(self, directory: Path, server_url: str) -> None:
        self._server_url = server_url
        self._known = directory / "template.name"
        if not self._known.exists():
            name = f"syncf_template_{uuid.uuid4().hex}"
            self._execute("CREATE DATABASE {}", name)
            migrate(self._url(name))
            self._known.write_text(name)
        self._name = self._known.read_text()

    @contextmanager
    def copy(self) -> Iterator[str]:
        """A DATABASE_URL of its own."""
        name = f"syncf_test_{uuid.uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, self._name)
        try:
            yield self._url(name)
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def close(self) -> None:
        """Drop the template."""
        self._known.unlink()
        self._execute("DROP DATABASE {} WITH (FORCE)", self._name)

    def _execute(self, statement: str, *names: str) -> None:
        with closing(psycopg.connect(self._server_url, autocommit=True, connect_timeout=5)) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self._server_url)._replace(path=f"/{name}"))


class Template:
    """The template of the chosen stack, made at the first copy. A context manager. Of all processes that name the same
    directory the first one makes it and the last one drops it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: SqliteTemplate | PostgresTemplate | None = None

    def __enter__(self) -> Self:
        self._making, self._using = ((self._directory / f"template.{what}").open("w") for what in ("making", "using"))
        return self

    def __exit__(self, *exception: object) -> None:
        with self._making, self._using, suppress(BlockingIOError):  # somebody else still uses it
            if self._made:
                fcntl.flock(self._making, fcntl.LOCK_EX)
                fcntl.flock(self._using, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._made.close()

    def copy(self):
        """A context manager that yields the DATABASE_URL of a new migrated database and drops it at the end."""
        if self._made is None:
            fcntl.flock(self._making, fcntl.LOCK_EX)
            self._made = self._find_or_make()
            fcntl.flock(self._using, fcntl.LOCK_SH)
            fcntl.flock(self._making, fcntl.LOCK_UN)
        return self._made.copy()

    def _find_or_make(self) -> SqliteTemplate | PostgresTemplate:
        if stack.is_postgres():
            return PostgresTemplate(self._directory, ensure_postgres())
        return SqliteTemplate(self._directory)
