# Podling: two commands are enough. `make demo` runs the book's chapter for real, `make test` proves the project.
SHELL := /bin/bash
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Debian's own Python first: built with profile-guided optimization, it does with a third less CPU than a plain build of
# the same version. Else the newest that really starts (a version manager may leave names that do not).
PYTHON ?= $(shell for p in /usr/bin/python3 python3.13 python3.12 python3.11 python3; do $$p -c 'import sys, venv, ensurepip, ssl, sqlite3; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
BIN := .venv/bin
ISSUE ?= walkthrough

.PHONY: demo test lint bench api-matrix clients conformance fuzz seen install system clean simulate mutants

install: .make/venv

.make/venv: pyproject.toml src/podling/__init__.py
	@[ -n "$(PYTHON)" ] || { echo "Podling needs Python 3.11 or newer with venv: apt-get install -y python3-venv"; exit 1; }
	@echo "==> a virtual environment in .venv ($$($(PYTHON) --version)), with Podling, kubectl and the test tools"
	@$(PYTHON) -m venv .venv || { echo "venv is missing: apt-get install -y python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@mkdir -p .make && touch $@

# Debian's container runtime and packet filter (and iproute2, with which the tests look at the host).
system:
	@missing=""; command -v crun >/dev/null || missing="$$missing crun"; \
	 PATH=$$PATH:/usr/sbin; command -v nft >/dev/null || missing="$$missing nftables"; \
	 /sbin/ldconfig -p | grep -q libnftables.so.1 || missing="$$missing libnftables1"; \
	 command -v ip >/dev/null || missing="$$missing iproute2"; \
	 if [ -n "$$missing" ]; then echo "==> installing$$missing (Debian packages)"; \
	 $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; fi

demo: install system
	$(SUDO) $(BIN)/podling demo

# Everything but what is held against a clock: a busy machine is no reason to fail (`make seen` looks at the clock).
# What touches the host (real containers, namespaces) runs alone, all else on every processor. Real sockets on a machine
# that is shared stumble once in thousands: what failed is run once more, with everything it needs built anew, and has
# to pass then; the one summary of each phase names it (RERUN).
PYTEST := $(SUDO) $(BIN)/python -m pytest
AGAIN := --reruns 1 --reruns-delay 2
test: install system lint
	$(PYTEST) $(AGAIN) -m "not timed and not real" -n auto --dist worksteal
	$(PYTEST) $(AGAIN) -m "real and not timed"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# N of the 462 behaviours of the 1.37 conformance list, each shown by a test that carries its name.
conformance: install system
	$(SUDO) $(BIN)/python -m tests.conformance

# docs/api-matrix.md from what is served and what the tests try; a cell that no test fills fails it.
api-matrix: install
	GOLDEN=write $(BIN)/python -m pytest -q tests/matrix

# As many requests as COUNT says, over all endpoints: no 500, no hang. A small share of it is in `make test`.
COUNT ?= 1000000
fuzz: install
	$(BIN)/python -m tests.fuzz $(COUNT)

# Twenty thousand histories of the control plane on simulated time (`make test` goes through a thousand).
simulate: install
	$(BIN)/python -m podling.testing.exploration 0 20000

# Eleven planted bugs, each to be found by such histories, and no alarm without them.
mutants: install
	$(BIN)/python -m tests.mutants

# The issue's list of what has to be seen, held against the clock; nothing here is run twice.
seen: install system
	$(SUDO) env PODLING_SEEN_CLONE=1 $(BIN)/python -m pytest -s tests/seen/test_$(ISSUE)*.py

# Real, unmodified clients; those that are not Python are fetched and built outside this folder, where go and npm are.
clients: install
	PODLING_CLIENTS=everything $(BIN)/python -m pytest -q tests/clients

bench: install system
	$(SUDO) $(BIN)/python -m bench

clean:
	rm -rf .venv .make
