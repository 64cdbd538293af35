"""From what pika raises to what an operator can act on."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from pika.exceptions import ChannelClosedByBroker, ProbableAccessDeniedError, ProbableAuthenticationError

from transfers.broker.errors import BrokerError, BrokerMisconfigured, BrokerUnavailable
from transfers.broker.rabbitmq.address import Address
from transfers.broker.rabbitmq.queues import Queues
from transfers.broker.rabbitmq.session import Closed, NotReadyInTime, QueueDeleted

_SAID = re.compile(r"ConnectionClosedByBroker: \((?P<code>\d+)\) (?P<quote>['\"])(?P<text>.*)(?P=quote)", re.DOTALL)
"""As pika writes down what a server said when it closed a connection that was not open yet."""
_ACCESS_REFUSED, _NOT_ALLOWED = 403, 530


def explain(reason: BaseException, address: Address, queues: Queues) -> BrokerError:
    """The error for the end of a session. Says what happened, where, and what to do."""
    server = f"RabbitMQ at {address}"
    match reason:
        case Closed():
            return BrokerUnavailable(f"the connection to {server} was closed")
        case QueueDeleted():
            return BrokerUnavailable(
                f"the queue {queues.tasks} at {server} was deleted; it is declared again in a second"
            )
        case NotReadyInTime():
            return BrokerUnavailable(f"{server} accepts connections but does not answer")
        case ProbableAuthenticationError() | ProbableAccessDeniedError():
            return _not_let_in(reason, address, server)
        case ChannelClosedByBroker(reply_code=403):
            return BrokerMisconfigured(
                f"{server} does not permit what SyncF needs (configure, write, read): {reason.reply_text}"
            )
        case ChannelClosedByBroker(reply_code=406) if "inequivalent arg" in reason.reply_text:
            return _other_arguments(reason.reply_text, server, queues)
    return _lost(reason, server)


def _not_let_in(reason: BaseException, address: Address, server: str) -> BrokerError:
    """pika guesses from when the connection ended; only what the server itself said tells why."""
    said = _SAID.search(str(reason))
    code, text = (int(said["code"]), said["text"]) if said else (0, "the connection was cut")
    if code == _ACCESS_REFUSED:
        return BrokerMisconfigured(f"{server} refused user and password: correct them in BROKER_URL")
    if code == _NOT_ALLOWED and "limit" not in text:
        return BrokerMisconfigured(
            f"{server} has no virtual host {address.vhost!r} for user {address.user!r}: correct BROKER_URL, "
            f"or type: rabbitmqctl add_vhost {address.vhost}; "
            f'rabbitmqctl set_permissions -p {address.vhost} {address.user} ".*" ".*" ".*"'
        )
    return BrokerUnavailable(f"{server} ended the connection before it let us in: {text}")


def _other_arguments(text: str, server: str, queues: Queues) -> BrokerMisconfigured:
    difference = text.partition(" - ")[2] or text
    other_type = "classic" if queues.queue_type == "quorum" else "quorum"
    return BrokerMisconfigured(
        f"a queue at {server} exists with other arguments: {difference}. Delete both queues (nothing is lost, hints "
        f"are published again): rabbitmqctl delete_queue {queues.tasks}; rabbitmqctl delete_queue {queues.dead} - "
        f"or, where x-queue-type differs, use what exists: ?queue_type={other_type} in BROKER_URL"
    )


def _lost(reason: BaseException, server: str) -> BrokerError:
    causes = list(_causes(reason))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return BrokerMisconfigured(f"no TLS connection to {server}: {cause}")
        if isinstance(cause, OSError) and cause.strerror:
            return BrokerUnavailable(f"{server} can't be reached: {cause.strerror}")
    return BrokerUnavailable(f"lost the connection to {server}: {' '.join(map(str, causes[-1].args))}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that pika wrapped in it, the innermost last."""
    yield error
    inner = [*error.args, getattr(error, "exception", None), *getattr(error, "exceptions", ())]
    for cause in inner:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
