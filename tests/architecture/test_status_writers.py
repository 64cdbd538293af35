"""Only `jobs/transitions/` writes a status column: every move is a compare-and-set that keeps the table of moves."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, calls, imported, modules, parse, strings

#: The one writer, and the statements it alone may use.
WRITERS = re.compile(r"jobs/(transitions|sql)/\w+\.py")
#: What of jobs.sql writes no task, and is therefore anybody's.
READERS = {
    "schema",
    "state",
    "pages",
    "report_page",
    "count_waiting",
    "due_files",
    "owned",
    "count_owned",
    "add_samples",
    "insert_counters",
}
SQL_WRITE = re.compile(
    r"\bUPDATE\b.*?\bSET\b.*?\bstatus\s*=|\bINSERT\s+INTO\s+jobs_(job|task)\b", re.IGNORECASE | re.DOTALL
)
MODEL_NAMES = {"Job", "Task"}
ORM_WRITES = {"update", "create", "update_or_create", "get_or_create", "bulk_update", "save"}


def status_writes(module: Module) -> Iterator[str]:
    """Every place in `module` that writes a status, or reaches for a statement that does."""
    for node in ast.walk(module.tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            for target in targets:
                if any(isinstance(part, ast.Attribute) and part.attr == "status" for part in ast.walk(target)):
                    yield f"{module.path}:{node.lineno} assigns to .status"
    for call, name in calls(module.tree):
        method = name.rpartition(".")[2]
        if method.removeprefix("a") in ORM_WRITES or method in ORM_WRITES | MODEL_NAMES | {"setattr"}:
            if _names_status(call):
                yield f"{module.path}:{call.lineno} {method}() writes status"
        elif name.startswith("sql.") and method not in READERS:
            yield f"{module.path}:{call.lineno} calls jobs.{name}"
    for node, text in strings(module.tree):
        if SQL_WRITE.search(text):
            yield f"{module.path}:{node.lineno} is SQL that writes status"
    for node, name in imported(module.tree):
        if name.startswith("jobs.sql.") and name.split(".")[2] != "rows" and name.split(".")[2] not in READERS:
            yield f"{module.path}:{node.lineno} imports {name}"


def _names_status(call: ast.Call) -> bool:
    """Whether `status` is written: as a keyword, a key of a dict, or a name in update_fields or the like."""
    if any(keyword.arg == "status" for keyword in call.keywords):
        return True
    inside = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(isinstance(node, ast.Constant) and node.value == "status" for part in inside for node in ast.walk(part))


def test_nothing_but_the_transitions_writes_a_status():
    found = [place for module in modules() if not WRITERS.fullmatch(module.path) for place in status_writes(module)]
    assert found == []


def test_the_transitions_do_write_it_so_the_search_sees_something():
    [reaping] = [module for module in modules("jobs") if module.path == "jobs/transitions/reaping.py"]
    assert list(status_writes(reaping))


@pytest.mark.parametrize(
    "code",
    [
        "task.status = 'pending'",
        "task.status: str = 'pending'",
        "task.status, other = 1, 2",
        "setattr(task, 'status', 'pending')",
        "Task.objects.filter(id=1).update(status='pending')",
        "await Task.objects.aupdate(status='pending')",
        "Task.objects.update(**{'status': 'pending'})",
        "Task.objects.bulk_update(rows, ['size', 'status'])",
        "Task.objects.update_or_create(id=1, defaults={'status': 'x'})",
        "Job.objects.create(name='x', status='killed')",
        "Task(status='completed')",
        "task.save(update_fields=['status'])",
        "cursor.execute('UPDATE jobs_task SET size = 1, status = %s WHERE id = 1')",
        "cursor.execute(f'update {table} set status={value}')",
        "cursor.execute('INSERT INTO jobs_task (status) VALUES (1)')",
        "sql.settle_tasks(slave, rows)",
        "from jobs.sql import settle_tasks",
        "from jobs.sql.postgresql import settle_tasks",
    ],
)
def test_every_known_way_to_write_a_status_is_seen(code):
    assert list(status_writes(parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "if task.status == 'pending': pass",
        "Task.objects.filter(status='pending').update(size=1)",
        "status = task.status",
        "cursor.execute('SELECT status FROM jobs_task WHERE status = 1')",
        "cursor.execute('UPDATE jobs_task SET size = 1')",
        "sql.pages(job).rows(b'', 10)",
        "from jobs.sql.rows import Candidate",
    ],
)
def test_reading_a_status_is_nobodys_business(code):
    assert not list(status_writes(parse(code)))
