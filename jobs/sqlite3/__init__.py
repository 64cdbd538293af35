"""Django's backend for SQLite, with a shorter wait for the one writer's turn."""
