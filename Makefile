# Makes the environments and runs what is in them. Needs make and a Python, nothing else; `make` lists the targets.
#
# Two stacks, each a virtual environment installed from a complete lock file in constraints/:
#   .venv        the default one (TensorFlow 2.15.1)        default-runtime.txt, and default.txt to develop
#   .venv-paper  the papers' one (TensorFlow 2.9.3)         paper-runtime.txt,   and paper.txt to develop
# The runtime lock is the part of the full one that the demo and the experiments need; the versions are the same.

# Another interpreter than the one found: make venv PYTHON=/path/to/python3.11
PYTHON =
# More for pytest: make test ARGS="-k losses"
ARGS =
# Processes that share the tests; each takes up to 2 GB.
JOBS = 2
# make lock UPGRADE=--upgrade takes newer versions; without it only what has to change does.
UPGRADE =

# Best first. TensorFlow 2.15 has wheels for 3.9 to 3.11, TensorFlow 2.9 for 3.7 to 3.10; the code needs 3.9.
DEFAULT_PYTHONS = 3.11 3.10 3.9
PAPER_PYTHONS = 3.10 3.9

PACKAGES = $(wildcard data_prep drmguard_tf dhbe_tf runs benchmarks)
CODE = $(PACKAGES) $(wildcard tests) setup.py
PACKAGING = setup.cfg setup.py pyproject.toml

# A lock file leaves nothing to resolve (--no-deps). Compiling every installed file to bytecode takes as long as
# downloading them (--no-compile); Python compiles the few that are used when they are first imported, if it may write.
INSTALL = $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv venv-paper demo test test-paper-stack lint format lock clean find-paper-python

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-17s %s\n", $$1, $$2 }'

venv: .venv/.runtime  ## make .venv, the default stack, without the development tools

venv-paper: .venv-paper/.runtime  ## make .venv-paper, the papers' stack

demo: venv  ## install, train, attack, defend, report: the whole story, into demo/
	.venv/bin/drmguard demo --out demo

test: .venv/.dev  ## run the tests on the default stack
	.venv/bin/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

test-paper-stack: .venv-paper/.dev  ## run the tests on the papers' stack
	.venv-paper/bin/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

lint: .venv/.dev  ## check format, imports, style and types
	.venv/bin/python -m black --check $(CODE)
	.venv/bin/python -m isort --check-only $(CODE)
	.venv/bin/python -m flake8 $(CODE)
	.venv/bin/python -m mypy $(PACKAGES)

format: .venv/.dev  ## put the code into the form that lint wants
	.venv/bin/python -m isort $(CODE)
	.venv/bin/python -m black $(CODE)

# --universal: one file for every Python from 3.9, by markers. The runtime lock is cut from the full one.
LOCK = uv pip compile --quiet --universal --python-version 3.9 --no-python-downloads --no-annotate $(UPGRADE) \
	--custom-compile-command "make lock" setup.cfg
lock:  ## write constraints/*.txt anew from setup.cfg and constraints/*.in
	@command -v uv >/dev/null || { echo "Only this target needs uv: pip install uv" >&2; exit 1; }
	for stack in default paper; do \
		$(LOCK) --extra dev -c constraints/$$stack.in -o constraints/$$stack.txt >/dev/null && \
		$(LOCK) -c constraints/$$stack.txt -o constraints/$$stack-runtime.txt >/dev/null || exit 1; \
	done

clean:  ## remove all that can be made again, except results/
	rm -rf .venv .venv-paper build dist demo *.egg-info .pytest_cache .mypy_cache
	find $(PACKAGES) $(wildcard tests) -name __pycache__ -prune -exec rm -rf {} +

find-paper-python:
	@$(call find_python,$(PAPER_PYTHONS))

# Stamp files: an environment is installed again only when its lock or the packaging has changed.

.venv/.runtime: constraints/default-runtime.txt $(PACKAGING)
	$(call make_venv,$(DEFAULT_PYTHONS))
	$(INSTALL) -r $<
	$(INSTALL) --no-build-isolation -e .
	@touch $@

.venv/.dev: constraints/default.txt .venv/.runtime
	$(INSTALL) -r $<
	@touch $@

.venv-paper/.runtime: constraints/paper-runtime.txt $(PACKAGING)
	$(call make_venv,$(PAPER_PYTHONS))
	$(INSTALL) -r $<
	$(INSTALL) --no-build-isolation -e .
	@touch $@

.venv-paper/.dev: constraints/paper.txt .venv-paper/.runtime
	$(INSTALL) -r $<
	@touch $@

# Prints the first interpreter that has one of the versions $(1) and can make virtual environments; fails if none does.
# Each candidate is run: a version manager's shim may be on the path for a version that is not selected, and Debian's
# python3 comes without ensurepip.
define find_python
for version in $(1); do \
	for candidate in $(if $(PYTHON),"$(PYTHON)",python$$version python3 python \
		"$(HOME)"/.pyenv/versions/$$version.*/bin/python \
		"$(HOME)"/.local/share/uv/python/cpython-$$version.*/bin/python \
		/usr/local/bin/python$$version /opt/homebrew/bin/python$$version); do \
		"$$candidate" -c "import ensurepip, sys, venv; '%d.%d' % sys.version_info[:2] == '$$version' or sys.exit(1); \
			print(sys.executable)" 2>/dev/null && exit 0; \
	done; \
done; exit 1
endef

# Makes the environment of the stamp file $@ with one of the Python versions $(1), unless a working one is there.
# Newer versions of pip unpack in two thirds of the time; fetching one takes two seconds.
define make_venv
@if ! $(@D)/bin/python -m pip --version >/dev/null 2>&1; then \
	python=$$($(call find_python,$(1))) || { \
		echo "$(@D) needs one of the Python versions $(1), and $(if $(PYTHON),$(PYTHON) is none,none was found) that" \
			"runs and has venv and ensurepip." >&2; \
		echo "Install Python $(firstword $(1)) (Debian, Ubuntu: python$(firstword $(1)) and python$(firstword $(1))-venv;" \
			"or: pyenv install $(firstword $(1)); or: uv python install $(firstword $(1)))," >&2; \
		echo "or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python$(firstword $(1))" >&2; \
		exit 1; \
	}; \
	echo "Making $(@D) with $$python; about 700 MB to download, one or two minutes on a fast line."; \
	"$$python" -m venv --clear $(@D) && \
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --upgrade "pip<27"; \
fi
endef
