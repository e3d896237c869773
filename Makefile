# Veilcam. `make help` lists the verbs.
PYTHON := .venv/bin/python
CLIP ?=
GT ?=
DATA ?=
export CLIP GT DATA

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20
	@ls bench/*.py 2>/dev/null | sed -E 's,bench/([a-z_]+)\.py,bench-\1,' | tr '\n' ' '; echo

setup:           ## apt packages, venv, demo clip; quick when already done
	@.ci/setup

demo: setup      ## two cameras on real footage, the box, its page; CLIP=path for footage of your own
	@$(PYTHON) systemd/demo.py $(if $(CLIP),--clip $(CLIP)) $(DEMO)

check: check-python  ## ruff, mypy strict, formatting, arrows; the page's formatter, linter and types
	.ci/check_page

check-python: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest tests/test_layers.py

# 75: the page's checkers could not be fetched, which the script says; nothing about the product depends on them.
test: check-python ## everything that proves it
	.ci/check_page || [ $$? -eq 75 ]
	$(PYTHON) -m pytest -n 2 --dist loadfile -m "not long and not pi and not gpu" --durations=15

test-long: setup ## what is longer: independent clients, kill -9 rounds, big fuzz runs
	$(PYTHON) -m pytest -m "long" --durations=15

test-onvif: setup ## ONVIF: every operation, the official cases by id, docs/onvif-conformance.md
	$(PYTHON) -m bench.onvif

fresh:           ## both commands in a bare Debian chroot (needs root and mmdebstrap); SUITE=trixie for Debian 13
	@.ci/fresh $(SUITE) $(VERBS)

coverage: setup  ## what the tests run through, printed once (an hour: every line is counted)
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest -m "not long and not pi and not gpu" -p no:xdist || true
	$(PYTHON) -m coverage combine -q && $(PYTHON) -m coverage report --skip-covered

bench-%: setup   ## one benchmark: a table, and bench/results/NAME.json
	$(PYTHON) -m bench.$(subst -,_,$*)

.PHONY: help setup demo check check-python test test-long test-onvif fresh coverage
