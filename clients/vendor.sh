#!/usr/bin/env bash
# Bring Swagger UI and ReDoc, in the versions named here, into the service. Run by hand, when a version changes.
set -euo pipefail
SWAGGER_UI=5.35.0
REDOC=2.5.4

assets=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/src/wutang_auth/api/documentation/assets
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

take() { # PACKAGE VERSION FOLDER FILE…
    local package=$1 version=$2 folder=$assets/$3
    shift 3
    # pack, not install: nothing of the package or of what it depends on is run
    tar -xzf "$(npm pack --silent "$package@$version")"
    rm -rf "$folder"
    mkdir -p "$folder"
    for file in "$@"; do cp "package/$file" "$folder"; done
    rm -r package
}

take swagger-ui-dist "$SWAGGER_UI" swagger-ui \
    LICENSE NOTICE swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css
take redoc "$REDOC" redoc \
    LICENSE bundles/redoc.standalone.js bundles/redoc.standalone.js.LICENSE.txt

# The one change: a logo that the browser would ask a CDN for. What is no image makes ReDoc leave it out.
sed -i 's#"https://cdn\.redoc\.ly/redoc/logo-mini\.svg"#"data:,"#' "$assets/redoc/redoc.standalone.js"
! grep -q 'cdn\.redoc\.ly' "$assets/redoc/redoc.standalone.js"
