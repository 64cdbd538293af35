"""A blob of several parts, and the end of its upload."""

import random

from tests.conformance.storage.places import send

DATA = random.Random(1).randbytes((16 << 20) + 12345)
"""Two parts and a bit."""


def finish(session):
    send(session, DATA)
    session.prepare(b"s" * 32)
    return session.commit()
