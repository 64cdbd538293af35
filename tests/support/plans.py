"""How the database at hand would find the rows of a statement."""

from collections.abc import Callable

from django.db import connection


def explain(statement: str, parameters) -> str:
    with connection.cursor() as cursor:
        prefix = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
        cursor.execute(prefix + statement, parameters)
        return "\n".join(str(row) for row in cursor.fetchall())


def plans_of(action: Callable[[], object], begin: str) -> list[str]:
    """The plans of the statements of `action` that begin so, each taken in the settings and with the parameters it was
    run with: SQLite plans otherwise for a value it can read."""
    plans = []

    def wrapper(execute, statement, parameters, many, context):
        if statement.strip().startswith(begin):
            plans.append(explain(statement, parameters))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(wrapper):
        action()
    return plans
