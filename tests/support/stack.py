"""Which database and broker this run uses. `make test` runs the suite once on each stack.

SYNCF_TEST_STACK=sqlite (default): SQLite and the database queue, as on a bare machine.
SYNCF_TEST_STACK=postgres: the PostgreSQL and RabbitMQ of tests/servers; a failure, never a skip, if they are not there.
"""

import os
import re
from collections.abc import MutableMapping

from tests.servers import ensure_postgres, ensure_rabbitmq

STACK = "SYNCF_TEST_STACK"
PRODUCT_VARIABLES = re.compile(
    r"SECRET_KEY|DEBUG|ALLOWED_HOSTS|CSRF_TRUSTED_ORIGINS|SECURE|DATABASE_URL|BROKER_URL|BASE_PATH|ALLOW_WHOLE_MACHINE"
    r"|TRUSTED_PROXIES|API_\w+|LOG_\w+"
    r"|METRICS_TOKEN|WEBHOOK\w*|EMAIL_\w+|NOTIFY_EMAILS|STORAGE_\w+|SYNCF_ENV_FILE"
    # Of the `make test` above us: the make that a test runs is not to take its variables over.
    r"|MAKEFLAGS|MAKEOVERRIDES|MFLAGS|ARGS"
)
#: Directories (and files) whose tests do not depend on the stack's database and broker: one pass is enough.
ONE_STACK_DIRECTORIES = (
    "tests/architecture/",
    "tests/conformance/",
    "tests/integration/commands/test_startup.py",
    # Who may ask what, and what becomes of odd requests, does not depend on where the rows are.
    "tests/integration/api/test_any_request.py",
    "tests/integration/site/",
    "tests/integration/storage_backends/",
    "tests/unit/broker/",
    "tests/unit/engine/",
    "tests/unit/storage_backends/",
    "tests/unit/oneshot/",
    "tests/unit/scan/",
    "tests/unit/terminal/",
    "tests/unit/transfers/",
    # The one-shot command has an SQLite database of its own on either stack.
    "tests/acceptance/test_one_shot_start.py",
    "tests/acceptance/test_sync_catalogue.py",
    "tests/acceptance/test_sync_clouds.py",
    "tests/acceptance/test_sync_command.py",
    "tests/acceptance/test_compare.py",
    "tests/acceptance/test_progress_on_a_terminal.py",
    # What a newcomer types runs on what is built in.
    "tests/acceptance/test_commands_of_the_docs.py",
    # These are about bytes at storages, not about where the rows are; every pair is synced on the other stack.
    "tests/acceptance/test_add_a_storage.py",
    "tests/acceptance/test_cloud_kill.py",
    "tests/acceptance/test_cloud_names.py",
    "tests/acceptance/test_kinds.py",
    # What the pages are made of is tested on both; a browser looks at them once.
    "tests/acceptance/test_console.py",
    "tests/acceptance/test_deployed_commands.py",
    "tests/unit/deploy/",
    # What a process ends with does not depend on where the rows are, nor does what brings up servers for tests.
    "tests/acceptance/test_exit_codes.py",
    "tests/servers/",
    "tests/acceptance/test_cloud_trouble.py",
    # Much the same way on either stack; small trees are synced on both.
    "tests/acceptance/test_trees.py",
)
#: Those that `make test` leaves to the second pass, so that both take as long.
SECOND_PASS = (
    "tests/conformance/storage/",
    "tests/integration/storage_backends/",
    "tests/unit/storage_backends/",
    "tests/acceptance/test_exit_codes.py",
    "tests/acceptance/test_sync_clouds.py",
    "tests/acceptance/test_trees.py",
    "tests/servers/",
)


def leaves_out(path: str) -> bool:
    """Whether a test of this file, which one pass is enough for, is left to the other pass. A run that is no pass
    (SYNCF_TEST_STACK is not set) leaves out nothing."""
    return STACK in os.environ and path.startswith(SECOND_PASS) is not is_postgres()


def is_postgres() -> bool:
    """Whether this run is the second pass."""
    return name() == "postgres"


def name() -> str:
    """`sqlite` or `postgres`."""
    chosen = os.environ.get(STACK, "sqlite")
    if chosen not in ("sqlite", "postgres"):
        raise SystemExit(f"SYNCF_TEST_STACK must be sqlite or postgres, not {chosen!r}.")
    return chosen


def select(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Clear every product variable from `environment`; returns those of the chosen stack."""
    for variable in [key for key in environment if PRODUCT_VARIABLES.fullmatch(key)]:
        del environment[variable]
    common = {
        "SYNCF_ENV_FILE": os.devnull,
        "SECRET_KEY": "only-for-tests-and-therefore-as-long-as-a-real-one-must-be",
        "LOG_LEVEL": "WARNING",
    }
    if not is_postgres():
        return {**common, "DATABASE_URL": "sqlite:///var/test.sqlite3", "BROKER_URL": "database://"}
    return {**common, "DATABASE_URL": ensure_postgres(), "BROKER_URL": ensure_rabbitmq()}
