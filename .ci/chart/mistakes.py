"""What checks of the chart other than its rules must find."""

from chart.render import RELEASE

# Check, scenario, what is wrong, and how it is made so.
MISTAKES = [
    (
        "kubernetes",
        "minimal",
        "a field that Kubernetes doesn't know",
        lambda rendered: rendered.of_kind("Deployment")[0]["spec"].update(replica=2),
    ),
    (
        "kubernetes",
        "minimal",
        "a field that only the newest Kubernetes knows",
        lambda rendered: rendered.of_kind("Deployment")[0]["spec"]["template"]["spec"].update(hostnameOverride="x"),
    ),
    (
        "kubernetes",
        "minimal",
        "a kind without a schema",
        lambda rendered: rendered.of_kind("Service")[0].update(kind="Sevrice"),
    ),
    (
        "kubernetes",
        "production",
        "a field that an HTTPRoute hasn't",
        lambda rendered: rendered.of_kind("HTTPRoute")[0]["spec"].update(hosts=["a"]),
    ),
    (
        "kubernetes",
        "observability",
        "a ServiceMonitor with a number for a port",
        lambda rendered: rendered.of_kind("ServiceMonitor")[0]["spec"]["endpoints"][0].update(port=9080),
    ),
    (
        "kubernetes",
        "observability",
        "a PrometheusRule with an alert that records",
        lambda rendered: rendered.of_kind("PrometheusRule")[0]["spec"]["groups"][0]["rules"][0].update(record="a:b"),
    ),
    (
        "snapshots",
        "minimal",
        "another text than the snapshot's",
        lambda rendered: rendered.texts.update({"paredao/templates/extra.yaml": "a: 1\n"}),
    ),
    (
        "routes",
        "production",
        "a route that forgets the challenge",
        lambda rendered: rendered.named("HTTPRoute", f"{RELEASE}-ingest")["spec"]["rules"][0]["matches"][0][
            "path"
        ].update(value="/v1/polls/[^/]+/votes"),
    ),
    (
        "acl",
        "minimal",
        "an exporter that may read votes",
        lambda rendered: rendered.named("ConfigMap", f"{RELEASE}-redis")["data"].update(
            {"exporter.acl": "user exporter on resetpass allkeys -@all +info +get"}
        ),
    ),
    (
        "independence",
        "minimal",
        "an object of results that another scale of ingest would change",
        lambda rendered: rendered.named("Deployment", f"{RELEASE}-results")["spec"].update(replicas=9),
    ),
]
