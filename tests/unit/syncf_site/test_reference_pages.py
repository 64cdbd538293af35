"""The reference pages say what the code says, and leave nothing out."""

import re

import pytest

from docs import generate, reference
from jobs.reasons import REASONS
from syncf_site import env

NEW = ["api.md", "commands.md", "settings.md", "troubleshooting.md"]


@pytest.mark.parametrize("name", NEW)
def test_the_page_is_as_it_would_be_written(name):
    page = generate.PAGES[name]
    assert page.current() == page.generated(), "run: .venv/bin/python -m docs.generate"


def test_every_command_and_verb_has_a_section():
    text = generate.PAGES["commands.md"].current()
    found = set(re.findall(r"^#{3,4} manage\.py ([a-z ]+)$", text, re.MULTILINE))
    assert {"sync", "runslave", "doctor", "jobs", "jobs watch", "jobs kill"} <= found
    assert set(reference.COMMANDS) <= found


def test_every_variable_has_a_row():
    text = generate.PAGES["settings.md"].current()
    example = set(re.findall(r"^(?:# )?([A-Z_]+)=", (env.ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE)) == example


def test_every_reason_code_has_its_place_in_troubleshooting():
    text = generate.PAGES["troubleshooting.md"].current()
    assert set(re.findall(r"`([A-Z_]+)`", text)) >= REASONS.keys()


def test_every_theme_names_codes_that_there_are():
    known = {re.sub("^(SOURCE|SINK)_", "", code) for code in REASONS} | REASONS.keys()
    assert {code for codes in reference.THEMES.values() for code in codes} <= known


def test_a_page_that_lags_behind_is_noticed(monkeypatch):
    page = generate.PAGES["troubleshooting.md"]
    monkeypatch.delitem(REASONS, "WORKER_DIED")
    assert page.current() != page.generated()


def test_links_of_the_pages_lead_somewhere():
    pages = [*(env.ROOT / "docs").glob("*.md"), env.ROOT / "README.md", env.ROOT / "CONTRIBUTING.md"]
    dead = []
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not link.startswith("http") and not (page.parent / link).exists():
                dead.append(f"{page.name}: {link}")
    assert dead == []
