"""What can go wrong with a broker. None of it loses work: the database still knows everything."""

from __future__ import annotations


class BrokerError(Exception):
    """The broker failed."""


class BrokerUnavailable(BrokerError):
    """The broker can't be reached or does not take messages now; trying again later may succeed."""


class BrokerMisconfigured(BrokerError):
    """The broker can't work until somebody changes the URL, the credentials or the queue."""


class MalformedMessage(BrokerError):
    """A message that none of our schedulers can have sent."""
