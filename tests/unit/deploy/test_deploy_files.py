"""What stands in deploy/, Dockerfile and compose.yaml agrees with the product. Neither Docker nor systemd is needed:
the files are parsed, and the commands in them are run elsewhere (tests/acceptance/test_deployed_commands.py)."""

import configparser
import re
import shlex
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from syncf_site import env

ROOT = Path(__file__).resolve().parents[3]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
#: What a service that moves people's only copies must not be able to do.
HARDENING = {
    "NoNewPrivileges": "true",
    "ProtectSystem": "strict",
    "PrivateTmp": "true",
    "PrivateDevices": "true",
    "ProtectKernelModules": "true",
    "RestrictNamespaces": "true",
    "SystemCallFilter": "@system-service",
}


def unit(path):
    parser = configparser.ConfigParser(strict=True, interpolation=None, delimiters=("=",))
    parser.optionxform = str
    parser.read(path)
    return parser


def manage_arguments(command):
    """Of `… manage.py NAME arguments`, else None."""
    words = shlex.split(command)
    return words[words.index("manage.py") + 1 :] if "manage.py" in words else None


def assert_is_a_command(command):
    arguments = manage_arguments(command)
    if arguments is None:
        assert "syncf_site.wsgi" in command and "python:syncf_site.web" in command
        return
    name, *rest = arguments
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parser.parse_args([word.replace("%i", "slave-001") for word in rest])


def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def our_services():
    return {name: service for name, service in compose()["services"].items() if service.get("image") == "syncf"}


def test_there_is_a_unit_for_each_process():
    assert [path.name for path in UNITS] == ["syncf-scheduler.service", "syncf-slave@.service", "syncf-web.service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_our_command_unprivileged_and_hardened(path):
    service = unit(path)["Service"]
    for line in ("ExecStartPre", "ExecStart"):
        if line in service:
            assert_is_a_command(service[line])
    assert service["User"] == service["Group"] == "syncf"
    assert {name: service.get(name) for name in HARDENING} == HARDENING
    assert "CAP_SYS_ADMIN" not in service["CapabilityBoundingSet"]
    assert unit(path)["Install"]["WantedBy"] == "syncf.target"


def test_what_ends_itself_on_request_is_given_the_time_to_reach_a_checkpoint():
    from transfers.management.supervisor import STOP_SECONDS

    for name in ("syncf-scheduler.service", "syncf-slave@.service"):
        assert float(unit(ROOT / "deploy/systemd" / name)["Service"]["TimeoutStopSec"]) >= STOP_SECONDS
    for name in ("scheduler", "slave"):
        assert float(compose()["services"][name]["stop_grace_period"].rstrip("s")) >= STOP_SECONDS


def test_compose_names_our_commands_and_variables():
    services = our_services()
    assert set(services) == {"migrate", "web", "scheduler", "slave"}
    described = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for service in services.values():
        if "command" in service:
            assert_is_a_command(service["command"])
        for variable in service["environment"]:
            assert variable in described or variable.startswith(env.STORAGE_PREFIX), variable


def test_compose_starts_nothing_before_the_schema_is_there_and_the_servers_answer():
    services = compose()["services"]
    assert services["migrate"]["depends_on"]["db"]["condition"] == "service_healthy"
    for name in ("web", "scheduler", "slave"):
        needs = services[name]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["mq"]["condition"] == "service_healthy"
    assert all("healthcheck" in services[name] for name in ("web", "db", "mq"))


def test_compose_opens_nothing_to_other_machines():
    ports = [port for service in compose()["services"].values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_runs_as_an_ordinary_user_and_holds_what_it_needs():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER syncf"]
    sources = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    copied = {source for line in sources for source in line}
    assert all((ROOT / source).exists() for source in copied)
    assert {"jobs", "storage_backends", "syncf_site", "transfers", "templates", "manage.py"} <= copied
    assert_is_a_command(" ".join(yaml.safe_load(lines[-1].removeprefix("CMD "))))


def test_nginx_overwrites_the_headers_that_are_believed():
    text = (ROOT / "deploy/nginx.conf").read_text()
    for block in re.findall(r"location [^{]+\{(.*?)\n    \}", text, re.DOTALL):
        assert "proxy_set_header X-Forwarded-Proto $scheme;" in block
        assert "proxy_set_header X-Forwarded-For $remote_addr;" in block
        assert "proxy_set_header Host $host;" in block


def test_every_supported_python_runs_everything_on_every_push():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert {"push", "pull_request"} <= set(workflow[True])  # YAML 1.1 reads `on` as true
    [job] = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"][0] == "3.11" and len(job["strategy"]["matrix"]["python"]) >= 3
    assert job["steps"][-1]["run"] == "bash .ci/run"
