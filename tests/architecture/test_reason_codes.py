"""Every reason code somebody may read in a row is explained in jobs/reasons.py."""

import ast

from jobs.reasons import REASONS
from tests.architecture.source import ROOT
from transfers.engine.failures import REASON_CODES


def codes_written_by(package):
    """String constants that look like reason codes and are passed to something as a reason."""
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            is_reason = isinstance(node, ast.keyword) and node.arg in ("reason_code", "error_code")
            if is_reason and isinstance(node.value, ast.Constant) and node.value.value:
                yield node.value.value


def test_every_code_of_the_engine_is_explained():
    assert REASON_CODES - set(REASONS) == set()


def test_every_code_the_control_plane_writes_is_explained():
    written = {*codes_written_by("jobs"), *codes_written_by("transfers")}
    assert written, "the search finds nothing any more"
    assert written - set(REASONS) == set()


def test_every_reason_says_what_to_do():
    assert [code for code, reason in REASONS.items() if not (reason.meaning and reason.hint)] == []
