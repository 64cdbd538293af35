"""`python -m tests.acceptance.steer`: calls of the product's services, in the product's own settings.

A line on stdin is `[ENVIRONMENT, ACTION, ARGUMENTS]` as JSON, the answer a line on stdout: `{"result": …}` or
`{"error": text}`. `create_job` answers with the new job's id, `sign_up` makes a superuser and answers with a key for
the API; any other ACTION is called for `{"job": id}`; `sync_again` is what the one-shot command does with a known job.

Loading Django takes longer than all calls of a test. So it is loaded once for all products of a test process, and every
call is made by a child that has the product's settings anew. No database connection outlives a call.
"""

import importlib
import json
import os
import sys
import traceback
from datetime import timedelta

import django
from django.conf import empty, settings
from django.db import connections


def main() -> None:
    """Answer until stdin ends."""
    django.setup()
    importlib.import_module("jobs.services")
    for line in sys.stdin:
        if not os.fork():
            answer(*json.loads(line))
            os._exit(0)
        if os.wait()[1]:
            print('{"error": "it has ended"}', flush=True)


def answer(environment: dict, action: str, arguments: dict) -> None:
    """In a child: become that product, and print what comes of the call."""
    os.environ.clear()
    os.environ.update(environment)
    del sys.modules["syncf_site.settings"]
    settings._wrapped = empty
    del connections.settings
    connections.__init__()
    try:
        said = {"result": call(action, arguments)}
    except Exception:
        said = {"error": traceback.format_exc()}
    connections.close_all()
    print(json.dumps(said), flush=True)


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
