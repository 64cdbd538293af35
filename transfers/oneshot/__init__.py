"""The one-shot sync: the same jobs, tasks and checkpoints, with scheduler and slave in one process."""
