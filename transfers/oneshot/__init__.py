"""The one-shot sync: the same jobs, tasks and checkpoints, by a scheduler and a slave that live as long as the command.

::

    headstart.py  errands.py      what begins before Django is loaded, and what its processes do
    arguments.py  beginning.py    what was typed, and the job and the scan that do it
    foreign.py                    what people type who know rsync and rclone
    schema.py  catalogue.py       the database, brought up to date; what is told where it can't be used
    session.py                    the sync from start to end
    scheduling.py                 its scheduler, a process of its own
    progress.py  drawing.py       how it stands meanwhile
    ending.py  unsynced.py        when it is over, and what is not at the sink then
    report.py                     what is told at the end
"""
