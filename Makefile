# Two commands on a fresh machine with Python 3.11: make quickstart, make test.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
NEWER_VENV ?= $(VENV)-newer

.PHONY: install quickstart test test-exhaustive test-newer lint clean

install: $(VENV)/installed

# torch comes first and the rest is built against it: sam2 would otherwise fetch a second torch only to be built.
# Its CUDA extension is not needed; nothing here uses it.
$(VENV)/installed: requirements.txt setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "setuptools>=77" wheel $$(grep -E '^(torch|torchvision)==' requirements.txt)
	SAM2_BUILD_CUDA=0 $(BIN)/pip install --quiet --no-build-isolation -r requirements.txt
	$(BIN)/pip install --quiet --no-build-isolation --no-deps -e .
	touch $@

# The same with transformers 5, which groundingdino-py cannot live with and which brings a newer hub client, and with
# datumaro, which cannot live with the pinned pandas, pillow and OpenCV.
NEWER_WITHOUT := transformers|huggingface-hub|groundingdino-py|pandas|pillow|opencv-python
$(NEWER_VENV)/installed: requirements.txt requirements-newer.txt setup.py
	$(PYTHON) -m venv $(NEWER_VENV)
	grep -vE '^($(NEWER_WITHOUT))==' requirements.txt > $(NEWER_VENV)/requirements.txt
	$(NEWER_VENV)/bin/pip install --quiet "setuptools>=77" wheel $$(grep -E '^(torch|torchvision)==' requirements.txt)
	SAM2_BUILD_CUDA=0 $(NEWER_VENV)/bin/pip install --quiet --no-build-isolation \
		-r $(NEWER_VENV)/requirements.txt -r requirements-newer.txt
	$(NEWER_VENV)/bin/pip install --quiet --no-build-isolation --no-deps -e .
	touch $@

# The paper's claim at a small size: a detector that has never seen a kind of image, before and after LoRA tuning.
quickstart: install
	$(RUN) scripts/make_phantoms.py phantoms --families muscle --varied --train 200 --val 40 --test 80 --overwrite
	$(RUN) test.py --config configs/quickstart/before.yaml --overwrite
	$(RUN) train.py --config configs/quickstart/train.yaml --overwrite
	$(RUN) scripts/operating_point.py --config configs/quickstart/after.yaml
	$(RUN) test.py --config configs/quickstart/after.yaml --overwrite
	$(RUN) scripts/compare.py results/quickstart/before results/quickstart/after --out results/quickstart --overwrite
	$(RUN) scripts/figures.py results/quickstart/before results/quickstart/after --out results/quickstart/figures --overwrite
	$(RUN) scripts/report.py results/quickstart/before results/quickstart/after --out results/quickstart/report.html --overwrite
	@echo "report: results/quickstart/report.html, pictures: results/quickstart/figures, training curves: runs/quickstart"
	@echo "the same on your data with full-size weights, once they are downloaded (README, Weights):"
	@echo "  $(RUN) train.py --set model.detector=weights/grounding-dino-tiny"

# Two processes of one thread each: small models are limited by Python, not by arithmetic. Files with slow tests start
# first (tests/conftest.py), so that no process is left alone with one at the end.
PYTEST := -m pytest -n 2 --dist loadscope --no-loadscope-reorder
test test-exhaustive test-newer: export OMP_NUM_THREADS = 1

test: install
	$(RUN) $(PYTEST)

# Every kill point, and hundreds of damaged copies of every kind of file: over half an hour.
test-exhaustive: install
	$(RUN) $(PYTEST) -m exhaustive

# What depends on transformers, with the newer one, on datumaro and on label-studio-sdk.
test-newer: $(NEWER_VENV)/installed
	$(NEWER_VENV)/bin/python $(PYTEST) tests/methods tests/models tests/parity tests/training \
		tests/data/annotations tests/labelling tests/test_prompts.py tests/test_prediction.py tests/test_small_model.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf phantoms runs/quickstart results/quickstart
