"""Hints over RabbitMQ 3.10 or later, by pika.

::

    address.py      the URL: where, as whom, which queue type
    queues.py       names and arguments of the two queues
    session.py      one connection from its first byte to its last
    link.py         a thread that keeps a session up for ever
    consumer.py     hints from the queue into an inbox
    publisher.py    hints into the queue, with confirms in a pipeline
    broker.py       the two together, as the interface wants them
    explain.py      what pika raises, in words that an operator can act on
"""

import logging

# pika tells every failed attempt to connect in several lines; `link` says once what happened.
logging.getLogger("pika").setLevel(logging.CRITICAL)
