"""`python -m tests.acceptance.steer`: calls of the product's services, in the product's own settings.

A line on stdin is `[ACTION, ARGUMENTS]` as JSON, the answer a line on stdout: `{"result": …}` or `{"error": text}`.
`create_job` answers with the new job's id, `sign_up` makes a superuser and answers with a key for the API; any other
ACTION is called for `{"job": id}`; `sync_again` is what the one-shot command does with a job it knows. No database
connection outlives a call.
"""

import json
import sys
import traceback
from datetime import timedelta

import django
from django.db import connections


def main() -> None:
    """Answer until stdin ends."""
    django.setup()
    for line in sys.stdin:
        try:
            answer = {"result": call(*json.loads(line))}
        except Exception:
            answer = {"error": traceback.format_exc()}
        connections.close_all()
        print(json.dumps(answer), flush=True)


def call(action: str, arguments: dict) -> object:
    """One call; raises whatever the service raises."""
    from jobs import services
    from jobs.models import Job

    if "interval" in arguments:
        arguments["interval"] = timedelta(seconds=arguments["interval"])
    if action == "create_job":
        return str(services.create_job(actor="test", **arguments).pk)
    if action == "sign_up":
        return _sign_up()
    job = Job.objects.get(pk=arguments.pop("job"))
    for name in ("retry_failed", "run_now") if action == "sync_again" else (action,):
        getattr(services, name)(job, actor="test", **arguments)
    return None


def _sign_up() -> str:
    from django.contrib.auth.models import User
    from knox.models import AuthToken

    return AuthToken.objects.create(User.objects.create_superuser("admin", password="only-for-tests"))[1]


if __name__ == "__main__":
    main()
