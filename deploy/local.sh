#!/usr/bin/env bash
# Puts the whole system into a Kubernetes cluster on this machine: builds the images, gives them to the cluster,
# installs or upgrades the chart, and tests it. `make deploy-local` calls it.
#
#   CONTEXT=…      another kubectl context than the current one. Without it, only a context whose name says that it is
#                  local is deployed to (kind, k3d, minikube, Docker Desktop, Rancher Desktop, OrbStack, Colima)
#   NAMESPACE=…    where to [paredao]
#   VALUES=…       values of the chart [deploy/local-values.yaml]
#   DOCKER, IMAGE_PREFIX, IMAGE_TAG        as of `make images`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly release=paredao
readonly images="vote-ingest vote-results votectl"
namespace=${NAMESPACE:-paredao}
values=${VALUES:-deploy/local-values.yaml}
docker=${DOCKER:-docker}
prefix=${IMAGE_PREFIX:-paredao}
tag=${IMAGE_TAG:-dev}

fail() {
  echo "deploy-local: $1" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "needs $1: $2"
}

# kind_of CONTEXT: which kind of local cluster it names; nothing for all others.
kind_of() {
  case $1 in
    kind-?*) echo kind ;;
    k3d-?*) echo k3d ;;
    minikube) echo minikube ;;
    docker-desktop | docker-for-desktop | rancher-desktop | orbstack | colima) echo shared ;;
  esac
}

need kubectl https://kubernetes.io/docs/tasks/tools
need helm https://helm.sh/docs/intro/install
need "$docker" https://docs.docker.com/engine/install

context=${CONTEXT:-$(kubectl config current-context 2>/dev/null || true)}
[ -n "$context" ] || fail "kubectl has no current context: make a cluster, for example by 'kind create cluster'"
kind=$(kind_of "$context")
if [ -z "$kind" ] && [ -z "${CONTEXT:-}" ]; then
  fail "the context $context is not known to be local, and is left alone: CONTEXT=$context says that it is meant"
fi
case $kind in
  kind) need kind https://kind.sigs.k8s.io ;;
  k3d) need k3d https://k3d.io ;;
  minikube) need minikube https://minikube.sigs.k8s.io ;;
esac
kubectl --context "$context" --request-timeout=10s get --raw /readyz >/dev/null 2>&1 ||
  fail "the cluster of the context $context can't be reached: is it started?"
"$docker" version >/dev/null 2>&1 || fail "the Docker engine can't be reached: is it started, and may you use it?"

echo "deploying to the context $context, namespace $namespace"
"${MAKE:-make}" --no-print-directory images DOCKER="$docker" IMAGE_PREFIX="$prefix" IMAGE_TAG="$tag"

# Each image is named by what is in it. So an upgrade replaces the pods of what has changed and no others, and a
# rollback finds the image that it goes back to.
settings=()
for image in $images; do
  id=$("$docker" image inspect --format '{{.Id}}' "$prefix/$image:$tag")
  id=${id#sha256:}
  name=$prefix/$image:local-${id:0:12}
  "$docker" tag "$prefix/$image:$tag" "$name"
  case $kind in
    kind) kind load docker-image "$name" --name "${context#kind-}" ;;
    k3d) k3d image import "$name" --cluster "${context#k3d-}" ;;
    minikube) minikube --profile "$context" image load "$name" ;;
    shared) ;;
    *) echo "$name: this cluster has to have Docker's images by itself; none are pushed" ;;
  esac
  component=${image#vote-}
  settings+=(--set-string "$component.image.repository=$prefix/$image" --set-string "$component.image.tag=${name##*:}")
done

in_cluster=(--kube-context "$context" --namespace "$namespace")
if ! helm upgrade --install --atomic --create-namespace --timeout 5m "${in_cluster[@]}" \
  --values "$values" "${settings[@]}" "$release" chart; then
  # What did not start has been rolled back by now; the cluster remembers why.
  kubectl --context "$context" --namespace "$namespace" get events --field-selector type=Warning \
    --sort-by=.lastTimestamp 2>/dev/null | tail -n 10 >&2 || true
  fail "helm has rolled back what it did; the last warnings of the namespace are above"
fi
helm test "${in_cluster[@]}" --timeout 5m --logs "$release" || fail "installed, but 'helm test' failed"

kubectl="kubectl --context $context --namespace $namespace"
cat <<TEXT

Reach it from here, each in a terminal of its own:
  $kubectl port-forward service/$release-ingest 8080:80      # http://127.0.0.1:8080/swagger-ui/
  $kubectl port-forward service/$release-results 8081:80     # http://127.0.0.1:8081/swagger-ui/
How to open a poll: helm get notes ${in_cluster[*]} $release
Remove it:          helm uninstall ${in_cluster[*]} $release
TEXT
