"""Every command that the documentation tells people to type is typed, page by page, each in a checkout of its own.

A command is what stands in a block of `sh`, or in an indented block that begins like a command. A block is left out
only where the document says so, with the reason, right before it: *Not run by the tests of the documentation: why.*
"""

import os
import re
import shutil
import signal
import subprocess
from argparse import _SubParsersAction

import pytest
from django.core.management import get_commands, load_command_class

from tests.acceptance.checkout import OURS, make_checkout
from tests.acceptance.processes import ROOT, eventually
from tests.servers.processes import free_ports
from tests.support.databases import product_environment

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
#: The commands there need a package that this test writes.
OWN_TEST = {"docs/add-a-storage.md": "tests/acceptance/test_add_a_storage.py"}
BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<fenced>[\s\S]*?)^```$|(?:(?<=\n\n)|\A)(?P<indented>(?:    [^\n]*\n|\n(?=    ))+)", re.M
)
WORDS = r"make|curl|mkdir|cp|sleep|head|echo|rm|rmdir|sudo|manage\.py|docker|\.venv/bin/\S+|[A-Z_]+=\S+ make"
COMMAND = re.compile(rf"({WORDS})\b")
SETTING = re.compile(r"([A-Z_]+)=\S*")
EXCUSE = re.compile(r"\*Not run by\s+the\s+tests\s+of\s+the\s+documentation:\s[^*]{8,}\*\s*\Z")
#: Where a newcomer begins, with nothing set up; the other pages are for those who have an installation.
SET_UP_BY_THEMSELVES = ("README.md", "docs/tutorial.md")
#: Sizes in the tutorial, and what does for a test.
FILMS = {"300M": "3M", "2G": "8M"}
STARTS = re.compile(r"make run\b(?!-)")


def blocks(text):
    """(lines, whether they are to be run) of each block of commands."""
    for found in BLOCK.finditer(text):
        is_fenced = found["fenced"] is not None
        body = found["fenced"] if is_fenced else found["indented"]
        lines = [line.strip() for line in body.splitlines() if line.strip()]
        if lines and (found["language"] == "sh" if is_fenced else COMMAND.match(lines[0])):
            yield lines, not EXCUSE.search(text[: found.start()])


def to_run(page):
    return [line for lines, is_run in blocks((ROOT / page).read_text()) if is_run for line in lines]


class Shell:
    """One page's terminals: a checkout, and what `make run` started there."""

    def __init__(self, root, elsewhere):
        self.root, self.port = make_checkout(root), free_ports(1)[0]
        shutil.copytree(ROOT / "docs", self.root / "docs")
        self.elsewhere = elsewhere
        (self.root / "photos").mkdir()
        (self.root / "photos/one.jpg").write_bytes(b"picture")
        self.environment = product_environment(
            PORT=str(self.port), XDG_STATE_HOME=str(elsewhere / "state"), HOME=str(elsewhere), PATH=os.environ["PATH"]
        )
        for name in ("SYNCF_ENV_FILE", "SECRET_KEY", "DATABASE_URL", "BROKER_URL", "BASE_PATH"):
            self.environment.pop(name, None)
        self._running = None

    def type(self, command):
        """Run it here; its output. `make run` stays. What lies outside of the checkout is a directory of the test."""
        for word, other in {"127.0.0.1:8080": f"127.0.0.1:{self.port}", **FILMS}.items():
            command = command.replace(word, other)
        command = re.sub(r"(?<![\w.])/(tmp|mnt)/", f"{self.elsewhere}/", command)
        command = re.sub(r"^manage\.py", ".venv/bin/python manage.py", command)
        command = command.replace("SOURCE=/usr/share/doc ", "SOURCE=/usr/share/doc/bash ")
        if STARTS.match(command):
            return self._start(command)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self, command):
        log = (self.elsewhere / "run.log").open("w")
        with log:
            self._running = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        eventually(self._greeted, 60, f"{command} to print its address")
        return ""

    def _greeted(self):
        assert self._running.poll() is None, (self.elsewhere / "run.log").read_text()
        return "API token" in (self.elsewhere / "run.log").read_text()

    def close(self):
        if self._running is not None:
            os.killpg(self._running.pid, signal.SIGINT)
            self._running.wait(60)


@pytest.fixture
def shell(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = Shell(tmp_path / "syncf", elsewhere)
    yield made
    made.close()


@pytest.mark.parametrize("page", [page for page in PAGES if page not in OWN_TEST and to_run(page)])
def test_every_command_of_the_page_works(shell, database_template, page):
    if page not in SET_UP_BY_THEMSELVES:
        (shell.root / "var").mkdir()
        with database_template.copy() as url:  # the pages are not about the time that this takes
            shutil.copy(url.removeprefix("sqlite:///"), shell.root / "var/syncf.sqlite3")
        shell.type("make --silent setup migrate")
    for command in to_run(page):
        said = shell.type(command)
        if command.endswith("/api/jobs") and "-d" not in command:  # the page promises what it shows after a while
            eventually(lambda: '"progress":100.0' in shell.type(command), 30, "the job to be through")  # noqa: B023
            assert said.startswith("{")
    if page == "README.md":
        subprocess.run(["diff", "-r", shell.root / "data/in", shell.root / "data/out"], check=True)


def test_pages_with_a_test_of_their_own_have_it():
    assert all((ROOT / test).exists() for test in OWN_TEST.values())


def test_the_commands_are_found():
    assert "make run" in to_run("README.md") and "make run" in to_run("docs/tutorial.md")
    assert sum(len(to_run(page)) for page in PAGES) > 15


def test_an_indented_block_is_commands_settings_or_marked_as_something_else():
    text = (ROOT / "README.md").read_text()
    known = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    for found in BLOCK.finditer(text):
        lines = [line.strip() for line in (found["indented"] or "").splitlines() if line.strip()]
        for line in lines if lines and not COMMAND.match(lines[0]) else []:
            assert SETTING.fullmatch(line) and line.partition("=")[0] in known, line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Do\n\n    make x\n    make y\n", [(["make x", "make y"], True)]),
        ("```sh\nls\n```\n", [(["ls"], True)]),
        ("*Not run by the tests of the documentation: needs Docker.*\n\n```sh\nls\n```\n", [(["ls"], False)]),
        ("*Not run by the tests of the documentation: .*\n\n```sh\nls\n```\n", [(["ls"], True)]),
        ("*Not run by the tests of the documentation: needs Docker.*\n\nText\n\n    make x\n", [(["make x"], True)]),
        ("```python\nmake\n```\n\n    A=b\n", []),
    ],
)
def test_what_counts_as_a_command(text, found):
    assert list(blocks(text)) == found


def test_the_checkout_is_complete():
    assert {"Makefile", "manage.py", ".env.example"} <= set(OURS)


# ── what is only named, or left out above ─────────────────────────────────────────────────────────────────────

#: In running text.
NAMED = re.compile(r"`((?:manage\.py|make) [^`\n]+)`")
MAKE_TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
DJANGOS_OWN = {"createsuperuser", "migrate", "check", "collectstatic", "shell", "changepassword", "dumpdata", "flush"}


def named(page):
    """Commands that stand in the text, and those that are left out above."""
    text = (ROOT / page).read_text()
    yield from NAMED.findall(text)
    for lines, is_run in blocks(text):
        yield from (line for line in lines if not is_run)


@pytest.mark.parametrize("page", PAGES)
def test_a_command_that_is_only_named_exists_and_so_do_its_options(page):
    for line in named(page):
        for tool, rest in re.findall(r"\b(make|manage\.py) +((?:[^\s&|;#]|[ ](?!\s*[&|;#]))*)", line):
            words = rest.replace('"', " ").replace("`", " ").split()
            assert is_known(tool, words), f"{page}: {line}"


def is_known(tool, words):
    if tool == "make":
        targets = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
        return set(targets[:1]) <= MAKE_TARGETS
    name = words[0] if words else ""
    if name in DJANGOS_OWN or not re.fullmatch(r"[a-z]+", name):
        return True
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    return name in get_commands() and options <= options_of(name, words[1:])


def options_of(name, words):
    """Those of the command and of its verb, if it has any and one is named."""
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    known = set(parser._option_string_actions)
    for action in parser._actions:
        for verb, inner in (action.choices or {}).items() if isinstance(action, _SubParsersAction) else ():
            known |= set(inner._option_string_actions) if verb in words else set()
    return known


@pytest.mark.parametrize(
    ("tool", "words", "known"),
    [
        ("make", ["sync", "SOURCE=a"], True),
        ("make", ["no-such"], False),
        ("manage.py", ["jobs", "list", "--status", "x"], True),
        ("manage.py", ["jobs", "list", "--yes"], False),
        ("manage.py", ["nosuch"], False),
        ("manage.py", ["doctor", "--jsonn"], False),
    ],
)
def test_what_counts_as_known(tool, words, known):
    assert is_known(tool, words) is known


def test_the_commands_that_need_jobs_of_ones_own_work(product):
    text = (ROOT / "docs/commands.md").read_text()
    lines = [line for lines, is_run in blocks(text) if not is_run for line in lines if " jobs " in line]
    assert len(lines) == 7
    product.start_scheduler()
    product.start_slave()
    ids = {}
    for name in ("3f2a", "77b0"):
        (product.base / name).mkdir()
        (product.base / name / "file").write_text(name)
        ids[name] = product.create_job(name, f"sink/{name}", interval=3600)
    scans = "SELECT count(*) FROM jobs_scan WHERE finished_at IS NOT NULL"
    eventually(lambda: product.value(scans) == len(ids), 30, "the first scans")
    for line in lines:
        words = [str(ids.get(word, word)) for word in line.partition("manage.py ")[2].split()]
        process = product.processes.manage(*words, environment=product.environment)
        if "watch" in words:
            eventually(lambda: process.out, 30, "the first look")  # noqa: B023
            process.kill(signal.SIGINT)
        assert process.wait(30) == (130 if "watch" in words else 0), f"{line}\n{process.out}{process.err}"
    assert product.job(ids["3f2a"])["status"] == "killed" and product.job(ids["77b0"])["status"] == "running"
