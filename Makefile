# What people and CI call. `make` alone lists the targets.
.DEFAULT_GOAL := help
CARGO ?= cargo
SHELL := /bin/bash
# One set of flags for every build of a run, so that nothing is compiled twice: cargo unites the features of dependencies over what it
# is asked to build, so every test target asks for the whole workspace.
export CARGO_TERM_COLOR ?= auto
export RUST_BACKTRACE ?= 1

ALL := --workspace --features patchbay-tests/interop,patchbay-node/interop

.PHONY: help web run program test check fmt lint deny audit unit stories interop codec-compare demo fuzz fuzz-dialogs bench bench-flood bench-queue clients clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# What pages load, built by npm and embedded. Without npm everything else is built all the same, and says what is missing.
WEB := api/web/dist/softphone.js
web: $(WEB) ## the agent's page, the softphone and its demo page (needs node and npm)

$(WEB): $(wildcard api/web/src/* api/web/src/*/*) api/web/package-lock.json api/web/build.mjs
	@if command -v npm >/dev/null; then cd api/web && npm ci --silent --no-audit --no-fund && npm run --silent build; \
	else echo "npm is not there: building without pages (/ and /sdk will say so)"; fi

run: web ## build and start Patchbay with its data in ./data
	$(CARGO) run --release -p patchbay-node --bin patchbay

test: fmt lint unit interop demo ## everything that CI runs
	@echo "make test: all passed"

check: fmt lint deny ## formatting, lints, licences

fmt: ## formatting
	$(CARGO) fmt --all -- --check

lint: ## clippy, warnings denied
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings

deny: ## licences, bans and sources of all dependencies (installs cargo-deny once)
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check licenses bans sources

audit: ## known vulnerabilities (needs the Internet)
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check advisories

unit: ## unit tests, torture messages, stories in virtual time
	$(CARGO) test --workspace --quiet

stories: ## only the stories in virtual time
	$(CARGO) test -p patchbay-tests --quiet

clients: ## the real phones and tools that the interop tests drive
	@deploy/install-test-clients.sh

# A test of the program's own package brings the program with it.
program: web
	$(CARGO) test $(ALL) --test g729 --no-run

interop: clients program ## the real program with SIPp, baresip, linphone, Kamailio and Chromium over loopback
	$(CARGO) test $(ALL) --test interop -- --test-threads=1
	$(CARGO) test $(ALL) --lib lame

codec-compare: ## codecs and SRTP against libgsm, spandsp, libopus, bcg729, libsrtp2 (PATCHBAY_COMPARE_SECONDS of sound each, 20)
	@deploy/install-references.sh
	$(CARGO) test $(ALL) --test references --test g729 -- --nocapture

demo: program ## two built-in phones talk through a throw-away server
	$${CARGO_TARGET_DIR:-target}/debug/patchbay demo --throwaway

FUZZ_SECONDS ?= 60
fuzz: ## every fuzz target for FUZZ_SECONDS (installs cargo-fuzz once)
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@set -e; cd fuzz; for target in $$(RUSTC_BOOTSTRAP=1 $(CARGO) fuzz list); do \
		echo "== $$target"; found=$$(mktemp -d); \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target $$found corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048; \
		rm -rf $$found; done

export PATCHBAY_FUZZ_STEPS ?= 10000000
export PATCHBAY_FUZZ_SEED ?= 1
fuzz-dialogs: ## random SIP dialogs against a model of RFC 3261, PATCHBAY_FUZZ_STEPS steps from PATCHBAY_FUZZ_SEED
	$(CARGO) run --release -p patchbay-sip-stack --example dialog_fuzz

bench: ## the load driver against a server of its own; see bench/README.md
	$(CARGO) build --release -p patchbay-bench -p patchbay-node
	bench/run.sh

bench-flood: ## a flood beside calls, and 20 000 phones that register after a restart
	$(CARGO) build --release -p patchbay-bench -p patchbay-node
	bench/flood.sh

bench-queue: ## 100 calls a second into a queue with 500 agents
	$(CARGO) build --release -p patchbay-bench -p patchbay-node
	bench/queue.sh

clean: ## remove what was built
	$(CARGO) clean
