"""The Makefile, with a Python that only writes down what it was told."""

import shutil
import subprocess

import pytest

from syncf_site import env

RECORDER = """#!/bin/sh
if [ "$1" = -c ]; then echo a-fresh-key; exit; fi
if [ "$3" = --check ]; then exec test -e migrated; fi
if [ "$2" = migrate ]; then touch migrated; fi
for argument in "$BASE_PATH" "$@"; do printf '%s\\0' "$argument"; done > told
"""


@pytest.fixture
def project(tmp_path):
    """A project that is set up, in a directory with a space in its name."""
    project = tmp_path / "my project"
    (project / ".venv/bin").mkdir(parents=True)
    (project / "requirements").mkdir()
    for name in ("Makefile", ".env.example", "requirements/base.txt"):
        shutil.copy(env.ROOT / name, project / name)
    for name in ("jobs", "storage_backends", "syncf_site", "transfers"):
        (project / name).mkdir()
    (project / ".venv/bin/python").write_text(RECORDER)
    (project / ".venv/bin/python").chmod(0o755)
    for stamp in ("created", "base", "compiled"):
        (project / f".venv/{stamp}.stamp").touch()
    return project


def make(project, *arguments, status=0):
    result = subprocess.run(["make", *arguments], cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stderr
    return result.stdout + result.stderr


def told(project):
    return (project / "told").read_bytes().decode(errors="surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "two  spaces ",
        'it\'s "quoted"',
        "$HOME",
        "$$",
        "$(shell touch pwned)",
        "`touch pwned`",
        "a#b;c&d",
        "-n",
        "\udcff",
    ],
)
def test_any_name_reaches_sync_as_it_stands(project, name):
    make(project, "sync", f"SOURCE={name}", f"SINK={name}2")
    assert told(project)[-3:] == ["--", name, f"{name}2"]
    assert not (project / "pwned").exists()


def test_sync_is_a_one_shot_with_its_own_options(project):
    make(project, "sync", "SOURCE=a", "SINK=b", "ARGS=--bwlimit 5M")
    assert told(project) == ["", "-m", "syncf_site.oneshot", "--bwlimit", "5M", "--", "a", "b"]


@pytest.mark.parametrize("arguments", [[], ["SOURCE=a"], ["SINK=b"]])
def test_sync_without_both_ends_says_how(project, arguments):
    assert "usage: make sync SOURCE=dir SINK=dir" in make(project, "sync", *arguments, status=2)
    assert not (project / "told").exists()


def test_a_variable_on_the_command_line_reaches_the_program_even_with_a_dollar(project):
    make(project, "run-slave", "BASE_PATH=/srv/$x", "SLAVE=slave-001")
    assert told(project) == ["/srv/$x", "manage.py", "runslave", "slave-001"]


def test_setup_draws_a_key_once_and_keeps_it_to_its_owner(project):
    make(project, "setup")
    file = project / ".env"
    assert "\nSECRET_KEY=a-fresh-key\n" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("SECRET_KEY=mine\n")
    make(project, "setup")
    assert file.read_text() == "SECRET_KEY=mine\n"


def test_what_takes_a_while_is_told_when_it_is_done_and_only_then(project):
    (project / ".venv/base.stamp").unlink()
    (project / ".venv/lib").mkdir()
    doing = ("Installing what SyncF needs", "Collecting the admin's static files", "Preparing the database")
    first, second = make(project, "build", "migrate"), make(project, "build", "migrate")
    for words in doing:
        assert (first.count(words), second.count(words)) == (1, 0), (first, second)
    assert told(project)[1:] == ["manage.py", "check"], "nothing is migrated that is"


def test_without_a_target_make_lists_what_there_is(project):
    listed = make(project)
    assert all(f"make {target} " in listed for target in ("setup", "run", "sync", "test", "start-rabbitmq"))


def test_a_python_that_is_too_old_is_refused_with_what_to_install(project):
    (project / ".venv/created.stamp").unlink()
    assert "apt-get install python3 python3-venv" in make(project, "setup", "PYTHON=false", status=2)
