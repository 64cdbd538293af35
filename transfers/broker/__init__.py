"""Hints about waiting work, carried by RabbitMQ, by the database itself, or inside one process.

The database is the truth; a hint only says where to look. It may arrive never, once or many times, in any order.
Nothing here knows Django, the models or the engine.

::

    base.py  errors.py         what every broker owes, and what can go wrong with one
    registry.py                from a URL to one of them
        rabbitmq/              carried by RabbitMQ
        database.py            by the database itself
        memory.py              inside one process, for tests
    messages.py  inbox.py      a hint in writing, and on its way from one thread to another
"""
