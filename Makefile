# SyncF. `make` alone lists what there is. Needs only GNU make, a POSIX shell and Python 3.11 or newer.

.DEFAULT_GOAL := help
.PHONY: help setup build migrate run run-master run-slave start-rabbitmq sync test bench reliability lint types lock clean
.DELETE_ON_ERROR:

PORT ?= 8080
# Extra arguments for the tool behind test, lint, types and lock: make test ARGS="-k health"
ARGS ?=
# Storages beyond directories: make setup EXTRAS="s3 sftp" (s3, gcs, azure, sftp).
EXTRAS ?=
# The name of the slave that run-slave starts; it draws one without.
SLAVE ?=

# Processes per stack that run the tests; the tests of one file stay together. More of them than this on two cores, and
# tests of what stops within seconds fail.
WORKERS ?= 2

VENV := .venv
PY := $(VENV)/bin/python
MANAGE := $(PY) manage.py

# Stamps: what they stand for is done again only when what it was made from changed.
CREATED := $(VENV)/created.stamp
BASE := $(VENV)/base.stamp
DEV := $(VENV)/dev.stamp
STATIC := var/static.stamp
COMPILED := $(VENV)/compiled.stamp
TESTS_COMPILED := $(VENV)/tests-compiled.stamp

ALL_EXTRAS := s3 gcs azure sftp
EXTRA_STAMPS := $(foreach name,$(EXTRAS),$(VENV)/$(name).stamp)

# Tests that do next to nothing but wait for a server to notice something: beside the others, in one process.
WAITING := tests/conformance/broker

# In the order of the files: the long ones, tests/acceptance, come first.
SPREAD := --dist loadfile --no-loadscope-reorder --numprocesses $(WORKERS)
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes
# What pip would do on one processor; like pip, it minds no file that is for another Python.
COMPILE_INSTALLED := $(PY) -m compileall -qq -j 0 $(VENV)/lib || true

# make would expand a $ inside these values; taken as they stand, they reach the commands through the environment.
VERBATIM := SOURCE SINK BASE_PATH DATABASE_URL BROKER_URL SECRET_KEY
$(foreach name,$(VERBATIM),$(if $(filter undefined,$(origin $(name))),,\
  $(eval override $(name) := $$(value $(name)))$(eval export $(name))))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

# ── set up ───────────────────────────────────────────────────────────────────────────────────────────────────

setup: $(BASE) $(EXTRA_STAMPS) $(COMPILED) .env ## Make .venv with everything needed to run, and a .env with a key of its own
	@mkdir -p data var && chmod 700 var

build: setup $(STATIC) ## Check the configuration, collect the admin's static files
	@$(MANAGE) check

migrate: setup ## Bring the database to this version's schema
	@$(MANAGE) migrate --check >/dev/null 2>&1 || { echo "Preparing the database"; $(MANAGE) migrate --verbosity=0; }

$(CREATED):
	@python="$(PYTHON)"; \
	is_new_enough() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	if [ -z "$$python" ]; then \
	  for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if is_new_enough "$$name"; then python=$$name; break; fi; \
	  done; \
	fi; \
	if [ -z "$$python" ] || ! is_new_enough "$$python"; then \
	  echo "SyncF needs Python 3.11 or newer, and $${python:-no python3 here} is not. On Debian: apt-get install" \
	    "python3 python3-venv; elsewhere name one: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "This Python ($$python, $$version) comes without venv and pip. On Debian and Ubuntu:" \
	    "apt-get install python$$version-venv" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$python"; \
	"$$python" -m venv $(VENV)
	@touch $@

$(BASE): requirements/base.txt $(CREATED)
	@echo "Installing what SyncF needs to run (once, about half a minute)"
	@$(INSTALL) -r requirements/base.txt
	@$(COMPILE_INSTALLED)
	@touch $@

# An extra is complete by itself, at the versions of all the others.
$(ALL_EXTRAS:%=$(VENV)/%.stamp): $(VENV)/%.stamp: requirements/%.txt $(BASE)
	@echo "Installing what $* storages need"
	@$(INSTALL) -r $<
	@$(COMPILE_INSTALLED)
	@touch $@

# dev.txt holds base.txt and the extras too, at the same versions.
$(DEV): requirements/dev.txt $(CREATED)
	@echo "Installing what working on SyncF needs"
	@$(INSTALL) -r requirements/dev.txt
	@$(COMPILE_INSTALLED)
	@touch $(BASE) $(ALL_EXTRAS:%=$(VENV)/%.stamp) $@

# Where Python is told to write no bytecode (PYTHONDONTWRITEBYTECODE), every start would compile all of it anew.
$(COMPILED): $(BASE) $(shell find jobs storage_backends syncf_site transfers -name '*.py')
	@$(PY) -m compileall -q jobs storage_backends syncf_site transfers
	@touch $@

# Tests start hundreds of processes.
$(TESTS_COMPILED): $(DEV) $(COMPILED) $(shell find tests docs -name '*.py')
	@$(PY) -m compileall -q tests docs
	@touch $@

# Made once and never again: it belongs to whoever runs this installation.
.env: | $(BASE)
	@umask 077; key=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))') \
	  && sed "s|^SECRET_KEY=.*|SECRET_KEY=$$key|" .env.example > .env.new && mv .env.new .env

$(STATIC): $(BASE) $(shell find jobs syncf_site transfers -path '*/static/*' -type f) | .env
	@echo "Collecting the admin's static files"
	@mkdir -p var
	@$(MANAGE) collectstatic --noinput --verbosity=0
	@touch $@

# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────────

run: build migrate ## Run everything on this machine: web on 127.0.0.1, port 8080 or PORT, scheduler and one slave
	@exec $(MANAGE) run --port "$(PORT)"

run-master: build migrate ## Run web and scheduler; slaves run elsewhere
	@exec $(MANAGE) run --port "$(PORT)" --no-slave

run-slave: setup ## Run one slave: make run-slave SLAVE=slave-001
	@exec $(MANAGE) runslave $(SLAVE)

sync: setup ## Sync one directory and exit: make sync SOURCE=dir SINK=dir
	@if [ -z "$$SOURCE" ] || [ -z "$$SINK" ]; then echo "usage: make sync SOURCE=dir SINK=dir" >&2; exit 2; fi
	@exec $(PY) -m syncf_site.oneshot $(ARGS) -- "$$SOURCE" "$$SINK"

start-rabbitmq: ## Start RabbitMQ with its management page on 127.0.0.1:15672
	@for engine in docker podman; do \
	  if "$$engine" info >/dev/null 2>&1; then \
	    echo "Starting RabbitMQ with $$engine, as the container syncf-rabbitmq"; \
	    "$$engine" start syncf-rabbitmq 2>/dev/null || "$$engine" run --detach --name syncf-rabbitmq \
	      -p 127.0.0.1:5672:5672 -p 127.0.0.1:15672:15672 rabbitmq:4-management; \
	    exit; \
	  fi; \
	done; \
	if ! command -v rabbitmq-server >/dev/null; then \
	  echo "Neither docker, podman nor rabbitmq-server is there. On Debian: apt-get install rabbitmq-server" >&2; exit 1; \
	fi; \
	if [ "$$(id -u)" != 0 ]; then echo "rabbitmq-server must be started by root: sudo make start-rabbitmq" >&2; exit 1; fi; \
	echo "Starting the rabbitmq-server of this machine"; \
	rabbitmq-plugins enable rabbitmq_management >/dev/null || exit 1; \
	rabbitmqctl --quiet ping >/dev/null 2>&1 || RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 rabbitmq-server -detached || exit 1; \
	rabbitmqctl --quiet await_startup --timeout 60
	@echo "BROKER_URL=amqp://guest:guest@127.0.0.1:5672/  management: http://127.0.0.1:15672 (guest, guest)"

# ── work on it ───────────────────────────────────────────────────────────────────────────────────────────────

# Both stacks at once, in several processes each, and what only waits; the others' output after that of SQLite's. The
# servers that were started for the tests end with them. pytest compiles tests in a way of its own: once, while the
# servers start, and not once in each process.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(TESTS_COMPILED) ## Run every test on SQLite, then on PostgreSQL and RabbitMQ (brought up if they are not there)
	@trap '$(PY) -m tests.servers down' EXIT; trap 'exit 130' INT TERM; \
	$(PY) -m pytest --collect-only --quiet > /dev/null 2>&1 & \
	servers=$$($(PY) -m tests.servers up) || exit 1; wait; \
	set -f; for server in $$servers; do export "$$server"; done; set +f; \
	failed=0; mkdir -p var; \
	SYNCF_TEST_STACK=postgres $(PY) -m pytest $(SPREAD) $(ARGS) > var/test-postgres.log 2>&1 & other=$$!; \
	$(if $(ARGS),true,SYNCF_TEST_STACK=sqlite $(PY) -m pytest $(WAITING)) > var/test-waiting.log 2>&1 & waiting=$$!; \
	SYNCF_TEST_STACK=sqlite $(PY) -m pytest $(SPREAD) $(or $(ARGS),--ignore $(WAITING)) || failed=1; \
	wait $$other || failed=1; cat var/test-postgres.log; \
	wait $$waiting || failed=1; cat var/test-waiting.log; \
	exit $$failed

# QUICK=1: small trees, two and a half minutes. Needs 30 GB in TMPDIR; as root every round gets a file system of its own.
bench: $(TESTS_COMPILED) .env ## Compare with rclone, rsync and cp on the same trees; writes docs/performance.md
	@trap '$(PY) -m tests.servers down' EXIT; trap 'exit 130' INT TERM; \
	servers=$$($(PY) -m tests.servers up) || exit 1; \
	set -f; for server in $$servers; do export "$$server"; done; set +f; \
	$(PY) -m tests.benchmarks $(if $(QUICK),--quick) $(ARGS)

# LONG=1: hours. SHARE=0.1: a tenth of it; runs add up in var/reliability. ARGS: see python -m tests.reliability --help
reliability: $(TESTS_COMPILED) ## Kill, starve and freeze real syncs at any call, cut the power, and check every promise
	@$(PY) -m tests.reliability $(if $(LONG),--long) $(if $(SHARE),--share $(SHARE)) $(ARGS)

lint: $(DEV) ## Check style and import directions
	@$(PY) -m ruff check . $(ARGS)
	@$(VENV)/bin/lint-imports

types: $(DEV) ## Check types
	@$(PY) -m mypy $(ARGS)

lock: $(DEV) ## Write all locked requirements anew from *.in: make lock ARGS=--upgrade
	@lock() { \
	  env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(PY) -m uv pip compile --quiet --no-config --universal --generate-hashes \
	    --python-version 3.11 --custom-compile-command "make lock" $(ARGS) "$$@"; \
	}; \
	for name in base dev; do lock requirements/$$name.in --output-file requirements/$$name.txt || exit 1; done; \
	for name in $(ALL_EXTRAS); do \
	  lock requirements/$$name.in --constraint requirements/dev.txt --output-file requirements/$$name.txt || exit 1; \
	done; \
	for name in cloud swift; do \
	  lock tests/servers/requirements/$$name.in --output-file tests/servers/requirements/$$name.txt || exit 1; \
	done

clean: ## Remove what can be made again; never .env, data/ or the database
	@rm -rf $(VENV) $(STATIC) staticfiles .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
