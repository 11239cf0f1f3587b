"""What the chart asks of a cluster while it renders: real helm 4 and 3, before an API that has just these objects."""

import contextlib
import http.server
import json
import pathlib
import re
import shutil
import threading
from collections.abc import Iterator
from typing import NamedTuple

import yaml

from chart.programs import HELMS, run
from chart.render import CHART, NAMESPACE, RELEASE

Problems = list[str]

# Its openapi isn't there, and manifests are validated elsewhere.
SERVER = ("--dry-run=server", "--disable-openapi-validation")

# The groups of what the cases render.
GROUPS = {
    "v1": ["Secret", "ConfigMap", "Service", "ServiceAccount", "Pod"],
    "apps/v1": ["StatefulSet", "Deployment"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}


class Case(NamedTuple):
    says: str
    # What there is in the namespace, and which values are given.
    objects: list[dict]
    values: dict
    # What the manifests must match, or else the error: a regular expression each.
    renders: tuple[str, ...] = ()
    refuses: str = ""
    lacks: tuple[str, ...] = ()
    # What the notes must say; without any they aren't looked at.
    notes: tuple[str, ...] = ()


def live(kind: str, name: str, spec: dict | None = None, **more: object) -> dict:
    component = re.sub(r"^.*?-(?=redis|ingest|results)", "", name)
    labels = {
        "app.kubernetes.io/name": "paredao",
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "paredao",
    }
    version = next(version for version, kinds in GROUPS.items() if kind in kinds)
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    spec = {"spec": spec} if spec is not None else {}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **spec, **more}


def redis(name: str = f"{RELEASE}-redis", *, claims: bool = True, **spec: object) -> dict:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "creationTimestamp": None, "labels": {"was": "there"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "7Gi"}},
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Pending"},
    }
    selector = {"matchLabels": {"app.kubernetes.io/name": "paredao"}}
    spec = {"replicas": 1, "selector": selector, "podManagementPolicy": "OrderedReady", **spec}
    return live("StatefulSet", name, spec | ({"volumeClaimTemplates": [claim]} if claims else {}))


def scaled(*managers: dict) -> dict:
    found = live("Deployment", f"{RELEASE}-ingest", {"replicas": 6})
    found["metadata"]["managedFields"] = [{"apiVersion": "apps/v1", **manager} for manager in managers]
    return found


HOLDS = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale"}
CASES = [
    Case(
        "a first install",
        [],
        {},
        renders=("podManagementPolicy: Parallel", "storage: 10Gi"),
        lacks=("volumeName",),
    ),
    Case(
        "a Redis of an older chart keeps what can't be changed of it",
        [redis()],
        {},
        renders=("podManagementPolicy: OrderedReady", "storage: 7Gi", "was: there"),
        lacks=("phase: Pending", "creationTimestamp"),
        notes=("asks for a volume of 10Gi, and .* a volume of 7Gi", "of an older chart.*--cascade=orphan"),
    ),
    Case(
        "another size or class of the volume",
        [redis(podManagementPolicy="Parallel")],
        {"redis": {"embedded": {"persistence": {"size": "20Gi", "storageClass": "fast"}}}},
        renders=("podManagementPolicy: Parallel", "storage: 7Gi"),
        lacks=("storage: 20Gi", "storageClassName: fast"),
    ),
    Case(
        "a volume is not taken away",
        [redis()],
        {"redis": {"embedded": {"persistence": {"enabled": False}}}},
        renders=("storage: 7Gi",),
        lacks=(r"name: data\n +emptyDir",),
        notes=("asks for no volume, and .* a volume of 7Gi",),
    ),
    Case(
        "nor given to a Redis that has none",
        [redis(claims=False)],
        {},
        renders=(r"name: data\n +emptyDir",),
        lacks=("volumeClaimTemplates",),
        notes=("asks for a volume of 10Gi, and .* no volume", "WARNING: this Redis has no volume"),
    ),
    Case(
        "a nameOverride beside whose new Redis the old one would stay",
        [redis()],
        {"nameOverride": "show"},
        refuses=f"StatefulSet/{RELEASE}-redis.*empty.*fullnameOverride",
    ),
    Case(
        "a fullnameOverride that does the same",
        [redis()],
        {"fullnameOverride": "show"},
        refuses=f"StatefulSet/{RELEASE}-redis.*empty StatefulSet/show-redis.*fullnameOverride to {RELEASE}",
    ),
    Case(
        "a nameOverride that only the selectors would show",
        [redis()],
        {"nameOverride": "show", "fullnameOverride": RELEASE},
        refuses="nameOverride: .*selector",
    ),
    Case(
        "another release's Redis is no reason",
        [redis("other-redis") | {"metadata": {"name": "other-redis", "namespace": NAMESPACE, "labels": {}}}],
        {"fullnameOverride": "show"},
        renders=("name: show-redis",),
    ),
    Case(
        "autoscaling is switched on while six pods run",
        [live("Deployment", f"{RELEASE}-ingest", {"replicas": 6})],
        {"ingest": {"autoscaling": {"enabled": True}}},
        renders=(rf"name: {RELEASE}-ingest\n(?:.*\n)+?spec:\n +#.*\n  replicas: 6\n",),
    ),
    Case(
        "an autoscaler that holds the number of what is applied on the server is not spoken for",
        [scaled({"manager": "helm", "operation": "Apply"}, HOLDS)],
        {"ingest": {"autoscaling": {"enabled": True}}},
        lacks=("replicas: 6",),
    ),
    Case(
        "what is applied by the client would take the number back, if it were left out",
        [scaled({"manager": "helm", "operation": "Update"}, HOLDS)],
        {"ingest": {"autoscaling": {"enabled": True}}},
        renders=("\n  replicas: 6\n",),
    ),
    Case(
        "a Deployment that is not there yet is left to its autoscaler",
        [],
        {"ingest": {"autoscaling": {"enabled": True}}, "results": {"autoscaling": {"enabled": True}}},
        lacks=("\n  replicas: 2\n",),
    ),
    Case(
        "a password that was made is kept, and can't be changed by who makes another",
        [live("Secret", f"{RELEASE}-redis-ingest", data={"password": "a2VwdA=="}, immutable=True)],
        {},
        renders=(r"immutable: true\ndata:\n  password: a2VwdA==\n",),
    ),
    Case(
        "one of an older chart is kept as it is, or a rollback to that chart would be refused",
        [live("Secret", f"{RELEASE}-redis-ingest", data={"password": "a2VwdA=="})],
        {},
        renders=(r"type: Opaque\ndata:\n  password: a2VwdA==\n",),
    ),
    Case(
        "another key in a Secret that can't be changed",
        [live("Secret", f"{RELEASE}-redis-ingest", data={"password": "a2VwdA=="})],
        {"redis": {"users": {"ingest": {"key": "pass"}}}},
        refuses=f"redis.users.ingest.key: Secret/{RELEASE}-redis-ingest has no key pass",
    ),
]


class Mistake(NamedTuple):
    """One in a template of the chart, and the case that must find it."""

    says: str
    template: str
    text: str
    instead: str
    case: str


MISTAKES = [
    Mistake(
        "a management policy that is never kept",
        "_redis.tpl",
        '(dig "spec" "podManagementPolicy" "Parallel" .)',
        '"Parallel"',
        "a Redis of an older chart keeps what can't be changed of it",
    ),
    Mistake(
        "claims that are those of the values, whatever there is",
        "_redis.tpl",
        '"volumeClaimTemplates" $claims',
        '"volumeClaimTemplates" $wanted',
        "another size or class of the volume",
    ),
    Mistake(
        "claims with what Kubernetes says of them",
        "_redis.tpl",
        '(omit . "status" "metadata")',
        '(omit . "metadata")',
        "a Redis of an older chart keeps what can't be changed of it",
    ),
    Mistake(
        "another Redis beside the one with the votes",
        "_redis.tpl",
        "{{- if $ours -}}",
        "{{- if false -}}",
        "a fullnameOverride that does the same",
    ),
    Mistake(
        "any Redis of the namespace taken for ours",
        "_redis.tpl",
        "{{- $ours = false -}}",
        "",
        "another release's Redis is no reason",
    ),
    Mistake(
        "selectors that change",
        "_redis.tpl",
        "{{- if and $before (ne $before $now) -}}",
        "{{- if false -}}",
        "a nameOverride that only the selectors would show",
    ),
    Mistake(
        "a number of pods that is left out",
        "_scaling.tpl",
        "{{- if and $live (not (and $applied $held)) -}}",
        "{{- if false -}}",
        "autoscaling is switched on while six pods run",
    ),
    Mistake(
        "a number of pods against its autoscaler",
        "_scaling.tpl",
        "{{- if and $live (not (and $applied $held)) -}}",
        "{{- if $live -}}",
        "an autoscaler that holds the number of what is applied on the server is not spoken for",
    ),
    Mistake(
        "a password that is made anew",
        "redis/secrets.yaml",
        "{{- $password = index (default dict .data) $key }}",
        "",
        "a password that was made is kept, and can't be changed by who makes another",
    ),
    Mistake(
        "an old Secret that no rollback can take back",
        "redis/secrets.yaml",
        "{{- $immutable = default false .immutable }}",
        "",
        "one of an older chart is kept as it is, or a rollback to that chart would be refused",
    ),
]


def plural(kind: str) -> str:
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


@contextlib.contextmanager
def api(objects: list[dict]) -> Iterator[str]:
    """The little of an API that helm asks, on loopback."""
    groups = []
    for version in GROUPS.keys() - {"v1"}:
        group, _, number = version.partition("/")
        preferred = {"groupVersion": version, "version": number}
        groups.append({"name": group, "versions": [preferred], "preferredVersion": preferred})
    answers = {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for version, kinds in GROUPS.items():
        root = f"/{'api' if version == 'v1' else 'apis'}/{version}"
        verbs = {"namespaced": True, "singularName": "", "verbs": ["get", "list"]}
        named = [{"name": plural(kind), "kind": kind} | verbs for kind in kinds]
        answers[root] = {"kind": "APIResourceList", "groupVersion": version, "resources": named}
        for kind in kinds:
            there = [one for one in objects if one["kind"] == kind]
            folder = f"{root}/namespaces/{NAMESPACE}/{plural(kind)}"
            answers[folder] = {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": there}
            answers |= {f"{folder}/{one['metadata']['name']}": one for one in there}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(answers.get(path, missing)).encode()
            self.send_response(200 if path in answers else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def lookups(tools: pathlib.Path | None, folder: pathlib.Path) -> tuple[Problems, str]:
    if not tools or not (tools / HELMS[0]).exists():
        return [], "left out: there is no helm for this machine"
    problems = [text for case in CASES for text in looked_up(case, CHART, tools, folder, HELMS)]
    return problems, (
        f"helm 4 and 3 keep what {len(CASES)} clusters have, or refuse to change it; "
        f"{len(MISTAKES)} mistakes made on purpose are found"
    )


def looked_up(
    case: Case, chart: pathlib.Path, tools: pathlib.Path, folder: pathlib.Path, helms: tuple
) -> Iterator[str]:
    """What is wrong with a case."""
    values = folder / "values.yaml"
    values.write_text(yaml.safe_dump(case.values))
    with api(case.objects) as url:
        for helm in helms:
            words = (RELEASE, chart, "--namespace", NAMESPACE, "--values", values, "--kube-apiserver", url)
            done = run(tools / helm, "template", *words, *SERVER, "--is-upgrade")
            yield from (f"{case.says}: {helm}: {text}" for text in wrong(case, done.stdout, done.stderr))
            if case.notes:
                # `template` has no notes. What is there is of no release yet.
                done = run(tools / helm, "install", *words, *SERVER, "--take-ownership")
                notes = done.stdout.partition("NOTES:")[2]
                for text in case.notes:
                    if not re.search(text, notes, re.DOTALL):
                        yield f"{case.says}: {helm}: the notes don't say /{text}/: {done.stderr.strip()}{notes}"


def self_test(tools: pathlib.Path | None, folder: pathlib.Path) -> Problems:
    """Each mistake in a copy of the chart must be found by its case."""
    if not tools or not (tools / HELMS[0]).exists():
        return []
    problems, cases = [], {case.says: case for case in CASES}
    for number, mistake in enumerate(MISTAKES):
        chart = folder / f"broken-{number}"
        shutil.copytree(CHART, chart)
        template = chart / "templates" / mistake.template
        if mistake.text not in (before := template.read_text()):
            problems.append(f"{mistake.template}: has no {mistake.text!r}, in which {mistake.says} would be made")
            continue
        template.write_text(before.replace(mistake.text, mistake.instead))
        found = [*looked_up(cases[mistake.case], chart, tools, folder, HELMS[:1])]
        if not found:
            problems.append(f"the check lookups does not find: {mistake.says}, by {mistake.case!r}")
    return problems


def wrong(case: Case, rendered: str, error: str) -> Iterator[str]:
    if case.refuses:
        if not re.search(case.refuses, error, re.DOTALL):
            yield f"was not refused by /{case.refuses}/: {error.strip()[:600]}"
        return
    if not rendered:
        yield f"was refused: {error.strip()[:600]}"
        return
    for text in case.renders:
        if not re.search(text, rendered):
            yield f"does not render /{text}/"
    for text in case.lacks:
        if re.search(text, rendered):
            yield f"renders /{text}/"
