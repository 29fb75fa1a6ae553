# Everything a developer needs, from an empty folder. `make` lists it.
# Asks for Python 3.11+ and make, nothing else: uv comes from PATH when it is new enough, else into .uv/.

PYTHON ?= python3
UV_NEEDED := 0.12
UV_PINNED := 0.13.9
# Half as many again as there are cores, and three: many tests wait for processes and clocks, and with one more than there
# are cores a third of two cores was idle. None loads the tests for itself; each costs some memory and connections.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) * 3 // 2 + 3)')
ARGS ?=
TIMES ?= 10

SHELL := /bin/sh
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never
# Left set by a shell or a user's file, these would change what is resolved and so what is tested.
unexport UV_FIND_LINKS UV_RESOLUTION UV_PRERELEASE UV_INDEX_STRATEGY UV_EXCLUDE_NEWER VIRTUAL_ENV
# Set (as in many images), every process that is started compiles what it imports anew: 5 s instead of 1.
unexport PYTHONDONTWRITEBYTECODE

UV := .uv/bin/uv
# Another Python beside the first: make test PYTHON=python3.13 VENV_DIR=.venv-3.13
VENV_DIR ?= .venv
BIN := $(VENV_DIR)/bin
VENV := $(VENV_DIR)/.synced
export UV_PROJECT_ENVIRONMENT := $(VENV_DIR)
MANIFESTS := pyproject.toml $(sort $(wildcard packages/*/pyproject.toml apps/*/pyproject.toml))
NODE_TOOLS := tests/artefacts/node_modules/.package-lock.json
COMPOSE := docker compose $(if $(wildcard .env),--env-file .env) --file docker/compose.yaml
# Where env can (GNU's): keeps Ctrl-C until the program takes it, for Python meets it with a traceback while it loads.
HELD_BACK = $$(env --block-signal=INT true 2> /dev/null && echo env --block-signal=INT)
PYTEST = $(BIN)/python -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup --collect-once
EXPORT := export --quiet --frozen --only-group image --no-emit-workspace --no-header --no-annotate

##@ Use it
.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## "; print "make <target>" } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: $(VENV) ## Start it all here: PostgreSQL, Valkey, mail inbox, API, worker (Ctrl-C stops it)
	@exec $(HELD_BACK) $(BIN)/singr-dev up $(ARGS)

.PHONY: down
down: $(VENV) ## Stop what `make run` started in another window
	@exec $(BIN)/singr-dev down

.PHONY: try
try: $(VENV) ## Beside `make run`: send a signed request, follow it to the delivered message
	@exec $(UV) run --quiet --no-sync scripts/try.py $(ARGS)

##@ Change it
.PHONY: test
test: $(VENV) ## Run the tests in parallel (ARGS="-k name" narrows, WORKERS=1 runs one by one)
	@$(PYTEST) -m "not full" --costs 0 $(if $(filter true,$(CI)),--budget tests/slow.txt) $(ARGS)

.PHONY: steady
steady: $(VENV) ## Run the tests ten times in a row, in random orders and beside other work (TIMES=3, ARGS as for test)
	@$(BIN)/python scripts/steady.py $(TIMES) -- $(PYTEST) -m "not full" $(ARGS)

.PHONY: artefacts
artefacts: $(VENV) $(NODE_TOOLS) ## Run what Singr generates, and the S3 server of its images, in other tools (needs Node)
	@$(UV) sync --quiet --all-packages --all-extras --group artefacts
	@$(BIN)/python -m pytest --quiet --numprocesses 0 --timeout 600 tests/artefacts $(ARGS)

.PHONY: lint
lint: $(VENV) ## Check style, formatting and the import contracts
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check || { $(BIN)/ruff format --check; echo "run: make format"; exit 1; }
	@$(BIN)/lint-imports --no-cache > $(VENV_DIR)/lint-imports.log 2>&1 || { cat $(VENV_DIR)/lint-imports.log; exit 1; }
	@echo "lint: clean"

.PHONY: format
format: $(VENV) ## Format the code and fix what can be fixed by itself
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format --quiet

.PHONY: new
new: $(VENV) ## Write the files of a new route, job, template or provider: make new route venues
	@$(BIN)/python -m scripts.new $(foreach word,$(NEW),'$(subst ','\'',$(word))')

.PHONY: type-check types
type-check: $(VENV) ## Check the types, strictly
	@$(BIN)/mypy $(wildcard packages/*/src apps/*/src) scripts bench docs/guides/examples
types: type-check

.PHONY: recipes
recipes: $(VENV) ## Follow each recipe of CONTRIBUTING.md on a copy, and test the copy (long)
	@$(BIN)/python -m pytest --quiet --numprocesses 0 --timeout 2400 -m full tests/architecture $(ARGS)

.PHONY: hooks
hooks: $(VENV) ## Check style and types before each commit in this clone
	@$(BIN)/pre-commit install

.PHONY: openapi
openapi: $(VENV) ## Write docs/openapi.yaml and docs/ROUTES.md from the handlers
	@$(BIN)/python scripts/export_openapi.py $(ARGS)
	@$(BIN)/python scripts/export_routes.py $(ARGS)

.PHONY: postman
postman: $(VENV) ## Write docs/postman.json, a Postman collection that signs its requests
	@$(BIN)/python scripts/generate_postman.py

.PHONY: lock
lock: $(UV) ## Resolve all dependencies anew and write requirements.lock
	@$(UV) lock --quiet --upgrade
	@$(UV) $(EXPORT) --output-file requirements.lock
	@rm -f $(VENV)

.PHONY: lock-check
lock-check: $(UV) ## Resolve afresh with the pins held and fail where requirements.lock differs
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	  for file in $(MANIFESTS); do mkdir -p "$$fresh/$$(dirname $$file)" && cp $$file "$$fresh/$$file"; done && \
	  awk 'NR == FNR { if ($$1 ~ /==/) pins = pins "\"" $$1 "\", "; next } { print } \
	    /^\[tool\.uv\]$$/ { print "constraint-dependencies = [" pins "]" }' \
	    requirements.lock pyproject.toml > "$$fresh/pyproject.toml" && \
	  $(UV) lock --quiet --project "$$fresh" && \
	  $(UV) $(EXPORT) --project "$$fresh" --output-file "$$fresh/requirements.lock" && \
	  { diff -u requirements.lock "$$fresh/requirements.lock" || { echo "requirements.lock has drifted; run: make lock"; exit 1; }; } && \
	  echo "lock-check: requirements.lock is what the manifests resolve to"

##@ Measure and attack it
.PHONY: bench
bench: $(VENV) ## Measure speed against Fastify + BullMQ and write bench/RESULTS.md
	@$(BIN)/python -m bench.run $(ARGS)

.PHONY: full
full: $(VENV) ## Run the long forms of the tests of packages and apps, and every list at a million jobs
	@$(BIN)/python -m pytest --quiet --numprocesses 0 --timeout 2400 -m full packages apps tests/plans $(ARGS)

.PHONY: faults
faults: $(VENV) ## Run the reliability rows in full: kills, outages, floods (long)
	@$(BIN)/python -m pytest --quiet --numprocesses 0 --timeout 2400 tests/faults $(ARGS)

.PHONY: security
security: $(VENV) ## Run the security rows in full (long)
	@$(BIN)/python -m pytest --quiet --numprocesses 0 --timeout 2400 tests/security $(ARGS)

.PHONY: broken
broken: $(VENV) ## Show that each reliability and security test fails on a build broken on purpose
	@PYTHONPATH=tests $(BIN)/python -m broken $(ARGS)

##@ Database
.PHONY: db-migrate
db-migrate: $(VENV) ## Bring the database to the newest schema
	@$(BIN)/singr-db upgrade

.PHONY: db-seed
db-seed: $(VENV) ## Add roles, permissions and the demo organization
	@$(BIN)/singr-db seed --demo

.PHONY: db-reset
db-reset: $(VENV) ## Drop everything in the database, migrate and seed again
	@$(BIN)/singr-db reset

##@ Deliver it
.PHONY: build
build: $(UV) ## Build a wheel of every package into dist/
	@rm -rf dist && $(UV) build --quiet --all-packages --wheel --out-dir dist && ls dist/*.whl

.PHONY: dev-up
dev-up: ## Start the Docker Compose environment and wait until it is healthy
	@$(COMPOSE) up --detach --build --wait

.PHONY: dev-down
dev-down: ## Stop the Docker Compose environment (its data stays)
	@$(COMPOSE) down

.PHONY: dev-logs
dev-logs: ## Follow the logs of the Docker Compose environment
	@$(COMPOSE) logs --follow --tail 100

.PHONY: images
images: $(VENV) ## Ask the registries whether every image of docker/images.txt can still be had
	@$(BIN)/python scripts/check_images.py $(ARGS)

.PHONY: clean
clean: ## Remove caches, builds and environments; keep the data in .singr/
	@rm -rf .venv .venv-* .uv dist docs/postman.json .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis bench/peer/node_modules tests/artefacts/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- what the targets above stand on ----

# After `new` come words and no targets, even where one is called the same.
ifeq (new,$(firstword $(MAKECMDGOALS)))
NEW := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
PLAIN := $(foreach word,$(NEW),$(if $(findstring :,$(word))$(findstring %,$(word)),,$(word)))
.PHONY: $(PLAIN)
$(PLAIN): | new ; @:
.DEFAULT: ; @:
endif

$(VENV): $(MANIFESTS) | $(UV)
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --python $(PYTHON) $(VENV_DIR)
	@echo "Installing what Singr needs into $(VENV_DIR) (once) ..." >&2
	@$(UV) sync --quiet --all-packages --all-extras
	@touch $@

$(NODE_TOOLS): tests/artefacts/package-lock.json
	@command -v npm > /dev/null || { echo "make artefacts needs Node and npm. Debian: apt-get install nodejs npm"; exit 1; }
	@cd tests/artefacts && npm ci --silent && touch node_modules/.package-lock.json

$(UV):
	@command -v $(PYTHON) > /dev/null || { \
	  echo "Singr needs Python 3.11 or newer, and '$(PYTHON)' is not there. Install it, or name yours: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Singr needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name a newer one: make PYTHON=/path/to/python3.11"; exit 1; }
	@mkdir -p .uv/bin
	@found=$$(command -v uv || true); \
	if [ -n "$$found" ] && "$$found" --version 2>/dev/null | $(PYTHON) -c 'import re, sys; \
	  numbers = re.findall(r"\d+", sys.stdin.read())[:2]; \
	  sys.exit([int(n) for n in numbers] < [int(n) for n in "$(UV_NEEDED)".split(".")])'; \
	then ln -sf "$$found" $@; \
	else echo "Installing uv $(UV_PINNED) into .uv (once) ..." >&2; \
	  rm -rf .uv && $(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_PINNED) || { \
	    rm -rf .uv; echo "uv could not be installed. Install it yourself, or give Python its venv module (Debian: apt install python3-venv)."; exit 1; }; \
	fi
