# The demo: see `./dev demo --keep` and docs in README.md.
demo_main() { fail "the demo needs the C, Python and Node parts, which are not all here yet"; }
bench_main() { fail "not here yet"; }
fuzz_main() { fail "not here yet"; }
