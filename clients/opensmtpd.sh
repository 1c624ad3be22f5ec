#!/usr/bin/env bash
# Starts Debian's OpenSMTPD on the loopback address, and lets the service's commands mail by it.
#
#     clients/opensmtpd.sh BIN      BIN: where wutang-auth and python are; asks for root, which OpenSMTPD runs as
set -euo pipefail
bin=$1
work=$(mktemp -d)
chmod 755 "$work"
server=
finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

port=$("$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$work/box"
chown nobody "$work/box"
cat >"$work/smtpd.conf" <<CONFIGURATION
table boxes { "@" = nobody }
listen on lo port $port
action "keep" maildir "$work/box" virtual <boxes>
match from any for domain "wutang.example" action "keep"
CONFIGURATION
smtpd -d -f "$work/smtpd.conf" >"$work/log" 2>&1 &
server=$!
for attempt in $(seq 50); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    if [ "$attempt" = 50 ]; then cat "$work/log" >&2; exit 1; fi
    sleep 0.1
done

export WUTANG_SMTP_URL="smtp://127.0.0.1:$port"
export WUTANG_MAIL_FROM="Shop <no-reply@wutang.example>" WUTANG_PUBLIC_URL=https://id.wutang.example
"$bin/wutang-auth" mails test ada@wutang.example
for attempt in $(seq 50); do
    if grep -rqs '^Subject: wutang-auth' "$work/box"; then break; fi
    if [ "$attempt" = 50 ]; then cat "$work/log" >&2; echo "the mail is in no box" >&2; exit 1; fi
    sleep 0.1
done

refused() { # WORDS COMMAND…
    local words=$1
    shift
    if "$@" 2>"$work/error"; then
        echo "this should have been refused: $*" >&2
        return 1
    fi
    grep -q "$words" "$work/error" || { cat "$work/error" >&2; return 1; }
}
refused "the mail server answers 550" "$bin/wutang-auth" mails test ada@elsewhere.example
echo "a mail has arrived; an unknown domain is refused"
