"""Hints over RabbitMQ 3.10 or later, by pika.

* address    the URL: where, as whom, which queue type
* queues     names and arguments of the two queues
* session    one connection from its first byte to its last
* link       a thread that keeps a session up for ever
* consumer   hints from the queue into an inbox
* publisher  hints into the queue, with confirms in a pipeline
* broker     the two together, as the interface wants them
"""

import logging

# pika tells every failed attempt to connect in several lines; `link` says once what happened.
logging.getLogger("pika").setLevel(logging.CRITICAL)
