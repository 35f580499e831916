# Short targets; what they do lives in the modules that they call. `make help` lists them.
# uv installs in seconds; pip is the way out where only pip knows the way to the packages.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
# Threads that wait for work give the processor away: two trainings at once otherwise stall each other.
export OMP_WAIT_POLICY ?= PASSIVE
# Stages say `python`, which is .venv's also where nobody has activated it.
REPRO := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header -q

.DEFAULT_GOAL := help
.PHONY: help report setup setup-formats setup-delivery setup-audit setup-docs docs docs-serve secrets images rollout smoke audit sbom replay-gate stack-test targets-check deploy-kubernetes deploy-ecs deploy-cloudrun deploy-azure run test test-slow test-long check format replay drill bench-serve bench-drift bench-estimate bench-gate bench-harm bench-pages bench-scale soak fuzz report-safety bench-score bench-large faults lock clean packages test-postgresql check-delivery smoke-image repro pull-results push-results freeze-outcomes pr-report push scan sign verify model-tag stage-tag stage-image replay-champion propose ci-steps

help: ## show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/ready ## make .venv with every locked dependency

.venv/ready: requirements/dev.txt requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@echo "Making .venv and installing the locked dependencies ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip sync -q --system-certs --python $(BIN)/python --require-hashes requirements/dev.txt || \
		{ echo "uv could not, pip tries (a minute) ..."; $(BIN)/python -m pip install -q --no-deps --require-hashes -r requirements/dev.txt; }
	@touch $@

setup-formats: .venv-formats/ready ## make .venv-formats, which exports need: docs/formats.md

.venv-formats/ready: requirements/formats.txt | setup
	@echo "Making .venv-formats and installing the locked dependencies (2 GB) ..."
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-formats
	@$(BIN)/uv pip sync -q --system-certs --python .venv-formats/bin/python --require-hashes $<
	@touch $@

setup-delivery: .venv-delivery/ready ## make .venv-delivery: compose, linters, act

.venv-delivery/ready: requirements/delivery.txt | setup
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-delivery
	@$(BIN)/uv pip sync -q --system-certs --python .venv-delivery/bin/python --require-hashes $<
	@touch $@

setup-audit: .venv-audit/ready ## make .venv-audit: pip-audit, checkov, gitleaks, bills of materials

.venv-audit/ready: requirements/audit.txt | setup
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-audit
	@$(BIN)/uv pip sync -q --system-certs --python .venv-audit/bin/python --require-hashes $<
	@touch $@

setup-docs: .venv-docs/ready ## make .venv-docs: MkDocs, for the site of docs/

.venv-docs/ready: requirements/docs.txt | setup
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-docs
	@$(BIN)/uv pip sync -q --system-certs --python .venv-docs/bin/python --require-hashes $<
	@touch $@

run: setup ## train, then start the service and the scheduler on SQLite; Ctrl-C stops them
	$(BIN)/python -m deploy.local

# Each test process has one core, so that models which are trained side by side do not fight.
test: setup ## the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto

SLOW = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --ignore tests/stack --durations=25

test-slow: setup ## the tests that train, clone, kill processes or need PostgreSQL
	$(SLOW) -m "slow and not long"

test-long: setup ## more of the same: every table, every cut of the drill, every kill; an hour
	$(SLOW) -m long

check: setup setup-docs ## style, types, arrows between packages, the site of docs/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(call SITE,build) --quiet
	$(BIN)/python -m deploy.site.links build/site

# From the root, so that the hooks of deploy/site are found.
SITE = NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs $(1) --config-file deploy/site/mkdocs.yml

docs: setup setup-docs ## build the site of docs/ into build/site; open index.html, no server is needed
	$(call SITE,build)
	$(BIN)/python -m deploy.site.links build/site

docs-serve: setup setup-docs ## show the site at http://127.0.0.1:8001, and follow changes; ADDRESS=
	$(call SITE,serve) --dev-addr $(or $(ADDRESS),127.0.0.1:8001)

format: setup ## rewrite the code in house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

replay: setup ## replay seven months as live traffic in ten minutes; UNTIL=2014-01-01 for the year
	$(BIN)/python -m benchmarks.replay $(if $(UNTIL),--until $(UNTIL))

report: setup ## write report/perennial.pdf, about everything, with pictures of the running product
	@$(BIN)/python -m deploy.report.chromium
	$(REPRO)
	$(BIN)/python -m deploy.report $(if $(OUT),--out $(OUT)) $(if $(PICTURES),--pictures $(PICTURES))

drill: setup ## alarm, retrain, gate, swap, rollback, outages on a throw-away copy; CUT=link disables one
	$(BIN)/python -m deploy.drill $(if $(CUT),--cut $(CUT))

secrets: setup ## make the secrets of docker-compose.yml that are missing, in secrets/
	$(BIN)/python -m deploy.secrets

images: setup ## build the image of each process, with the bundle of this checkout
	$(REPRO) --quiet package
	$(BIN)/python -m deploy.images

replay-gate: setup ## logged rows through two images: CHAMPION=image CANDIDATE=image ROWS=snapshot.parquet
	@$(BIN)/python -m deploy.replay_gate --champion "$(CHAMPION)" --candidate "$(CANDIDATE)" --rows "$(ROWS)"

audit: setup setup-delivery setup-audit ## vulnerabilities, licences, secrets, workflows, images; OFFLINE=1
	$(BIN)/python -m deploy.audit $(if $(OFFLINE),--offline)

sbom: setup setup-audit ## what each image is made of, as CycloneDX in build/sbom; LOCKS=1 needs no engine
	$(BIN)/python -m deploy.sbom $(if $(LOCKS),--locks)

rollout: ## replace the service of docker-compose.yml by IMAGE=, watch, keep or roll back; PROMOTE=1
	$(BIN)/python -m deploy.rollout $(IMAGE) $(if $(PROMOTE),--promote)

smoke: ## ask a running service all that it must be able to do: URL= KEY_FILE=
	$(BIN)/python -m deploy.smoke --url $(URL) $(if $(KEY_FILE),--key-file $(KEY_FILE)) $(if $(CA),--ca $(CA)) $(if $(VERSION),--version $(VERSION))

stack-test: setup setup-delivery setup-audit ## docker-compose.yml for real: traffic, kills, rolls; ROLLS=20
	$(REPRO) --quiet package
	$(if $(ROLLS),ROLLS=$(ROLLS)) $(BIN)/python -m pytest -q -m slow $(or $(TESTS),tests/stack) --durations=25

targets-check: setup setup-delivery ## what can be said of the targets without an account; TF_PLUGIN_DIR= a provider mirror
	$(BIN)/python -m deploy.targets.check $(if $(ALLOW_MISSING),--allow-missing)

# IMAGE= and MONITORING_IMAGE= by digest; OPTIONS="--dry-run" prints the commands: docs/deploy/
DEPLOY = $(BIN)/python -m deploy.targets $(1) --image "$(IMAGE)" --monitoring-image "$(MONITORING_IMAGE)" $(OPTIONS)

deploy-kubernetes: setup ## deploy IMAGE= MONITORING_IMAGE= to the current context; OPTIONS="--place production"
	$(call DEPLOY,kubernetes)

deploy-ecs: setup ## deploy IMAGE= MONITORING_IMAGE= to ECS
	$(call DEPLOY,ecs)

deploy-cloudrun: setup ## deploy IMAGE= MONITORING_IMAGE= to Cloud Run; OPTIONS="--project P --region R"
	$(call DEPLOY,cloudrun)

deploy-azure: setup ## deploy IMAGE= MONITORING_IMAGE= to Container Apps; OPTIONS="--subscription ..."
	$(call DEPLOY,azure)

bench-serve: setup ## /predict against an ASGI echo and the tutorials' service, with bars
	$(BIN)/python -m benchmarks.serve

bench-drift: setup ## false alarms and power of the drift check, beside Evidently's defaults
	$(REPRO) --quiet prepare
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.drift $(if $(WINDOWS),--windows $(WINDOWS))

bench-estimate: setup ## estimated against realised performance, by week and month
	$(REPRO) --quiet package
	$(BIN)/python -m benchmarks.estimate

bench-gate: setup ## sabotaged, honest and better challengers before the gate of retrains
	$(REPRO) --quiet package
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.gate

bench-scale: setup ## a check of 100,000 to 10 million logged rows of 50 columns, beside Evidently
	$(BIN)/python -m benchmarks.scale $(if $(ROWS),--rows $(ROWS))

bench-harm: setup ## what a check calls harmful, before and after outcomes, beside Evidently
	$(REPRO) --quiet package
	$(BIN)/python -m benchmarks.harm $(if $(DRAWS),--draws $(DRAWS))

bench-pages: setup ## each page with a million predictions, on SQLite and PostgreSQL: at most 50 ms at p95
	$(REPRO) --quiet package
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.pages

soak: setup ## memory and errors of the service in half an hour of load; MINUTES=5 for less
	$(BIN)/python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES))

fuzz: setup ## 20,000 generated requests with schemathesis, every check on
	$(BIN)/python -m benchmarks.fuzz $(if $(CASES),--cases $(CASES))

report-safety: setup ## hostile values and names in reports, opened in Chromium: nothing may run
	@$(BIN)/python -c 'import sys, tests.browser as b; sys.exit(b.find_chromium() is None and "it needs Chromium")'
	$(BIN)/python -m pytest -m slow tests/end_to_end/test_report_safety.py

bench-score: setup ## batch scoring against plain pandas and scikit-learn of the same run
	$(BIN)/python -m benchmarks.score

bench-large: setup ## memory and time of each stage on 5 million rows
	$(BIN)/python -m benchmarks.large_table

faults: setup ## kill, cut off, lock, fill and damage what the ledger needs; ONLY=name for one fault
	$(BIN)/python -m benchmarks.faults $(if $(ONLY),--only $(ONLY))

packages: ## install what tests start: PostgreSQL, Redis, Java, Chromium, promtool (needs root or sudo)
	.ci/run packages

test-postgresql: setup ## every test file that starts a PostgreSQL server of its own
	NEED_POSTGRESQL=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "slow or not slow" -n 2 --dist loadfile \
		$$(grep -rl 'temporary_postgresql()' tests/contracts tests/monitoring tests/service)

smoke-image: setup ## start IMAGE=perennial/service:latest by itself, read-only, on SQLite, and `make smoke` it
	.ci/smoke-image

check-delivery: setup setup-delivery ## workflows, Jenkinsfile and Dependabot under their linters
	$(BIN)/python -m pytest -q tests/delivery

ci-steps: setup setup-delivery ## run the steps of ci.yml here; JOB=check MATRIX="python=3.12"
	$(BIN)/python -m deploy.ci $(addprefix --job ,$(JOB)) $(addprefix --matrix ,$(MATRIX))

repro: setup ## train what is not trained yet, and ask the gates
	$(REPRO)

pull-results: setup ## get what stages have made elsewhere, where a DVC remote is named
	@$(BIN)/python -m deploy.dvc_remote pull

push-results: setup ## share what the stages made here, where a DVC remote is named
	@$(BIN)/python -m deploy.dvc_remote push

# UNTIL, IMAGE and what else comes from outside is read from the environment by the command: make
# would run what is inside of $$(...), in the values that it is given after its own name.
freeze-outcomes: setup ## freeze the outcomes up to UNTIL=2013-06-01T00:00:00+00:00 for training
	.ci/freeze-outcomes

pr-report: setup ## metrics, params, plots and gates against BASE=origin/main, in build/pr-report
	@$(BIN)/python -m deploy.pr_report --base "$${BASE:-origin/main}"

push: setup ## push the images to REGISTRY=ghcr.io/owner/name as TAG=v1.2.3; prints the digests
	@$(BIN)/python -m deploy.push --registry "$$REGISTRY" --tag "$$TAG"

scan: ## known vulnerabilities that have a fix, in all that build/sbom lists (grype)
	.ci/scan

sign: ## sign IMAGES="name@sha256:..." with this job's identity, attest their bills (cosign, keyless)
	.ci/sign

verify: ## refuse IMAGE=name@sha256:... unless SIGNER=owner/name/.github/workflows/release.yml made it
	.ci/verify

model-tag: setup ## tag this commit model@vX.Y.Z for IMAGE=name@sha256:...; BUMP=minor
	@$(BIN)/python -m deploy.model_tags register --image "$$IMAGE" --bump "$${BUMP:-patch}"

stage-tag: setup ## note that IMAGE=name@sha256:... runs in STAGE=production from now on
	@$(BIN)/python -m deploy.model_tags assign --image "$$IMAGE" --stage "$$STAGE"

stage-image: setup ## print the image that runs in STAGE=production, by digest; nothing where none does
	@$(BIN)/python -m deploy.model_tags current --stage "$$STAGE"

replay-champion: setup ## replay-gate of CANDIDATE=image against what is in production
	.ci/replay-champion

propose: ## open a pull request with the dvc.lock of a retrain; FROM=directory UNTIL=moment
	.ci/propose

lock: setup ## compile requirements/*.in into hashed locks
	$(LOCK) requirements/dev.in -o requirements/dev.txt
	for set in serve client monitor train explain extras otel formats bootstrap; do \
		$(LOCK) requirements/$$set.in -c requirements/dev.txt -o requirements/$$set.txt; done
	for set in moto delivery audit docs; do $(LOCK) requirements/$$set.in -o requirements/$$set.txt; done

clean: ## delete what runs and stages have made; the database in var/ stays
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
