# Run `make` to see what there is. Everything happens in .venv, which `make setup` creates.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: bench soak help setup check generate go openapi format test faults hostile images demo up down compose-up compose-examples compose-down compose-v2 sbom constraints wheel clean

BIN := .venv/bin
STAMP := .venv/.installed

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP) ## create .venv with everything that is needed

$(STAMP): pyproject.toml constraints.txt scripts/create-venv
	scripts/create-venv
	touch $@

check: setup ## format, lint, types, contracts, generated code
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python tools/generate.py --check
	$(BIN)/python -m tools.generate_openapi --check --if-reachable
	$(BIN)/buf format --diff --exit-code
	$(BIN)/buf lint
	scripts/check-breaking
	$(BIN)/mypy

generate: setup ## rebuild the code and the descriptor set from proto/
	$(BIN)/python tools/generate.py
	$(BIN)/python -m tools.generate_go --if-reachable
	$(BIN)/python -m tools.generate_openapi --if-reachable

openapi: setup ## rebuild the OpenAPI description of the REST surface
	$(BIN)/python -m tools.generate_openapi

go: setup ## rebuild the Go stubs, and the gateway in Go into .build/gobin
	$(BIN)/python -m tools.generate_go
	$(BIN)/python -m tools.golang

format: setup ## format the Python code and the protos
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/buf format --write

test: setup ## run every test, on real components; ARGS=tests/unit for some of them
	scripts/ensure-components tests scripts/run-tests $(ARGS)

faults: setup ## break every part under load and count what became of each execution
	SKILLBOX_TEST_ALL_FAULTS=1 scripts/ensure-components tests $(BIN)/pytest tests/faults $(ARGS)

hostile: setup ## run every attack on the sandboxes in every language
	SKILLBOX_HOSTILE=full scripts/ensure-components tests $(BIN)/pytest tests/sandbox/hostile $(ARGS)

images: setup ## build the sandbox images from Debian packages
	$(BIN)/skillbox images build

demo: setup ## start the stack, run example skills, stop; leaves nothing behind
	scripts/ensure-components sandbox $(BIN)/python examples/demo/demo.py

up: setup ## run the whole stack on this machine until Ctrl-C
	scripts/ensure-components sandbox $(BIN)/skillbox up $(ARGS)

down: ## stop a stack that runs in the background
	$(BIN)/skillbox down $(ARGS)

bench: setup .venv/.bench ## measure everything beside its raw parts; ARGS=--quick for five minutes
	scripts/ensure-components tests $(BIN)/python -m benchmarks $(ARGS)

soak: setup ## many runs on each engine: none lost, no box left, flat memory
	scripts/ensure-components tests $(BIN)/python -m benchmarks.soak $(ARGS)

.venv/.bench: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

compose-up: setup ## build the images and start the stack with Docker Compose
	scripts/ensure-components compose deploy/compose/up $(ARGS)

compose-examples: ## run the example skills against that stack
	SKILLBOX_COMPOSE_OVERLAYS=examples/docker-compose.yml deploy/compose/compose run --rm examples

compose-down: ## stop that stack; its data stays, unless ARGS=--volumes
	deploy/compose/down $(ARGS)

compose-v2: setup ## build Compose v2 into .build/gobin, so that the tests use it beside 1.29
	$(BIN)/python -m tools.compose_v2

sbom: setup ## write what is in each image to .build/sbom
	deploy/images/sbom

constraints: setup ## pin the versions that .venv has now
	mkdir -p .build
	{ head -n 1 constraints.txt; $(BIN)/pip freeze --exclude-editable; } | grep -v ' @ ' >.build/constraints.txt
	mv .build/constraints.txt constraints.txt

wheel: setup ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove all that was built, and .venv
	rm -rf .venv .build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
