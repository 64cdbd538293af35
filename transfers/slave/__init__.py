"""A slave: claims tasks, hands them to worker processes, keeps its lease, settles what comes back.

::

    process.py                      signs on, runs one incarnation after another, signs off
    slave.py                        the main loop of an incarnation
        supply.py  claims.py        where batches come from, and what a worker is given of one
        crew.py  worker.py          the worker processes, and what each has in hand
        questions.py  answers.py    what they ask, and what they answer
        settling.py  ledger.py      what the database is told of it
        control.py                  what the jobs in hand want by now: pause, kill, another rate
        housekeeping.py             what is nobody's any more
    heartbeat.py  patience.py       the lease, and how long a database that does not answer is waited for
    throughput.py                   what is copied, for people
"""
