#!/usr/bin/env bash
# Renews Swagger UI from npm: `bash functions/docs/reference/vendor/renew.sh`. The archive must have the integrity that is pinned here.
# The files are checked in compressed, without names and times, so that the same archive makes the same files.
set -euo pipefail
cd "$(dirname "$0")"
version=5.35.0
integrity="sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ=="

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
archive="$scratch/$(cd "$scratch" && npm pack --silent "swagger-ui-dist@$version")"
got="sha512-$(openssl dgst -sha512 -binary "$archive" | base64 -w0)"
[ "$got" = "$integrity" ] || { echo "swagger-ui-dist@$version has the integrity $got, not $integrity" >&2; exit 1; }
tar -xzf "$archive" -C "$scratch"

package="$scratch/package"
for file in swagger-ui-bundle.js swagger-ui.css; do
    gzip -9nc "$package/$file" >"$file.gz"
done
cp "$package/LICENSE" "$package/NOTICE" "$package/swagger-ui-bundle.js.LICENSE.txt" .
