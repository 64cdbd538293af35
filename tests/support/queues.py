"""Queues that tests declare on a broker whose server outlives them."""

from contextlib import closing, suppress

from pika import BlockingConnection, URLParameters
from pika.exceptions import AMQPError


def delete_queues(url: str, prefix: str) -> None:
    """Delete the queues of one installation. Nothing if the server is down."""
    with suppress(AMQPError, OSError), closing(BlockingConnection(URLParameters(url))) as connection:
        for name in ("tasks", "dead"):
            connection.channel().queue_delete(f"{prefix}.{name}")
