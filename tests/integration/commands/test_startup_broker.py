"""Queues that others declared with other arguments."""

import pika
import pytest
from django.core.management import CommandError, call_command

from tests.support import stack


@pytest.mark.skipif(not stack.is_postgres(), reason="the embedded stack has no RabbitMQ")
def test_queues_with_other_arguments_are_refused_with_the_command_that_deletes_them(db, settings):
    from jobs.services import installation

    queue = f"syncf.{installation().identifier}.tasks"
    with pika.BlockingConnection(pika.URLParameters(settings.BROKER_URL)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
        try:
            with pytest.raises(CommandError, match=f"^BROKER_URL: .*rabbitmqctl delete_queue {queue}") as refused:
                call_command("runscheduler", "--once")
        finally:
            connection.channel().queue_delete(queue)
    assert refused.value.returncode == 2 and "\n" not in str(refused.value)
