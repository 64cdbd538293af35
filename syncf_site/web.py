"""How gunicorn serves the site, wherever it is started: `gunicorn syncf_site.wsgi --config python:syncf_site.web`.

Where it listens is said on the command line (`--bind`). The names are gunicorn's own settings.
"""

workers = 2
worker_class = "gthread"
#: An idle connection, as browsers open them ahead of need, must not keep a worker from the others.
threads = 16
#: Seconds. No request walks a tree; what takes long is streamed, and a stream renews this with every chunk.
timeout = 60
graceful_timeout = 3
loglevel = "warning"
#: Nobody steers it but the process that started it.
control_socket_disable = True
