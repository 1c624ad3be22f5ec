#!/usr/bin/env bash
# Starts the service and lets others' tools at it, one after the other; the first that finds fault ends the run.
#
#     clients/run.sh BIN      BIN: where wutang-auth and pytest are; `make clients` knows
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$1
export PATH="$PWD/clients/node_modules/.bin:$PATH"
generated=clients/generated

step() { # NAME SECONDS COMMAND…
    local name=$1 seconds=$2 start=$SECONDS
    shift 2
    echo "== $name"
    timeout --kill-after=10 "$seconds" "$@"
    echo "== $name: $((SECONDS - start)) s"
}

# -- What cannot come from a lock file --------------------------------------------------------------------------------

missing=()
command -v "${CHROMIUM:-chromium}" >/dev/null || missing+=(chromium)
command -v php >/dev/null || missing+=(php-cli)
command -v go >/dev/null || missing+=(golang-go)
command -v curl >/dev/null || missing+=(curl)
[ "$(id -u)" != 0 ] || command -v smtpd >/dev/null || missing+=(opensmtpd)
# the screenshots are half Chinese
[ -n "$(find /usr/share/fonts "$HOME/.local/share/fonts" -iname '*cjk*' -o -iname 'wqy*' 2>/dev/null)" ] || missing+=(fonts-wqy-microhei)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "make clients needs ${missing[*]} (named as Debian's packages); install them and try again" >&2
        exit 1
    fi
    echo "== installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

CHROMIUM=$(command -v "${CHROMIUM:-chromium}")
export CHROMIUM

# -- The service ------------------------------------------------------------------------------------------------------

work=$(mktemp -d)
service=
finish() {
    if [ -n "$service" ]; then
        kill "$service" 2>/dev/null || true
        wait "$service" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

# where browser.mjs has a shop's own page, from which that calls the service
SHOP_PORT=$("$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export SHOP_PORT

echo "== starting the service"
WUTANG_CORS_ORIGINS="http://localhost:$SHOP_PORT" \
"$bin/wutang-auth" dev --port 0 --data-dir "$work/data" >"$work/log" 2>&1 </dev/null &
service=$!
setting() { "$bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/data/dev.json" "$1"; }
for attempt in $(seq 150); do
    if [ -f "$work/data/dev.json" ] && curl -sf -o "$work/ready" "$(setting base_url)/readyz"; then break; fi
    if ! kill -0 "$service" 2>/dev/null || [ "$attempt" = 150 ]; then
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.2
done
base_url=$(setting base_url) email=$(setting email) password=$(setting password)

# -- The document and what is made of it ------------------------------------------------------------------------------

rm -rf "$generated"
mkdir -p "$generated"
curl -sf -o "$generated/openapi.json" "$base_url/openapi.json"

step "Redocly" 120 redocly lint --config clients/redocly.yaml "$generated/openapi.json"
step "Spectral" 120 spectral lint --ruleset clients/spectral.yaml --fail-severity warn "$generated/openapi.json"
# it runs as root only
if [ "$(id -u)" = 0 ]; then step "OpenSMTPD" 120 clients/opensmtpd.sh "$bin"; fi
step "Schemathesis" 900 "$bin/pytest" -q -n 0 -m long tests/api/documentation/test_schemathesis.py
step "newman" 120 newman run "$base_url/docs/collection.json" --reporter-cli-no-banner \
    --env-var "email=$email" --env-var "password=$password"

step "openapi-python-client" 120 clients/.venv/bin/openapi-python-client generate --fail-on-warning \
    --path "$generated/openapi.json" --config clients/python/openapi-python-client.yaml --output-path "$generated/python"
generate() { # GENERATOR FOLDER PROPERTIES
    clients/.venv/bin/openapi-generator-cli generate -i "$generated/openapi.json" -g "$1" -o "$generated/$2" \
        --additional-properties="$3" >"$work/generator" 2>&1 || { cat "$work/generator" >&2; return 1; }
}
export -f generate
export generated work
step "openapi-generator, python" 120 bash -c "generate python openapi-generator packageName=wutang_openapi"
export PYTHONPATH="$PWD/$generated/python:$PWD/$generated/openapi-generator"
export MYPYPATH=$PYTHONPATH:$PWD/verifier/src
# the code that uses the client is ours to answer for, the generated code is not
step "mypy" 300 clients/.venv/bin/mypy --config-file= --strict --follow-imports=silent --no-incremental clients/python
step "the Python client" 60 clients/.venv/bin/python clients/python/use_client.py "$base_url" "$email" "$password"
step "the other Python client" 60 clients/.venv/bin/python clients/python/use_openapi_generator.py "$base_url" "$email" "$password"
step "PyJWT and joserfc" 60 clients/.venv/bin/python clients/python/verify_tokens.py "$base_url" "$email" "$password"

step "Flask with wutang-auth-verifier" 60 env PYTHONPATH=verifier/src clients/.venv/bin/python clients/python/use_flask.py \
    "$base_url" "$email" "$password"

step "openapi-typescript" 120 openapi-typescript "$generated/openapi.json" -o "$generated/api.d.ts"
step "tsc" 300 tsc --project clients/typescript
step "the TypeScript client" 60 node "$generated/built/typescript/use-client.js" "$base_url" "$email" "$password"
step "openapi-generator, typescript-axios" 120 bash -c "generate typescript-axios typescript-axios importFileExtension=.js"
step "tsc" 300 tsc --project clients/typescript-axios
step "the axios client" 60 node "$generated/built/typescript-axios/use-client.js" "$base_url" "$email" "$password"
step "the programs of docs/verify-elsewhere.md" 120 clients/.venv/bin/python clients/python/verify_elsewhere.py \
    "$base_url" "$email" "$password" javascript go php
step "jose" 60 node "$generated/built/typescript/verify-tokens.js" "$base_url" "$email" "$password"

# -- The code samples and the pages -----------------------------------------------------------------------------------

unset PYTHONPATH MYPYPATH
SAMPLE_LANGUAGES="Shell JavaScript Python PHP" step "the code samples" 600 "$bin/pytest" -q tests/api/documentation/test_code_samples.py
# the collection has given the demo user another name
step "the pages in a browser" 180 node clients/browser.mjs "$base_url" "$email" "$password" "Grace Hopper" ${SCREENSHOTS:+"$SCREENSHOTS"}
step "/account in a browser" 450 node clients/account.mjs "$bin/wutang-auth" ${SCREENSHOTS:+"$SCREENSHOTS"}
echo "== all of them are content"
