"""Writes the parts of the documentation that repeat what the code says: `python -m docs.generate`.

Such a part stands between `<!-- generated: name -->` and `<!-- end -->`; everything else on the page is written by
hand and kept. Tests compare the pages with the code, so a change of a table fails until this was run.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from docs import reference
from jobs.reasons import REASONS
from jobs.states import JOB_MOVES, TASK_MOVES, JobStatus, Move, TaskStatus
from storage_backends.base import Capabilities

FOLDER = Path(__file__).parent
_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


class Page(NamedTuple):
    """A page and what writes each of its generated parts."""

    path: Path
    parts: dict[str, Callable[[], str]]

    def current(self) -> str:
        """As it stands."""
        return self.path.read_text()

    def generated(self) -> str:
        """As it should stand; raises KeyError for a part that nobody writes."""
        return _PART.sub(lambda match: match[1] + self.parts[match[2]]() + match[3], self.current())


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sentences(states: type[enum.StrEnum]) -> dict[str, str]:
    """State → the docstring under its member, on one line."""
    body = ast.parse(inspect.getsource(states)).body[0].body  # type: ignore[attr-defined]
    names = [node.targets[0].id if isinstance(node, ast.Assign) else None for node in body]
    told = {name: node.value.value for name, node in zip(names, body[1:], strict=False) if name}
    return {states[name].value: " ".join(text.split()) for name, text in told.items()}


def states_table(states: type[enum.StrEnum]) -> str:
    """One row per state."""
    return table(("state", "meaning"), ((f"`{state}`", text) for state, text in sentences(states).items()))


def moves_table(moves: Mapping[str, Move]) -> str:
    """One row per move."""
    rows = (
        (f"`{move.name}`", move.who, ", ".join(sorted(move.sources)) or "(new)", move.target) for move in moves.values()
    )
    return table(("move", "who", "from", "to"), rows)


def diagram(moves: Mapping[str, Move]) -> str:
    """The moves as a Mermaid state diagram; those between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in moves.values():
        for source in sorted(move.sources) or ["[*]"]:
            arrows.setdefault((source, move.target), []).append(move.name)
    lines = [f"    {source} --> {target}: {', '.join(names)}" for (source, target), names in arrows.items()]
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```"))


def reasons_table() -> str:
    """One row per reason code."""
    rows = (
        (f"`{code}`", reason.meaning, reason.hint, "yes" if reason.is_environmental else "")
        for code, reason in sorted(REASONS.items())
    )
    return table(("code", "what happened", "what to do", "tried again by the next scan"), rows)


_PLACES = {
    "directory": "storage_backends.local.storage",
    "S3": "storage_backends.s3.storage",
    "Google Cloud Storage": "storage_backends.gcs.storage",
    "Azure Blob": "storage_backends.azure.storage",
    "SFTP": "storage_backends.sftp.storage",
}


def capabilities_table() -> str:
    """One row per question, one column per kind of storage."""
    all_of = [importlib.import_module(module).CAPABILITIES for module in _PLACES.values()]
    rows = ((question, *(answer(each) for each in all_of)) for question, answer in _QUESTIONS.items())
    return table(("", *_PLACES), rows)


def _yes(name: str) -> Callable[[Capabilities], str]:
    return lambda each: "yes" if getattr(each, name) else "–"


def _up_to(count: int) -> str:
    return "any" if count >= 1 << 30 else f"{count:,}"


_QUESTIONS: dict[str, Callable[[Capabilities], str]] = {
    "directories of their own, with mode and time": _yes("has_directories"),
    "symbolic links": _yes("has_symlinks"),
    "names that are not UTF-8": _yes("names_are_bytes"),
    "longest path, bytes": lambda each: _up_to(each.max_path_bytes),
    "modification times": lambda each: (
        {None: "as metadata", 1: "to the nanosecond", 10**9: "to the second"}[each.mtime_resolution_ns]
    ),
    "changes metadata of what stands there": _yes("sets_attributes"),
    "notices every change of a file": _yes("version_tells_content"),
    "read back before the name is given": _yes("reads_back_before_commit"),
    "digest checked by the server on arrival": lambda each: each.verifies_digest or "–",
    "overwrites nothing that somebody else wrote": _yes("commits_if_version"),
    "parts sent at once": lambda each: str(each.parts_in_flight or 1),
    "parts of a file": lambda each: _up_to(each.max_parts),
    "smallest part, KiB": lambda each: f"{-(-each.min_part_bytes // 1024):,}",
    "lists unfinished uploads": _yes("lists_uploads"),
    "forgets unfinished uploads after": lambda each: (
        f"{each.upload_ttl_days} days" if each.upload_ttl_days else "never"
    ),
}

PAGES = {
    "states.md": Page(
        FOLDER / "states.md",
        {
            "states of a job": lambda: states_table(JobStatus),
            "moves of a job": lambda: moves_table(JOB_MOVES),
            "diagram of a job": lambda: diagram(JOB_MOVES),
            "states of a task": lambda: states_table(TaskStatus),
            "moves of a task": lambda: moves_table(TASK_MOVES),
            "diagram of a task": lambda: diagram(TASK_MOVES),
        },
    ),
    "storages.md": Page(FOLDER / "storages.md", {"capabilities": capabilities_table}),
    "reasons.md": Page(FOLDER / "reasons.md", {"reasons": reasons_table}),
    "commands.md": Page(FOLDER / "commands.md", {"commands": lambda: reference.commands(table)}),
    "settings.md": Page(FOLDER / "settings.md", {"settings": lambda: reference.settings(table)}),
    "api.md": Page(
        FOLDER / "api.md",
        {"requests": lambda: reference.requests(table), "shapes": lambda: reference.shapes(table)},
    ),
    "troubleshooting.md": Page(
        FOLDER / "troubleshooting.md",
        {f"codes of {theme}": partial(reference.codes, theme, table) for theme in (*reference.THEMES, "processes")},
    ),
}

if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncf_site.settings")
    django.setup()
    for page in PAGES.values():
        page.path.write_text(page.generated())
