# Two commands, each of which installs what it needs (Python 3.10 or newer, pip and make are enough):
#   make demo                  what the sample photo shows, with the annotated picture in demo/; no torch
#   make demo PHOTO=my.jpg     the same for a photo, folder or URL of yours
#   make test                  linters, types, layers and the whole test suite

PYTHON ?= python3
VENV ?= .venv
DEMO ?= .demo
PHOTO ?=
OUT ?= demo
WORKERS ?= 2
# Names of people's files reach the shell through the environment: spelt out in a recipe, a quote would break it.
export PHOTO OUT

# The pins are those of CI, and some of them have left Python 3.10 behind: there the newest that fit are taken.
PINS = $$($(1)/bin/python -c 'import sys; print("--constraint=constraints.txt" if sys.version_info >= (3, 11) else "")')
ASTRONAUT = $$($(DEMO)/bin/python -c 'import pathlib, skimage; print(pathlib.Path(skimage.__file__).parent / "data/astronaut.png")')

.PHONY: demo test check-python clean

demo: $(DEMO)/.installed
	@[ -n "$$PHOTO" ] || PHOTO="$(ASTRONAUT)"; \
	$(DEMO)/bin/emolens analyze "$$PHOTO" --out "$$OUT" && echo "The annotated picture is in $$OUT/"

test: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n $(WORKERS)

$(DEMO)/.installed: pyproject.toml | check-python
	$(call venv,$(DEMO))
	$(DEMO)/bin/python -m pip install --quiet --editable . scikit-image
	@touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | check-python
	$(call venv,$(VENV))
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]' $(call PINS,$(VENV))
	@touch $@

# Some systems ship Python without ensurepip; the pip that is there then installs one into the new environment.
define venv
	@[ -x $(1)/bin/python ] || $(PYTHON) -m venv $(1) >/dev/null 2>&1 || \
	{ $(PYTHON) -m venv --clear --without-pip $(1) && $(PYTHON) -m pip --python $(1)/bin/python install --quiet pip; }
endef

check-python:
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 10) else \
	"Python " + v + " came, emolens needs 3.10 or newer: make PYTHON=/path/to/python3.12 ...")'

clean:
	rm -rf .demo demo build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
