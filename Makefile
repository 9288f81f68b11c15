# Two commands do everything: `make run` and `make test`. They need Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check protos format bench clean

# What ARGS of `make run` name besides, such as --edge=envoy or --with=mlflow, is an extra of its own.
COMMA := ,
NAMED = $(strip $(if $(findstring envoy,$(ARGS)),edge) $(filter mlflow,$(subst =, ,$(ARGS))))
RUN_EXTRAS = teams,valkey$(patsubst %,$(COMMA)%,$(firstword $(NAMED)))$(patsubst %,$(COMMA)%,$(word 2,$(NAMED)))

# Trains and publishes what is missing, starts the gateway, makes real calls. ARGS=--once ends after the calls.
run: $(VENV)/installed-$(RUN_EXTRAS)
	@$(BIN)/gapura up $(ARGS)

# Most tests share the cores: three run at a time, since all of them wait for much of it. Those that measure servers
# under load have the machine for themselves. Where it stalls for seconds, a test with real servers may fail though
# nothing is wrong; so a test that fails is run again, twice at most, and the summary names it. One that is broken fails
# always. What is costly to make is made once, in a folder that goes away. Files are dealt out as tests/conftest.py
# orders them: by themselves, runners would begin with those of the most tests.
SHARED := --numprocesses 3 --dist loadfile --no-loadscope-reorder
RERUNS := --reruns 2 -r aR
SHARING := tests/catalog tests/client tests/contract tests/converters tests/deploy tests/e2e tests/edge tests/envoy \
	tests/features tests/gateway tests/hub tests/operations tests/supervisor tests/triton \
	tests/chaos/test_killed_publisher.py tests/chaos/test_promotions.py tests/chaos/test_publisher_troubles.py

# Format, lint, types, import rules, contracts, and every test. ARGS are pytest's.
test: check
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && trap 'exit 130' INT TERM && \
	export TESTS_RUN_FOLDER="$$folder" && set -x && \
	$(BIN)/python -m pytest $(SHARED) $(RERUNS) $(SHARING) && \
	$(BIN)/python -m pytest $(RERUNS) $(SHARING:%=--ignore=%)
endif

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	cd protos && ../$(BIN)/buf lint python/erpml/contracts.binpb
	cd protos && ../$(BIN)/buf breaking python/erpml/contracts.binpb --against released.binpb
	$(BIN)/python protos/generate.py --check

# Writes the stubs and the descriptor set anew after a change of a .proto file.
protos: $(VENV)/installed-dev
	$(BIN)/python protos/generate.py

format: $(VENV)/installed-dev
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

# ARGS are those of `gapura bench`: --quick, or a suite such as peers.
bench: $(VENV)/installed-bench
	@$(BIN)/gapura bench $(ARGS)

# What `make run` installs is a part of what `make test` installs. Modules are compiled when they are first imported, and
# kept: most never are, and all would take two minutes of a core.
$(VENV)/installed-%: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gapura needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing gapura[$*] into $(VENV) (a minute or two the first time)"
	@$(BIN)/python deploy/install.py --constraint constraints.txt --editable '.[$*]'
	@touch $@

# Removes what can be made again. Registry, keys and data are in var/, which it leaves alone.
clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
