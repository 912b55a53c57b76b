#!/usr/bin/env bash
# Renews the vendored modules from npm: `bash explorer/vendor/renew.sh`. npm checks the integrity that is pinned here.
#
# The only change to a file is the name of an import: browsers resolve no bare names without an import map, and an import map
# must be inline, which the pages' Content-Security-Policy forbids.
set -euo pipefail
cd "$(dirname "$0")"

fetch() { # name, version, integrity
    local work=$1
    mkdir -p "$scratch/$work"
    (cd "$scratch/$work" && npm pack --silent "$1@$2" >name)
    local archive="$scratch/$work/$(cat "$scratch/$work/name")"
    local got="sha512-$(openssl dgst -sha512 -binary "$archive" | base64 -w0)"
    [ "$got" = "$3" ] || { echo "$1@$2 has the integrity $got, not $3" >&2; exit 1; }
    tar -xzf "$archive" -C "$scratch/$work"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fetch @fontsource/instrument-serif 5.3.0 "sha512-mDiaIg0u67sYV59fie92Wz4sM8UiVlbL7fLxnFPCKkX15DMASEnQTREbaP5S5/3DCcsoAOcQ0sV9E4AeY4QqYQ=="
fetch @fontsource-variable/instrument-sans 5.3.0 "sha512-u4gKbDBTNFGkg997tfQn3eHOhHuquWUFTRT/rwzuKtrxX5P2ekfs2x+LgBPP4P32+cC+vUwF1Cr+IdRoPQbrGw=="
fetch preact 10.29.8 "sha512-ej2aVZ+vZ8WO7tvlQWRM9N63A0KzF9q4mWJfDUHgYaIofWY9hu74QdnQrjoPMmZi2/nZ5gN0bJCQF49xQqx09Q=="
fetch htm 3.1.1 "sha512-983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ=="

plain() { sed -e '/^\/\/# sourceMappingURL=/d' -e 's/from"preact"/from".\/preact.js"/g'; }
plain <"$scratch/preact/package/dist/preact.module.js" >preact.js
plain <"$scratch/preact/package/hooks/dist/hooks.module.js" >hooks.js
plain <"$scratch/htm/package/dist/htm.module.js" >htm.js
cp "$scratch/preact/package/LICENSE" LICENSE-preact
cp "$scratch/htm/package/LICENSE" LICENSE-htm

serif=$scratch/@fontsource/instrument-serif/package
sans=$scratch/@fontsource-variable/instrument-sans/package
for part in latin latin-ext; do
    cp "$serif/files/instrument-serif-$part-400-normal.woff2" "serif-$part.woff2"
    cp "$sans/files/instrument-sans-$part-wght-normal.woff2" "sans-$part.woff2"
done
cp "$serif/LICENSE" LICENSE-instrument-serif
cp "$sans/LICENSE" LICENSE-instrument-sans
