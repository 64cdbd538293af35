"""What the reference pages repeat: the options of every command, every setting, the API, reason codes by theme."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobs.api import description
from jobs.reasons import REASONS, Reason

ROOT = Path(__file__).resolve().parent.parent
Table = Callable[[Any, Any], str]

# ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────

#: Command → the app that has it.
COMMANDS = {
    path.stem: path.parents[2].name
    for app in ("jobs", "transfers")
    for path in sorted((ROOT / app / "management/commands").glob("[a-z]*.py"))
}
#: What Django gives every command.
_DJANGO = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"}
_DJANGO |= {"skip_checks"}


def commands(table: Table) -> str:
    """A section per command."""
    return "\n\n".join(_command(name, app, table) for name, app in sorted(COMMANDS.items()))


def _command(name: str, app: str, table: Table) -> str:
    command = importlib.import_module(f"{app}.management.commands.{name}").Command()
    parser = command.create_parser("manage.py", name)
    parts = [f"### manage.py {name}", _text(command.help), *_options(parser, table)]
    for verb, inner in _verbs(parser):
        parts += [f"#### manage.py {name} {verb}", _text(inner.description or ""), *_options(inner, table)]
    return "\n\n".join(parts)


def _verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _options(parser: argparse.ArgumentParser, table: Table) -> list[str]:
    own = [a for a in parser._actions if a.dest not in _DJANGO and not isinstance(a, argparse._SubParsersAction)]
    rows = [(_spelling(action), _text(action.help or "")) for action in own if action.help != argparse.SUPPRESS]
    return [table(("option", "meaning"), rows)] if rows else []


def _spelling(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return f"`{value}`"
    takes = "" if action.nargs == 0 else f" {value if action.choices else value.upper()}"
    return f"`{', '.join(action.option_strings)}{takes}`".replace("|", "\\|")


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────

_VARIABLE = re.compile(r"(# )?([A-Z_]+)=(.*)")


def settings(table: Table) -> str:
    """A row per variable of .env.example; a blank cell: as the row above."""
    rows = []
    text: list[str] = []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if not line:
            text = []
        elif found := _VARIABLE.fullmatch(line):
            value = f"`{found[3]}`" if found[3] else ""
            rows.append((f"`{found[2]}`", "" if found[1] else value, value if found[1] else "", _cell(text)))
            text = []
        else:
            text.append(line.removeprefix("#").strip())
    return table(("variable", "in a new .env", "example", "meaning"), rows)


def _cell(lines: list[str]) -> str:
    return _text(" ".join(lines)).replace("<", "&lt;")


# ── API ───────────────────────────────────────────────────────────────────────────────────────────────────────

def requests(table: Table) -> str:
    """A row per request: parameters of its address, body and answer by the name of their shape."""
    rows = []
    for call in description.calls():
        query = ", ".join(f"`{each.name}`" for each in call.parameters if each.place == "query")
        rows.append((f"`{call.verb} {call.path}`", _text(call.about), query, _type(call.body), _type(call.good)))
    return table(("request", "what it does", "query", "body", "answer"), rows)


def shapes(table: Table) -> str:
    """A table of fields per shape."""
    return "\n\n".join(_shape(shape, table) for shape in description.shapes())


def _shape(shape: description.Shape, table: Table) -> str:
    rows = [(f"`{field.name}`", _type(field.words), _text(field.about)) for field in shape.fields]
    words = table(("field", "type", "meaning"), rows) if rows else _type(shape.words)
    return "\n\n".join(filter(None, (f"### {shape.name}", _text(shape.about), words)))


def _type(words: description.Words) -> str:
    looks = {"plain": "{0}", "code": "`{0}`", "shape": "[{0}](#{1})"}
    return "".join(looks[word.look].format(word.text, word.text.lower()) for word in words)


# ── reason codes by theme ─────────────────────────────────────────────────────────────────────────────────────

#: Theme → what follows SOURCE_ or SINK_, or the whole code.
THEMES = {
    "room": ("NO_SPACE", "QUOTA_EXCEEDED", "FILE_TOO_BIG"),
    "permission": ("PERMISSION_DENIED", "READ_ONLY", "BAD_CREDENTIALS"),
    "names": (
        *("BAD_PATH", "NAME_TOO_LONG", "NAME_COLLISION", "SYMLINK_REFUSED", "NOT_REGULAR", "KIND_CONFLICT"),
        *("NO_SYMLINKS", "RESERVED_NAME", "SPECIAL_FILE"),
    ),
    "reach": ("UNREACHABLE", "THROTTLED", "CONFIGURATION", "UNKNOWN_STORAGE", "STORAGE_ERROR", "IO_ERROR"),
    "roots": ("ROOT_CHANGED", "ROOT_MISSING", "NOT_FOUND", "PATHS_OVERLAP", "JOBS_FORM_A_CYCLE", "SCAN_FAILED"),
    "change": ("CHANGED", "GONE", "CHECKSUM_MISMATCH", "PRECONDITION_FAILED", "UPLOAD_GONE"),
}


def theme_of(code: str) -> str:
    """`processes` for what is about SyncF's own processes, and whatever no theme names."""
    bare = re.sub("^(SOURCE|SINK)_", "", code)
    return next((theme for theme, codes in THEMES.items() if code in codes or bare in codes), "processes")


def codes(theme: str, table: Table) -> str:
    """The codes of one theme; what is alike at both sides shares a row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for code, reason in sorted(REASONS.items()):
        if theme_of(code) == theme:
            rows.setdefault(_of_either_side(code, reason), []).append(code)
    lines = [(", ".join(f"`{code}`" for code in found), *words) for words, found in rows.items()]
    return table(("code", "what happened", "what to do"), lines)


def _of_either_side(code: str, reason: Reason) -> tuple[str, str]:
    """Meaning and hint; where there is such a code of the other side too, without saying which side it is."""
    side, _, bare = code.partition("_")
    twin = REASONS.get({"SOURCE": "SINK_", "SINK": "SOURCE_"}.get(side, "") + bare, reason)

    def common(text: str, other: str) -> str:
        return text if text == other else re.sub(rf"\b{side.lower()}\b", "storage", text)

    return common(reason.meaning, twin.meaning), common(reason.hint, twin.hint)
