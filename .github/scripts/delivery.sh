#!/usr/bin/env bash
# What the workflows `release`, `deploy` and `rollback` do, step by step: `.github/scripts/delivery.sh STEP`. Here and not
# in their files, so that it is linted, and tried against stand-ins of the tools by `make workflows-check`.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

IMAGES=(vote-ingest vote-results votectl)
WORKFLOW=.github/workflows/release.yml
ISSUER=https://token.actions.githubusercontent.com

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "$*" >&2
  exit 1
}

# REGISTRY is a host with a namespace, such as ghcr.io/example. No registry takes capitals, and GitHub's names have them.
registry() {
  : "${REGISTRY:?is not set}"
  echo "${REGISTRY,,}"
}

repository() {
  local registry
  registry=$(registry)
  echo "$registry/paredao/$1"
}

# digest REFERENCE: of the manifest that a tag names now.
digest() {
  docker buildx imagetools inspect "$1" --format '{{json .Manifest}}' | jq --exit-status --raw-output .digest
}

# verify REFERENCE VERSION: fails unless it was signed by the release workflow of this repository, on this version's tag.
verify() {
  cosign verify "$1" --certificate-oidc-issuer "$ISSUER" \
    --certificate-identity "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/$WORKFLOW@refs/tags/v$2" >/dev/null
  echo "signature is good: $1"
}

# sign REFERENCE VERSION: with the identity of the running workflow, for which no key has to be kept anywhere.
sign() {
  cosign sign --yes "$1"
  verify "$1" "$2"
}

# ---- release -----------------------------------------------------------------------------------------------------------

# version [TAG]: prints the version, which has to be the same everywhere: in the tag, in Cargo.toml and in the chart.
version() {
  local cargo chart app
  cargo=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
  chart=$(sed -n 's/^version: "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' chart/Chart.yaml)
  app=$(sed -n 's/^appVersion: "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' chart/Chart.yaml)
  if [ -z "$cargo" ] || [ "$cargo" != "$chart" ] || [ "$cargo" != "$app" ]; then
    fail "versions differ: Cargo.toml has '$cargo'; chart/Chart.yaml has version '$chart' and appVersion '$app'"
  fi
  if [ -n "${1:-}" ] && [ "$1" != "v$cargo" ]; then
    fail "the tag is $1, but the code is of version $cargo: its tag is v$cargo"
  fi
  echo "$cargo"
}

# login: to the registry, by REGISTRY_USER and REGISTRY_PASSWORD.
login() {
  local host
  host=$(registry)
  host=${host%%/*}
  docker login "$host" --username "$REGISTRY_USER" --password-stdin <<<"$REGISTRY_PASSWORD"
  helm registry login "$host" --username "$REGISTRY_USER" --password-stdin <<<"$REGISTRY_PASSWORD"
}

# build ARCHITECTURE: builds and pushes the images of this machine's architecture, by digest: they get no tag before
# all architectures have been built. Each carries its SBOM (SPDX) and its provenance.
build() {
  local version commit created seconds image name built
  version=$(version "")
  commit=$(git rev-parse HEAD)
  created=$(TZ=UTC git log -1 --date=format-local:%FT%TZ --format=%cd)
  seconds=$(git log -1 --format=%ct)
  docker buildx create --use --driver docker-container
  for image in "${IMAGES[@]}"; do
    name=$(repository "$image")
    docker buildx build --file docker/Dockerfile --target "$image" --platform "linux/$1" \
      --build-arg VERSION="$version" \
      --build-arg REVISION="$commit" \
      --build-arg CREATED="$created" \
      --build-arg SOURCE_DATE_EPOCH="$seconds" \
      --sbom=true --provenance=mode=max \
      --output "type=image,name=$name,push-by-digest=true,name-canonical=true,push=true,rewrite-timestamp=true" \
      --metadata-file "$work/$image.json" .
    built=$(jq --exit-status --raw-output '."containerimage.digest"' "$work/$image.json")
    # It runs where it was built.
    docker run --rm --pull always "$name@$built" --version
    jq --null-input --compact-output --arg image "$image" --arg digest "$built" '{($image): $digest}' >>"$work/built"
  done
  echo "$1=$(jq --slurp --compact-output add "$work/built")" >>"$GITHUB_OUTPUT"
}

# publish DIGESTS…: joins what `build` has pushed for each architecture, under the version's tag, and signs it; then
# the chart.
publish() {
  local version image name built part parts pushed
  version=$(version "")
  for image in "${IMAGES[@]}"; do
    name=$(repository "$image")
    parts=()
    for built in "$@"; do
      part=$(jq --exit-status --raw-output --arg image "$image" '.[$image]' <<<"$built")
      parts+=("$name@$part")
    done
    docker buildx imagetools create --tag "$name:$version" "${parts[@]}"
    pushed=$name@$(digest "$name:$version")
    sign "$pushed" "$version"
    summary "- \`$pushed\`"
  done
  name=$(repository charts)
  helm package chart --destination "$work"
  # It says the digest on either output, according to its version.
  helm push "$work/paredao-$version.tgz" "oci://$name" 2>&1 | tee "$work/push"
  built=$(grep --only-matching 'sha256:[0-9a-f]\{64\}' "$work/push" | head -n 1)
  pushed=$name/paredao@$built
  sign "$pushed" "$version"
  summary "- \`$pushed\`"
}

summary() {
  echo "$*" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
}

# ---- deploy ------------------------------------------------------------------------------------------------------------

# KUBECONFIG_DATA is what a kubeconfig holds. It lies in a file as long as this runs.
cluster() {
  : "${KUBECONFIG_DATA:?the environment has no secret KUBECONFIG}"
  (umask 077 && printf '%s\n' "$KUBECONFIG_DATA" >"$work/kubeconfig")
  export KUBECONFIG=$work/kubeconfig
  unset KUBECONFIG_DATA
}

# What of `helm history` is half of a deployment: the first of its two upgrades, or a way back to that.
# shellcheck disable=SC2016 # these are variables of jq
HALF='. as $all
| def half: .description // "" | startswith("half of ")
    or any(capture("^Rollback to (?<to>[0-9]+)$").to; . as $to | any($all[] | select("\(.revision)" == $to); half));
  [.[] |'

# revision CONDITION: the newest of the release that meets it; 0 where there is none, or no release yet.
revision() {
  if ! helm history "$RELEASE" --namespace "$NAMESPACE" --max 100 --output json >"$work/history" 2>"$work/why"; then
    grep --quiet 'release: not found' "$work/why" || fail "$(cat "$work/why")"
    echo '[]' >"$work/history"
  fi
  jq "$HALF select($1).revision] | max // 0" "$work/history"
}

# live: fails while a live poll takes votes, and where that can't be told. RESULTS_URL is vote-results as readers see it.
live() {
  local polls now
  if [ -z "${RESULTS_URL:-}" ]; then
    echo "::warning::RESULTS_URL is not set: nobody has looked whether a live poll is open"
    return
  fi
  polls=$(curl --fail --silent --show-error --max-time 20 --retry 3 "${RESULTS_URL%/}/v1/polls") ||
    fail "$RESULTS_URL does not say which polls are open: deploy with during_live if you know that it may be done"
  now=$(date --utc +%FT%T.000Z)
  jq --exit-status '.stale == false' <<<"$polls" >/dev/null ||
    fail "$RESULTS_URL can't read which polls are open: deploy with during_live if you know that it may be done"
  polls=$(jq --raw-output --arg now "$now" '
    .polls[] | select(.kind == "live" and (.state == "open" or .state == "paused") and .closes_at > $now)
    | "\(.id), until \(.closes_at)"' <<<"$polls")
  [ -z "$polls" ] || fail "a live poll is open: $polls. Deploy afterwards, or with during_live"
  echo "no live poll is open"
}

# upgrade VERSION CHART: installs or upgrades to the images of that version, by their digests, once each one's signature
# was found good. What reads learns new fields before something writes them: first vote-results and votectl, with ingest
# as it is, then vote-ingest; to an older version the other way round. Where the first fails, helm itself goes back to
# what ran before, and so does this where the second fails. Says which revision that was.
upgrade() {
  local version=$1 chart=$2 registry image name found before images=() waiting=()
  [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "'$version' is not a version, such as 1.2.3"
  registry=$(registry)
  for image in "${IMAGES[@]}"; do
    name=$(repository "$image")
    found=$(digest "$name:$version")
    verify "$name@$found" "$version"
    images+=(--set-string "${image#vote-}.image.digest=$found")
  done
  cluster
  before=$(revision '.status == "deployed"')
  echo "before=$before" >>"$GITHUB_OUTPUT"
  printf '%s\n' "${HELM_VALUES:-}" >"$work/values.yaml"
  if [ "$before" != 0 ]; then
    waits "$version" "$before"
  fi
  if [ "${#waiting[@]}" != 0 ]; then
    # Later ones of the same name count.
    apply --description "half of $version" "${waiting[@]}"
    echo "half of version $version runs: now the rest"
  fi
  if ! apply; then
    if [ "${#waiting[@]}" != 0 ]; then
      echo "the second half failed: back to revision $before"
      back "$before"
    fi
    fail "$RELEASE is not upgraded to version $version"
  fi
  summary "$RELEASE: version $version, after revision $before"
}

# apply OPTIONS…: a part of `upgrade`, one step of helm.
apply() {
  # Without a test the smoke vote would pass, and would not have been.
  helm upgrade "$RELEASE" "$chart" --install --namespace "$NAMESPACE" --create-namespace --atomic --timeout "$TIMEOUT" \
    --values "$work/values.yaml" --set tests.enabled=true --set-string "image.registry=$registry" "${images[@]}" "$@"
}

# waits VERSION BEFORE: a part of `upgrade`, sets `waiting` to options that leave the images that have to wait as they are
# now; to none where they are the new ones already.
waits() {
  local was now component components=(ingest) kept=() digest tag all_new=true
  helm get values "$RELEASE" --namespace "$NAMESPACE" --all --output json >"$work/now"
  now=$(jq --raw-output '.image.registry // ""' "$work/now")
  if [ "$now" != "$registry" ]; then
    echo "::warning::all is upgraded at once: images of '$now' may not be in $registry"
    return
  fi
  was=$(jq --raw-output --argjson before "$2" '.[] | select(.revision == $before) | .app_version // ""' "$work/history")
  # Before a tilde comes what is older: 1.2.3-rc.1 than 1.2.3.
  if [ "$1" != "$was" ] && printf '%s\n' "$1" "$was" | tr - '~' | sort --check=quiet --version-sort; then
    components=(results votectl)
  fi
  for component in "${components[@]}"; do
    digest=$(jq --raw-output --arg component "$component" '.[$component].image.digest // ""' "$work/now")
    # Without a digest and a tag, the chart that it came with had one.
    tag=$(jq --raw-output --arg component "$component" '.[$component].image.tag // ""' "$work/now")
    kept+=(--set-string "$component.image.digest=$digest" --set-string "$component.image.tag=${tag:-$was}")
    [[ " ${images[*]} " == *" $component.image.digest=$digest "* ]] || all_new=false
  done
  "$all_new" || waiting=("${kept[@]}")
}

# smoke: one vote in a rehearsal, from ingest to the results.
smoke() {
  cluster
  helm test "$RELEASE" --namespace "$NAMESPACE" --logs --timeout "$TIMEOUT"
}

# rollback [REVISION]: to that one; without it, to the newest that has been replaced, and is not half of a deployment.
# What the last deployment, or way back, did in two steps is undone in two, by way of the revision between them. From
# elsewhere all changes at once.
rollback() {
  local to=${1:-} now before
  [[ $to =~ ^[0-9]*$ ]] || fail "'$to' is not a revision: helm history numbers them"
  cluster
  if [ -z "$to" ]; then
    to=$(revision '.status == "superseded" and (half | not)')
  fi
  helm history "$RELEASE" --namespace "$NAMESPACE" || true
  [ "$to" != 0 ] || fail "there is no revision to go back to: what was installed first is left as it is"
  now=$(revision '.status == "deployed"')
  before=$(revision ".status == \"superseded\" and .revision < $now - 1")
  if [ "$to" = "$before" ] && [ "$(revision ".revision == $now - 1 and half")" != 0 ]; then
    # To arrive is worth more than to arrive in order.
    back $((now - 1)) || echo "::warning::revision $((now - 1)) was not reached: the rest is changed at once"
  elif [ "$to" != $((now - 1)) ] || [ "$(revision ".revision == $now and half")" = 0 ]; then
    echo "::warning::all is changed at once: no revision lies half-way to $to"
  fi
  back "$to"
  summary "$RELEASE: back at what revision $to was"
}

# back REVISION: one step of helm.
back() {
  helm rollback "$RELEASE" "$1" --namespace "$NAMESPACE" --wait --timeout "$TIMEOUT"
}

case ${1:-} in
version | login | build | publish | live | upgrade | smoke | rollback) "$@" ;;
*) fail "usage: ${0##*/} version [TAG] | login | build ARCHITECTURE | publish DIGESTS… | live | upgrade VERSION CHART |" \
  "smoke | rollback [REVISION]" ;;
esac
