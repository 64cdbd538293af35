"""In a network of its own: the link goes down under an open connection, nobody says so, and comes back.

Run as `unshare --net python -m tests.conformance.broker.half_open`; prints what was seen as JSON.
"""

from __future__ import annotations

import json
import subprocess
import time

from tests.servers import private_rabbitmq
from transfers.broker.base import Broker, Delivery, Hint
from transfers.broker.errors import BrokerUnavailable
from transfers.broker.rabbitmq import address
from transfers.broker.registry import open_broker

WAIT_SECONDS = 40.0


def link(state: str) -> None:
    """Packets to and from loopback are dropped while it is down; connections are not told."""
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def receive(broker: Broker, task_id: int) -> bool:
    """Whether a hint of that task comes in time."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        delivery = broker.receive()
        if isinstance(delivery, Delivery):
            broker.ack(delivery)
            if delivery.hint.task_ids == (task_id,):
                return True
        time.sleep(0.02)
    return False


def seconds_until(broker: Broker, *, is_connected: bool) -> float:
    """How long it takes to know."""
    begun = time.monotonic()
    while broker.is_connected is not is_connected and time.monotonic() - begun < WAIT_SECONDS:
        time.sleep(0.02)
    return time.monotonic() - begun


def publish(broker: Broker, task_id: int) -> bool:
    """Whether it was confirmed; an outage is none."""
    try:
        return bool(broker.publish([Hint((task_id,))]))
    except BrokerUnavailable:
        return False


def publish_at_last(broker: Broker, task_id: int) -> bool:
    """A new queue of a busy server may refuse its first ones."""
    end = time.monotonic() + WAIT_SECONDS
    while not (is_confirmed := publish(broker, task_id)) and time.monotonic() < end:
        time.sleep(0.2)
    return is_confirmed


def main() -> None:
    """Cut, look, mend, look."""
    address.HEARTBEAT_SECONDS = 2
    link("up")
    with private_rabbitmq() as node, open_broker(node.url, queue_prefix="half-open") as broker:
        broker.start_consuming()
        seen: dict[str, object] = {"before": publish_at_last(broker, 1) and receive(broker, 1)}
        link("down")
        begun = time.monotonic()
        seen["publish_while_down"] = publish(broker, 2)
        seen["publish_seconds"] = time.monotonic() - begun
        seen["seconds_until_noticed"] = seconds_until(broker, is_connected=False)
        link("up")
        publish_at_last(broker, 3)
        seen["after"] = receive(broker, 3)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
