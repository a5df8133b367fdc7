# `make test` is the one test command: it sets up what is missing, builds, and runs every test.
.PHONY: test widget setup run check bench hostile fuzz

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
	@$(MAKE) --no-print-directory widget

# The tests of the chat widget: types and form, units, and a real browser against the server that `test` has built.
# Pictures are left in webchat/screenshots/.
widget:
	@cd webchat; cmp -s package-lock.json node_modules/.installed || { \
		echo "npm ci (webchat)"; npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && \
		cp package-lock.json node_modules/.installed; }
	cd webchat && npm run --silent check
	cd webchat && NO_COLOR=1 npm run --silent unit
	cd webchat && NO_COLOR=1 npm run --silent browser

check:
	.ci/run

# This build against an older binary, in turns, on a quiet machine or not: `make bench OLD=<path>`. Some minutes; `QUICK=1` tries it
# in two. `NEW=` names another binary than the one that is built here; `DENO=<path> PEER=<script>` measures a peer's script, too;
# `ARGS=` is handed on (`python3 benches/pairs --help`).
bench:
	@[ -n "$(OLD)" ] || { echo "say what to compare with: make bench OLD=<an older binary of nudge>"; exit 1; }
	@command -v python3 >/dev/null 2>&1 || { echo "please install Python 3"; exit 1; }
	@[ -n "$(NEW)" ] || $(CARGO) build --release --locked
	python3 -B benches/pairs --old "$(OLD)" --new "$(or $(NEW),target/release/nudge)" $(if $(QUICK),--quick) \
		$(if $(PEER),--deno "$(DENO)" --peer "$(PEER)") $(ARGS)

# A calm bot beside a hostile one, attack by attack: `make hostile ONLY='kvs-*'` for some kinds, `NEW=` for another binary, `ARGS=` is
# handed on (`python3 benches/hostile --help`; docs/hostile.md keeps the table).
hostile:
	@command -v python3 >/dev/null 2>&1 || { echo "please install Python 3"; exit 1; }
	@[ -n "$(NEW)" ] || $(CARGO) build --release --locked
	python3 -B benches/hostile --new "$(or $(NEW),target/release/nudge)" $(if $(ONLY),--only '$(ONLY)') $(ARGS)

# Any bytes into whatever reads bytes from outside, each target for so many seconds: `make fuzz T=60`, `TARGET=http_head` for one,
# `INPUT=<file>` to run one input again, `SANITIZER=address` to watch the memory of what libraries do (docs/fuzzing.md).
fuzz:
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked
	@fuzz/run "$(or $(T),60)" $(TARGET) $(INPUT)

# A C compiler (SQLite and QuickJS are built from source), Node with npm (the chat widget, and packages that scripts may
# require), Chromium for its tests (`CHROMIUM` names another one) with a font for emoji, and Rust. All but Rust come from the
# system's packages, and only where they are missing.
setup:
	@missing=""; \
	command -v cc >/dev/null 2>&1 || missing="$$missing build-essential"; \
	command -v node >/dev/null 2>&1 || missing="$$missing nodejs"; \
	command -v npm >/dev/null 2>&1 || missing="$$missing npm"; \
	[ -n "$$CHROMIUM" ] || command -v chromium >/dev/null 2>&1 || missing="$$missing chromium fonts-dejavu-core"; \
	fc-list 2>/dev/null | grep -qi emoji || missing="$$missing fontconfig fonts-noto-color-emoji"; \
	if [ -n "$$missing" ]; then \
		command -v apt-get >/dev/null 2>&1 || { echo "please install:$$missing"; exit 1; }; \
		sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		echo "installing$$missing"; \
		$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	fi
	@command -v $(CARGO) >/dev/null 2>&1 || { echo "Rust is missing: install it from https://rustup.rs"; exit 1; }
