"""What must not start says why in one line, with the setting and what mends it, and has begun nothing."""

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from jobs import mounts
from jobs.readiness import Unready, require_local_disk
from syncf_site import env
from tests.support.databases import product_environment

COMMANDS = (["runscheduler", "--once"], ["runslave", "slave-001"], ["run", "--port", "1"])
NOBODY = "127.0.0.1:1"
#: That static files were not collected is no matter here.
QUIET = {"PYTHONWARNINGS": "ignore"}


def start(command, **variables):
    """Exit code and stderr of `manage.py COMMAND`, which is to end by itself."""
    arguments = [sys.executable, str(env.ROOT / "manage.py"), *command]
    done = subprocess.run(
        arguments, env=product_environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def serve(**variables):
    """The same for gunicorn."""
    command = [sys.executable, "-m", "gunicorn", "syncf_site.wsgi", "--bind", "127.0.0.1:0", "--log-level", "critical"]
    done = subprocess.run(
        [*command, "--no-control-socket"],
        env=product_environment(**variables, **QUIET),
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def sync(source, sink, directory, **variables):
    """The same for `make sync`, called in `directory`."""
    command = [sys.executable, "-m", "syncf_site.oneshot", "--", source, sink]
    environment = product_environment(
        PYTHONPATH=str(env.ROOT), XDG_STATE_HOME=str(directory / "state"), **variables
    )
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def assert_one_line(outcome, setting, *words, code):
    exit_code, text = outcome
    assert exit_code == code, text
    assert text.startswith(setting) or text.startswith(f"CommandError: {setting}"), text
    assert text.count("\n") == 1 and text.endswith("\n"), text
    for word in words:
        assert word in text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_a_key_of_ones_own_nothing_starts(command):
    for key in ("", "change-me", "django-insecure-0123456789"):
        assert_one_line(start(command, SECRET_KEY=key), "SECRET_KEY is ", env.NEW_KEY_COMMAND, code=2)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_the_whole_machine_is_not_a_base_path(command):
    assert_one_line(start(command, BASE_PATH="/"), "BASE_PATH is /", "ALLOW_WHOLE_MACHINE=true", code=2)


def test_gunicorn_refuses_both_too():
    assert_one_line(serve(SECRET_KEY=""), "SECRET_KEY is ", env.NEW_KEY_COMMAND, code=4)
    assert_one_line(serve(BASE_PATH="/"), "BASE_PATH is /", "ALLOW_WHOLE_MACHINE=true", code=4)


def test_a_file_of_settings_that_is_not_utf_8_is_refused(tmp_path):
    file = tmp_path / "settings"
    file.write_bytes("BASE_PATH=/srv/m\u00fcll\n".encode("latin-1"))
    words = "save it in UTF-8"
    assert_one_line(start(["doctor"], SYNCF_ENV_FILE=str(file)), f"{file} is not in UTF-8", words, code=2)
    assert_one_line(serve(SYNCF_ENV_FILE=str(file)), f"{file} is not in UTF-8", words, code=4)


def test_a_file_of_settings_that_is_there_and_can_not_be_read_is_refused(tmp_path):
    said = (f"{tmp_path} can't be read by user {os.geteuid()} (Is a directory)", "/dev/null")
    assert_one_line(start(["doctor"], SYNCF_ENV_FILE=str(tmp_path)), *said, code=2)
    assert_one_line(serve(SYNCF_ENV_FILE=str(tmp_path)), *said, code=4)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_file_of_settings_that_is_named_and_not_there_is_refused(tmp_path, command):
    file = tmp_path / "misspelt"
    assert_one_line(start(command, SYNCF_ENV_FILE=str(file)), f"{file}, which SYNCF_ENV_FILE names, is not", code=2)


def test_gunicorn_refuses_a_file_of_settings_that_is_not_there(tmp_path):
    file = tmp_path / "misspelt"
    assert_one_line(serve(SYNCF_ENV_FILE=str(file)), f"{file}, which SYNCF_ENV_FILE names, is not there", code=4)


@pytest.mark.parametrize(
    ("name", "value"), [("SECRET_KEY", ""), ("SYNCF_ENV_FILE", "settings"), ("SYNCF_ENV_FILE", "misspelt")]
)
@pytest.mark.parametrize("sink", ["out", "s3:out"])  # for a storage the file is read before Django is loaded
def test_make_sync_refuses_what_the_other_commands_do(tmp_path, name, value, sink):
    (tmp_path / "settings").write_bytes(b"\xff")
    (tmp_path / "in").mkdir()
    named = str(tmp_path / value) if value else name
    assert_one_line(sync("in", sink, tmp_path, **{name: value}), named, code=2)


@pytest.mark.parametrize("command", [*COMMANDS, ["jobs", "list"], ["janitor"]], ids=lambda command: command[0])
def test_a_storage_of_an_unknown_kind_is_refused(command):
    assert_one_line(start(command, STORAGE_TAPE="tape://drive"), "STORAGE_TAPE: unknown kind", "s3, sftp", code=2)


def test_make_sync_refuses_a_storage_of_an_unknown_kind(tmp_path):
    (tmp_path / "in").mkdir()
    outcome = sync("in", "tape:out", tmp_path, STORAGE_TAPE="tape://drive")
    assert_one_line(outcome, "STORAGE_TAPE: unknown kind", "s3, sftp", code=2)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_base_path_that_is_missing_is_not_made(command, tmp_path, fresh_database):
    missing = tmp_path / "disk" / "files"
    outcome = start(command, BASE_PATH=str(missing), DATABASE_URL=fresh_database)
    assert_one_line(outcome, f"BASE_PATH: {missing} ", "Mount it", f"mkdir -p {missing}", code=2)
    assert not missing.parent.exists()


def test_a_base_path_that_is_a_file_or_a_link_to_everything_is_refused(tmp_path, fresh_database):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("/")
    for name, words in (("file", "is not a directory"), ("link", "ALLOW_WHOLE_MACHINE=true")):
        outcome = start(["runscheduler", "--once"], BASE_PATH=str(tmp_path / name), DATABASE_URL=fresh_database)
        assert_one_line(outcome, f"BASE_PATH: {tmp_path / name} ", words, code=2)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_database_without_tables_is_refused(command, tmp_path):
    if command[0] == "run":
        (tmp_path / "db").mkdir()
    outcome = start(command, BASE_PATH=str(tmp_path), DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3")
    assert_one_line(outcome, "DATABASE_URL: the database ", "lacks ", "make migrate", code=2)


@pytest.mark.parametrize("command", [*COMMANDS, ["migrate"], ["jobs", "list"]], ids=lambda command: command[0])
def test_a_database_file_that_is_damaged_is_refused(command, tmp_path):
    (tmp_path / "db.sqlite3").write_bytes(b"no database" * 1000)
    outcome = start(command, BASE_PATH=str(tmp_path), DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3")
    named = f"DATABASE_URL: the database {tmp_path}/db.sqlite3 is damaged: "
    assert_one_line(outcome, named, "backup", "move aside", "make migrate", code=2)


def test_gunicorn_refuses_a_database_file_that_is_damaged(tmp_path):
    (tmp_path / "db.sqlite3").write_bytes(b"no database" * 1000)
    assert_one_line(serve(DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3"), "DATABASE_URL: ", "backup", code=4)


def test_gunicorn_refuses_a_database_without_tables(tmp_path):
    outcome = serve(DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3")
    assert_one_line(outcome, "DATABASE_URL: the database ", "lacks ", "make migrate", code=4)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_database_that_does_not_answer_is_named_without_its_password(command, tmp_path):
    outcome = start(command, BASE_PATH=str(tmp_path), DATABASE_URL=f"postgres://someone:canary@{NOBODY}/syncf")
    assert_one_line(outcome, "DATABASE_URL: the database syncf at 127.0.0.1:1 ", "pg_isready", code=1)
    assert "canary" not in outcome[1]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_broker_that_does_not_answer_is_named_without_its_password(command, tmp_path, fresh_database):
    variables = {"BASE_PATH": str(tmp_path), "DATABASE_URL": fresh_database}
    outcome = start(command, BROKER_URL=f"amqp://someone:canary@{NOBODY}/", **variables)
    assert_one_line(outcome, "BROKER_URL: RabbitMQ at amqp://someone:***@127.0.0.1:1", "start-rabbitmq", code=1)
    assert "canary" not in outcome[1]


def test_a_broker_that_is_none_is_refused(tmp_path, fresh_database):
    outcome = start(
        ["runscheduler", "--once"], BASE_PATH=str(tmp_path), DATABASE_URL=fresh_database, BROKER_URL="redis://localhost"
    )
    assert_one_line(outcome, "BROKER_URL: begins with 'redis://'", "amqp://", code=2)


def test_sqlite_on_a_network_file_system_is_refused(db, settings, tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(mounts, "MOUNTINFO", table)
    table.write_text("22 1 0:40 / / rw - nfs4 server:/export rw\n")
    with pytest.raises(Unready, match=r"^DATABASE_URL: .*network file system.*nfs4 at /.*PostgreSQL"):
        require_local_disk()
    for command in ("runscheduler", "runslave"):
        with pytest.raises(CommandError, match=r"^DATABASE_URL: .*network file system") as refused:
            call_command(command)
        assert refused.value.returncode == 2
    table.write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    require_local_disk()


def test_the_web_waits_for_a_database_that_does_not_answer_now(tmp_path):
    code = "from syncf_site.wsgi import application; print(application)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=product_environment(DATABASE_URL=f"postgres://someone:canary@{NOBODY}/syncf", **QUIET),
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "WSGIHandler" in done.stdout
    assert done.stderr.startswith("DATABASE_URL: the database syncf ") and "canary" not in done.stderr
