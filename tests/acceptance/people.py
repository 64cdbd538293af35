"""Running the product as an ordinary user, while the tests run as root.

Python itself is often installed where only root may look (a virtual environment below /root). The ordinary user then
takes the system's Python with the same packages, if it can import them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.processes import ROOT

NOBODY = 65534


@dataclass(frozen=True)
class Person:
    """Who runs a process, with which Python."""

    uid: int
    command: tuple[str, ...] = (sys.executable,)
    variables: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def popen(self) -> dict[str, object]:
        """Options of Popen that start a process as this person; none for ourselves."""
        return {} if self.uid == os.geteuid() else {"user": self.uid, "group": self.uid, "extra_groups": []}


def ourselves() -> Person:
    """Whoever runs the tests."""
    return Person(os.geteuid())


def ordinary() -> Person:
    """Somebody without privileges: ourselves, unless that is root. Raises AssertionError where no Python is for all."""
    if os.geteuid() != 0:
        return ourselves()
    packages = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    # Compiled packages fit one minor version only.
    system = f"python{sys.version_info.major}.{sys.version_info.minor}"
    people = [
        Person(NOBODY),
        *(
            Person(NOBODY, (found,), {"PYTHONPATH": packages})
            for directory in ("/usr/bin", "/usr/local/bin")
            if (found := shutil.which(system, path=directory))
        ),
    ]
    for person in people:
        if _can_work(person):
            return person
    raise AssertionError(f"User {NOBODY} can run neither {sys.executable} nor a {system} of the system in {ROOT}.")


def _can_work(person: Person) -> bool:
    command = [*person.command, "-c", "import django, psycopg, pika, manage"]
    environment = {**os.environ, **person.variables}
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, **person.popen).returncode == 0  # type: ignore[call-overload]
    except PermissionError:
        return False


@contextmanager
def home_of(person: Person, above: Path | None = None) -> Iterator[Path]:
    """A directory that the person owns and can reach (pytest's own are for us alone), in `above` or among the
    temporary files; removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="syncf-test-", dir=above))
    try:
        os.chown(directory, person.uid, -1 if person.uid == os.geteuid() else person.uid)
        yield directory
    finally:
        shutil.rmtree(directory)
