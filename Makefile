# Everything a newcomer or a machine runs. `make help` prints the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs
WEIGHTS ?= $(TUTELAGE_WEIGHTS)

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch .venv/ready

.PHONY: help setup demo test oldest check bench docs site headline headline-small browser results folder clean

help: ## print the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/ready ## make .venv and install tutelage with its development tools

demo: .venv/ready ## the main job on the embedded digits: teacher, cache, 20 paired seeds, export, report (a minute once installed)
	$(BIN)/tutelage distill digits --seeds $$(seq 0 19) --runs $(RUNS)

test: .venv/ready ## the whole test suite, a process a core
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

oldest: ## the test suite with the lowest versions that pyproject.toml allows; needs uv
	test -x .venv-oldest/bin/python || uv venv --quiet --seed --python $(PYTHON) .venv-oldest
	uv pip install --quiet --python .venv-oldest/bin/python --resolution lowest-direct -e '.[dev]'
	OMP_NUM_THREADS=1 .venv-oldest/bin/pytest -n auto --dist loadfile

check: .venv/ready ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ty check src

docs: .venv/ready ## generate the pages that are generated
	$(BIN)/python benchmarks/curves.py
	$(BIN)/python -m tutelage.methods.explain > docs/reference/methods.md
	$(BIN)/python docs/method_types.py > src/tutelage/methods/__init__.pyi
	$(BIN)/python docs/file_map.py > docs/reference/files.md
	$(BIN)/python benchmarks/article_pages.py

site: .venv/ready ## build the documentation site into site/, strictly: no dead link
	$(BIN)/zensical build --strict

bench: .venv/ready ## the measured comparisons, against the last release, as docs/results/speed.md (10 minutes)
	$(BIN)/python benchmarks/speed.py

headline: .venv/ready ## MLPerf Tiny's ResNet-8 trained better; hours, resumable; WEIGHTS=folder of published weights
	$(BIN)/python benchmarks/headline.py --weights $(WEIGHTS) --runs $(RUNS)

headline-small: .venv/ready ## the same in minutes, on a fifth of the images
	$(BIN)/python benchmarks/headline.py --small --weights $(WEIGHTS) --runs $(RUNS)

browser: ## fetch onnxruntime-web for examples/deploy/browser; RUN=runs/... also puts its student there
	npm install --prefix examples/deploy/browser --ignore-scripts --no-audit --no-fund --no-package-lock
	$(if $(RUN),cp $(RUN)/student.onnx $(RUN)/card.json examples/deploy/browser/)

TEACHER = --teacher $(WEIGHTS)/cifar10_resnet56_akamaster.safetensors \
	--teacher.model.mean 0.485 0.456 0.406 --teacher.model.std 0.229 0.224 0.225 --views 5 --seeds 0 1 2 --runs $(RUNS)

BY_SGD = --fit.optimizer sgd --fit.learning_rate 0.1 --fit.weight_decay 1e-4 --fit.schedule cosine --method.temperature 4

results: .venv/ready ## the studies of docs/results on CIFAR-10; hours, resumable; WEIGHTS=folder of published weights
	$(BIN)/tutelage distill cifar10 $(TEACHER) $(BY_SGD) --fit.epochs 10 --engine.threads 1 --engine.precision fp32
	$(BIN)/tutelage distill tutorial $(TEACHER) --fit.epochs 3 --engine.threads 1 --engine.precision bf16
	$(BIN)/tutelage tune cifar10 kd --beside dkd dist --name cifar10-resnet8-kd $(TEACHER) $(BY_SGD) --fit.epochs 10 --engine.threads 1 \
		--engine.precision fp32 \
		--search.trials 12 --search.epochs 6 --search.part 10000

folder: .venv/ready ## the study of a folder of photos, to int8, or with FIT_IN=512k/256k to C; an hour; WEIGHTS=folder of published weights
	TUTELAGE_WEIGHTS=$(WEIGHTS) $(BIN)/python benchmarks/folder.py $(if $(FIT_IN),--fit-in $(FIT_IN))

clean: ## remove .venv and what tools leave behind
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
