"""Telling people and programs what became of a job: by webhook and by e-mail.

    what happens ──one transaction──▶ a row for everybody ──scheduler──▶ a row per address ──its own thread──▶ sent
    (any process)    (outbox.py)                                                            (delivery.py)

Only the scheduler needs to know the addresses: what happens on a slave is told as well.

A row that can't be delivered is tried again, later each time, for three days. It may arrive twice (a crash between
sending and the note of it), never silently not at all. `docs/notifications.md` is for those who receive them.
"""


class NotDelivered(Exception):
    """This attempt failed. The text is for the operator and holds no secret: neither the URL nor a password."""
