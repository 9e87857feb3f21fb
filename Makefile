# Most need two commands: `make demo` shows it at work on real contracts, `make test` checks everything. The others are parts of
# `make test`, or measure. They install what is missing and leave nothing in the way of a second run.

KEEP ?= 0
TOOLS ?= $(CURDIR)/.tools
export ASSET_INDEXER_TOOLS := $(TOOLS)
export SCENARIO_CONTRACTS := $(CURDIR)/tests/contracts

.PHONY: demo test setup lint deploy-check drill simulate replay soak mutants bench bench-peers bench-reports bench-targets clean

demo: setup
	cargo build --quiet --locked --workspace
	KEEP=$(KEEP) $(or $(CARGO_TARGET_DIR),target)/debug/demo

# Tests of real processes wait for much of their time: one more at once than there are cores.
TEST_THREADS ?= $(shell expr $$(nproc 2> /dev/null || echo 2) + 1)

test: lint deploy-check
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test --locked --workspace --exclude simulation --no-fail-fast
	RUST_TEST_THREADS=$(TEST_THREADS) tests/postgresql/run.sh
	deploy/backup/drill.sh
	$(MAKE) simulate

# Loses a register in four ways and recovers it from its backups; some two minutes. `make test` does it too, with the programs
# that its tests have built.
drill:
	@tests/setup.sh with-drill
	cargo build --quiet --locked --workspace --exclude simulation
	deploy/backup/drill.sh

# 2,000 seeds in memory and 100 on PostgreSQL, a death at every await of eleven scenarios, the cases of the catalogue, every
# scenario that once failed, and every planted bug, which must be found.
FAST := $(foreach package,asset-indexer simulation oracle,--config profile.dev.package.$(package).opt-level=2)
SIMULATION := --locked $(FAST) -p simulation --features mutants
simulate: setup
	cargo test $(SIMULATION)

# One run, step by step, made short where it fails: make replay ARGS='--seed 7'
replay: setup
	cargo run $(SIMULATION) -- $(ARGS)

SEEDS ?= 200000
PG_SEEDS ?= 2000
soak: setup
	cargo run $(SIMULATION) -- --seeds 0..$(SEEDS) --coverage
	cargo run $(SIMULATION) -- --seeds 0..$(PG_SEEDS) --postgres

# Switches each planted bug on in turn and shows after how many runs it is found.
mutants: setup
	cargo run $(SIMULATION) -- --mutants

setup:
	@tests/setup.sh

lint:
	@tests/setup.sh with-checks
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --workspace --no-deps --document-private-items
	$(TOOLS)/bin/cargo-deny --config .deny.toml check licenses bans sources
	tests/advisories.sh $(TOOLS)/bin/cargo-deny

deploy-check:
	deploy/check.sh

bench: setup
	cargo bench --locked --bench backfill -- $(ARGS)

# The same workload through Ponder, on the same machine in the same run.
bench-peers:
	tests/setup.sh with-peer
	cargo bench --locked --bench backfill -- --peer ponder $(ARGS)

bench-reports: setup
	cargo bench --locked --bench reports -- $(ARGS)

# The published schema's figures beside ours: make bench-targets ARGS='--scale 0.1'
bench-targets: setup
	cargo bench --locked --bench targets -- $(ARGS)

clean:
	rm -rf target .tools .demo tests/contracts/node_modules tests/postgresql/node_modules benches/ponder/node_modules
