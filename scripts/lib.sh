# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT
# shellcheck shell=bash

# Shared by the scripts; sourced, never run. Sets `root`, the checkout.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "scripts/$(basename -- "$0")" "$*" >&2; exit 1; }
jobs_count() { nproc 2> /dev/null || echo 2; }

# Chooses the compilers: $CXX if set, else c++ when it is gcc 12 or clang 15 or newer, else the newest of these by name.
find_gcc() {
  local name version
  for name in ${CXX:-} g++ g++-15 g++-14 g++-13 g++-12; do
    command -v "$name" > /dev/null || continue
    version=$("$name" -dumpversion)
    if [[ ${version%%.*} -ge 12 ]] || { [[ $name == "${CXX:-}" ]]; }; then echo "$name"; return; fi
  done
  die "no g++ 12 or newer found; run scripts/deps"
}
find_clang() {
  local name version
  for name in clang++-{21,20,19,18,17,16,15} clang++; do
    command -v "$name" > /dev/null || continue
    version=$("$name" -dumpversion)
    if [[ ${version%%.*} -ge 15 ]]; then echo "$name"; return; fi
  done
  die "no clang++ 15 or newer found (the tsan preset needs it); run scripts/deps"
}

# configure_and_build <preset> [cmake target...]: into build/<preset>.
configure_and_build() {
  local preset=$1 compiler
  shift
  if [[ $preset == tsan ]]; then compiler=$(find_clang); else compiler=$(find_gcc); fi
  say "$preset: configure ($compiler)"
  cmake -S "$root" -B "$root/build/$preset" --preset "$preset" -DCMAKE_CXX_COMPILER="$compiler" --log-level=WARNING
  say "$preset: build"
  local targets=()
  if [[ $# -gt 0 ]]; then targets=(--target "$@"); fi
  cmake --build "$root/build/$preset" --parallel "$(jobs_count)" "${targets[@]}"
}
