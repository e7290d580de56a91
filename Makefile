# Two commands: `make demo` shows a picture being mended, `make test` runs everything.
# `make help` lists the rest.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
# The CPU build that the tests run with. For an NVIDIA card: make demo TORCH=torch
TORCH ?= torch==2.13.0
# What the demo writes.
OUT ?= out

.DEFAULT_GOAL := help
.PHONY: help demo test check docs unit contract hosts proto wire-image api pictures swatch swatch-figures format clean

help:
	@echo "make demo    install into $(VENV), start the daemon, fill a hole in a picture"
	@echo "make test    everything: linters, types, unit tests, real Krita, GIMP and Blender"
	@echo "make check   linters, types, import rules, protocol rules, the documentation"
	@echo "make unit    the fast tests"
	@echo "make contract  daemon, client and command line together; the documentation; the conformance suite"
	@echo "make docs    build the documentation into out/site; warnings are errors"
	@echo "make hosts   the tests in real hosts (root on Debian; builds their folder once)"
	@echo "make proto   write the generated code anew from proto/"
	@echo "make wire-image  keep the protocol of a release, for later comparison"
	@echo "make api     write the list of public names anew"
	@echo "make pictures    paint the documentation's pictures, then take screenshots in the real hosts"
	@echo "make swatch      train the model in the box again (hours without a GPU; resumes)"
	@echo "make swatch-figures  measure it: every figure with its bound"
	@echo "make format  format the code"
	@echo "make clean   remove $(VENV) and $(OUT)"

# Debian ships Python without ensurepip: fetch it where we may.
$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || apt-get install -y -q $(notdir $(PYTHON))-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade 'pip>=25.1'

$(VENV)/engine.stamp: $(BIN)/python pyproject.toml sdk/swatch/pyproject.toml
	$(BIN)/python -m pip install -q "$(TORCH)"
	$(BIN)/python -m pip install -q -e sdk/swatch -e '.[engine]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/engine.stamp
	@# All in one: the code generator's protobuf decides which grpcio add-ons fit.
	$(BIN)/python -m pip install -q -e sdk/swatch -e '.[engine]' --group dev --group docs --group examples ./plugins/krita/stubs
	@# spandrel wants torchvision, whose build beside the CPU's torch is not to be had: the engine stands in for it.
	$(BIN)/python -m pip install -q --no-deps 'spandrel>=0.4' 'einops>=0.8'
	@touch $@

demo: $(VENV)/engine.stamp
	$(BIN)/python examples/01_fill_a_hole.py $(OUT)

test: check unit contract hosts

check: $(VENV)/dev.stamp docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy sdk/underpaint sdk/swatch/training sdk/swatch/underpaint_swatch
	$(BIN)/lint-imports
	cd proto && ../$(BIN)/buf lint
	@# Reported only, until 0.1: see docs/decisions/0003-wire-stability.md
	-cd proto && ../$(BIN)/buf breaking --against image.binpb

docs: $(VENV)/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

unit: $(VENV)/dev.stamp
	$(BIN)/python -m pytest tests/unit -n 2 --durations=5

contract: $(VENV)/dev.stamp
	$(BIN)/python -m pytest tests/contract tests/docs tests/examples --durations=5
	@# Fifty mistakes, each a run of the suite: two at a time.
	$(BIN)/python -m pytest tests/conformance -n 2 --durations=5

hosts: $(VENV)/dev.stamp
	$(BIN)/python -m pytest tests/hosts -s

proto: $(VENV)/dev.stamp
	$(BIN)/python proto/generate.py

wire-image: $(VENV)/dev.stamp
	cd proto && ../$(BIN)/buf build -o image.binpb

api: $(VENV)/dev.stamp
	$(BIN)/python -m tests.contract.public_api

pictures: $(VENV)/dev.stamp
	$(BIN)/python examples/pictures/conditioning.py
	$(BIN)/python -m tests.hosts.screenshots

swatch: $(VENV)/dev.stamp
	cd sdk/swatch && for step in data vae decoder latents words unet finish drawings control export sheets; do \
		$(abspath $(BIN))/python -m training $$step || exit 1; done

swatch-figures: $(VENV)/dev.stamp
	cd sdk/swatch && for step in judge evaluate; do $(abspath $(BIN))/python -m training $$step || exit 1; done

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OUT)
