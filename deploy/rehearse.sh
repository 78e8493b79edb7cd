#!/usr/bin/env bash
# Check a stack that was started with compose.yaml: TLS, one gallery in both replicas, the loss of a
# replica and of the database, purge, and that no password is logged. It takes about two minutes.
#
#   bash deploy/rehearse.sh
#
# NEVER RUN: no container engine was available where it was written. It may need corrections.
#
# It stops and starts services, so run it before people use them. It enrols two people from the
# examples into a gallery of its own, `rehearsal`, and removes them.
set -euo pipefail
cd "$(dirname "$0")"

site=${FACEHUB_SITE:-localhost}
gallery='postgresql://facehub@postgres/facehub?gallery=rehearsal'

say() { printf '%s\n' "$*"; }
fail() {
  say "FAILED: $*" >&2
  exit 1
}
within() { # SECONDS COMMAND...: repeats the command until it succeeds; fails after that time
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 1
  done
}
compose() { docker compose "$@"; }
in_app() { # 1|2 COMMAND...: runs a command in a replica
  local app=app$1
  shift
  compose exec -T "$app" "$@"
}
page() { # requests the login page through the proxy
  curl --silent --show-error --fail --max-time 10 --resolve "$site:443:127.0.0.1" \
    --cacert "$authority" "https://$site/"
}
names() { # 1|2: lists the people of the gallery `rehearsal`, as this replica sees them
  in_app "$1" facehub gallery list "$gallery"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
authority=$work/root.crt
if ! compose cp proxy:/data/caddy/pki/authorities/local/root.crt "$authority" 2>/dev/null; then
  authority=/etc/ssl/certs/ca-certificates.crt # the site has a public name
fi

say "TLS"
within 60 page || fail "https://$site/ does not answer"
code=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 10 \
  --resolve "$site:80:127.0.0.1" "http://$site/")
case $code in 30[1278]) ;; *) fail "http://$site/ answers $code, not a redirect" ;; esac

say "only the proxy can be reached"
for service in app1:7860 app2:7860 postgres:5432; do
  if compose port "${service%:*}" "${service#*:}" 2>/dev/null | grep -q '[1-9]$'; then
    fail "$service is published"
  fi
done

say "one gallery in both replicas"
examples=$(in_app 1 python -c 'from facehub.demo.page import examples_folder as f; print(f())')
in_app 1 facehub enrol "$gallery" --name Eileen "$examples/eileen_collins.jpg"
in_app 2 facehub enrol "$gallery" --name Grace "$examples/grace_hopper.jpg"
for app in 1 2; do
  names $app | grep -q '^Eileen:' || fail "app$app does not see Eileen"
  in_app $app facehub identify "$gallery" "$examples/both.jpg" | grep -q 'Grace' ||
    fail "app$app does not find Grace"
done

say "the page survives the loss of a replica"
for app in 1 2; do
  compose kill "app$app"
  within 30 page || fail "the page does not answer without app$app"
  compose start "app$app"
  within 90 names $app || fail "app$app does not start again"
done

say "the gallery survives a kill of the database"
compose kill postgres
compose start postgres
within 60 names 1 || fail "the gallery is not back"
names 2 | grep -q '^Grace:' || fail "Grace was lost"

say "remove and purge leave no traces"
for name in Eileen Grace; do
  in_app 1 facehub gallery remove "$gallery" "$name"
done
in_app 1 facehub gallery purge "$gallery"
names 2 | grep -q '^0 people' || fail "people are left"
traces=$(compose exec -T postgres sh -c 'grep -rlaF grace_hopper.jpg "$PGDATA/base" || true')
[ -z "$traces" ] || fail "traces are left in $traces"

say "no password is logged"
if compose logs --no-color | grep -qF "$(cat secrets/password)"; then
  fail "the password is in the logs"
fi

say "all checks passed"
