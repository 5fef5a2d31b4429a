# The human's entry. Everything is installed, built and run from here; each target is quick when nothing changed.

# What one clone compiled serves another one, wherever it lies.
export CCACHE_BASEDIR = $(CURDIR)
export CCACHE_NOHASHDIR = 1

.PHONY: help setup build demo test test-all setup-test test-e2e-full teardown-test bench lint clean
help:      ## show the targets
	@sed -n 's/^\([a-z0-9-]*\): .*## /\1\t/p' Makefile
setup:     ## install packages, the Python environment and the Spark jars
	@scripts/setup test
build:     ## build/release/sluice
	@scripts/setup build
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build build/release --target sluice
demo: build ## load a sample data set, again, and again with one more file; show the table
	@scripts/demo
test:      ## format, layers, unit tests (release, sanitizers), short fuzzing, end to end with outside judges
	@scripts/test
test-all:  ## the same with clang-tidy, the thread sanitizer, long fuzzing and long sweeps
	@scripts/test --all
setup-test: build ## the platform on fixed ports: S3 :9000, PostgreSQL :5432, REST catalog :8181, Spark Connect :15002, service :8000
	@scripts/setup test
	@.venv/bin/python scripts/test-environment up
test-e2e-full: ## the end-to-end tests of the service against what setup-test started
	@SLUICE_TEST_ENVIRONMENT=$(CURDIR)/.test-environment .venv/bin/python -m pytest -q -m e2e tests/e2e
teardown-test: ## stop what setup-test started
	@test ! -x .venv/bin/python || .venv/bin/python scripts/test-environment down
bench: build ## speed and memory beside DuckDB
	@.venv/bin/python bench/run.py
lint:      ## formatting and clang-tidy
	@scripts/setup test
	@scripts/lint
clean:     ## remove what was built (not what was installed)
	rm -rf build .pytest_cache
