"""Hints about waiting work, carried by RabbitMQ, by the database itself, or inside one process.

The database is the truth; a hint only says where to look. It may arrive never, once or many times, in any order.
Nothing here knows Django, the models or the engine.
"""
