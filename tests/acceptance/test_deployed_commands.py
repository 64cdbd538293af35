"""The commands that systemd and the container run, run by hand in a directory that holds only what the image holds."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT, eventually
from tests.acceptance.rows import rows

UNITS = Path(ROOT) / "deploy/systemd"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What the Dockerfile copies, and nothing else."""
    folder = tmp_path_factory.mktemp("image") / "syncf"
    folder.mkdir()
    for line in (Path(ROOT) / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                source = Path(ROOT) / name
                copy = shutil.copytree if source.is_dir() else shutil.copy
                copy(source, folder / name)
    return folder


@pytest.fixture
def variables(tmp_path, fresh_database):
    (tmp_path / "data").mkdir()
    kept = {name: os.environ[name] for name in ("SECRET_KEY", "BROKER_URL", "PATH") if name in os.environ}
    return {**kept, "SYNCF_ENV_FILE": os.devnull, "DATABASE_URL": fresh_database, "BASE_PATH": str(tmp_path / "data")}


def command_of(unit, **instance):
    [line] = re.findall(r"^ExecStart=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)
    words = shlex.split(line.replace("%i", instance.get("name", "")))
    assert words[0] == "/opt/syncf/.venv/bin/python"
    return [sys.executable, *words[1:]]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def ends_well(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(40) == 0


def test_the_image_s_static_files_are_collected_without_any_setting_but_a_key(image, variables):
    few = {name: variables[name] for name in ("SECRET_KEY", "SYNCF_ENV_FILE", "PATH")}
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
    subprocess.run(command, cwd=image, env=few, check=True)
    assert (image / "staticfiles/jobs/admin.css").is_file()


def test_the_web_answers_and_ends(image, variables):
    port = free_port()
    command = [word.replace("127.0.0.1:8080", f"127.0.0.1:{port}") for word in command_of("syncf-web.service")]
    process = subprocess.Popen(command, cwd=image, env=variables)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/health"), 30, "the web site")
        assert ends_well(process)
    finally:
        process.kill()
        process.wait()


#: What is true of the database from when they are at work.
AT_WORK = {
    "syncf-scheduler.service": "SELECT count(*) AS n FROM jobs_lease",
    "syncf-slave@.service": "SELECT count(*) AS n FROM jobs_slave WHERE state = 'online'",
}


@pytest.mark.parametrize("unit", AT_WORK)
def test_scheduler_and_slave_run_until_they_are_asked_to_end(image, variables, unit):
    process = subprocess.Popen(command_of(unit, name="slave-001"), cwd=image, env=variables)
    try:
        eventually(lambda: rows(variables["DATABASE_URL"], AT_WORK[unit])[0]["n"], 30, f"{unit} to be at work")
        assert process.poll() is None and ends_well(process)
    finally:
        process.kill()
        process.wait()
