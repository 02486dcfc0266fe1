# What every step shares: saying, failing, and remembering what is done already.
# Sourced by ./dev. Begin with `once`.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "dev: $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Once only, also where one run of ours starts another: PyO3 is built anew for each other PATH.
into_path() { [[ ":$PATH:" == *":$1:"* ]] || PATH="$1:$PATH"; }

# version_at_least HAVE WANT: true when HAVE is the same version or a later one.
version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# once NAME KEY CHECK STEP…: runs STEP unless a stamp says that NAME was done for this KEY and CHECK
# still holds. A failing STEP is forgiven, loudly, when CHECK holds all the same: then we are
# offline and what is needed is present.
once() {
    local name=$1 key=$2 check=$3 stamp="$ROOT/.dev/stamps/$1"
    shift 3
    mkdir -p "$ROOT/.dev/stamps"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && $check >/dev/null 2>&1; then
        return 0
    fi
    say "dev: $name: $*"
    if "$@" >&2; then
        printf '%s\n' "$key" >"$stamp"
    elif $check >/dev/null 2>&1; then
        say "dev: $name: could not be brought up to date (offline?); going on with what is here"
    else
        fail "$name failed: $*"
    fi
}

# hash_of FILE…: one key for the content of these files; absent files count as empty.
hash_of() { cat "$@" 2>/dev/null | sha256sum | cut -d ' ' -f 1; }
