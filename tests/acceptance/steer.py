"""`python -m tests.acceptance.steer ACTION JSON`: one call of the product's services, in the product's own settings.

`create_job` prints the new job's id; any other ACTION is called for `{"job": id}`; `sync_again` is what the one-shot
command does with a job it knows. A refusal is exit code 1.
"""

import json
import sys
from datetime import timedelta

import django


def main(action: str, text: str) -> None:
    """Call it."""
    django.setup()
    from jobs import services
    from jobs.models import Job

    arguments = json.loads(text)
    if "interval" in arguments:
        arguments["interval"] = timedelta(seconds=arguments["interval"])
    if action == "create_job":
        print(services.create_job(actor="test", **arguments).pk)
    else:
        job = Job.objects.get(pk=arguments.pop("job"))
        for name in ("retry_failed", "run_now") if action == "sync_again" else (action,):
            getattr(services, name)(job, actor="test", **arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
