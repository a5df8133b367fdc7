# `make test` is the one test command: it sets up what is missing, builds, and runs every test.
.PHONY: test setup run check

CARGO ?= cargo

run:
	$(CARGO) run --release -- run-server

test: setup
	$(CARGO) build --locked
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		echo "$(CARGO) nextest run --locked"; $(CARGO) nextest run --locked; \
	else \
		echo "$(CARGO) test --locked"; $(CARGO) test --locked --all-targets; \
	fi

check:
	.ci/run

# A C compiler (SQLite and QuickJS are built from source), Node with npm (packages that scripts may require), and Rust.
# Only the compiler and Node come from the system's packages, and only where they are missing.
setup:
	@missing=""; \
	command -v cc >/dev/null 2>&1 || missing="$$missing build-essential"; \
	command -v node >/dev/null 2>&1 || missing="$$missing nodejs"; \
	command -v npm >/dev/null 2>&1 || missing="$$missing npm"; \
	if [ -n "$$missing" ]; then \
		command -v apt-get >/dev/null 2>&1 || { echo "please install:$$missing"; exit 1; }; \
		sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		echo "installing$$missing"; \
		$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -qq -y --no-install-recommends $$missing; \
	fi
	@command -v $(CARGO) >/dev/null 2>&1 || { echo "Rust is missing: install it from https://rustup.rs"; exit 1; }
