# Two commands on a fresh machine with Python 3.11: make quickstart, make test.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python

.PHONY: install quickstart test lint clean

install: $(VENV)/installed

# torch comes first and the rest is built against it: sam2 would otherwise fetch a second torch only to be built.
# Its CUDA extension is not needed; nothing here uses it.
$(VENV)/installed: requirements.txt setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "setuptools>=77" wheel $$(grep -E '^(torch|torchvision)==' requirements.txt)
	SAM2_BUILD_CUDA=0 $(BIN)/pip install --quiet --no-build-isolation -r requirements.txt
	$(BIN)/pip install --quiet --no-build-isolation --no-deps -e .
	touch $@

quickstart: install
	$(RUN) scripts/make_phantoms.py phantoms --overwrite
	$(RUN) train.py --config configs/quickstart/train_detector.yaml --overwrite
	$(RUN) train.py --config configs/quickstart/train_mask_head.yaml --overwrite
	$(RUN) test.py --config configs/quickstart/test.yaml --overwrite
	@echo "pictures: results/quickstart/pictures, training curves: runs/quickstart"

test: install
	$(RUN) -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf phantoms runs/quickstart results/quickstart
