"""Copying: what happens to the bytes of one file. Plain Python, never Django, never a database.

::

    contracts.py  messages.py             what is given, answered and asked, and how that is said over a socket
    worker.py  pool.py  mother.py         a worker process, its parent's handle on it, and who forks one
    control.py  lifeline.py  memory.py    what a busy worker is told, with whom it dies, when it collects garbage
    run.py                                from an assignment to an outcome for every work
        small.py  prefetch.py             many small files and links; those that were read before anybody asked
        large.py                          one big file, step by step
            upload.py  proof.py           the sink's side of it, and what of that can be believed
            parts.py  writers.py          its parts, and how they get to the sink
            pipeline.py  hashing.py       reading, hashing and syncing side by side
        directories.py                    made, and given their mode, owner and times
    context.py  ratelimit.py              what every step needs, and the rate
    adoption.py                           what the sink holds already is not sent
    outcomes.py  failures.py              the answers
"""
