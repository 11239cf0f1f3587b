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
    (
        "sizing",
        "preset-20k",
        "a preset with a pod too few",
        lambda rendered: rendered.named("HorizontalPodAutoscaler", f"{RELEASE}-ingest")["spec"].update(minReplicas=2),
    ),
    (
        "sizing",
        "preset-60k",
        "a preset whose autoscaler would be too much for Redis",
        lambda rendered: rendered.named("HorizontalPodAutoscaler", f"{RELEASE}-ingest")["spec"].update(maxReplicas=40),
    ),
    (
        "sizing",
        "preset-2k",
        "a preset with another memory than the page says",
        lambda rendered: rendered.of_kind("StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]["resources"][
            "limits"
        ].update(memory="2Gi"),
    ),
    (
        "sizing",
        "preset-2k",
        "a Redis without room for the keys",
        lambda rendered: rendered.named("ConfigMap", f"{RELEASE}-redis")["data"].update(
            {
                "redis.conf": rendered.named("ConfigMap", f"{RELEASE}-redis")["data"]["redis.conf"].replace(
                    "512mb", "32mb"
                )
            }
        ),
    ),
    (
        "sizing",
        "preset-60k",
        "a poll with other shards than the page says",
        lambda rendered: rendered.values["polls"][0].update(shards=12),
    ),
]


def named(kind: str, **fields: object):
    """A change of the metadata of the first object of that kind."""
    return lambda rendered: rendered.of_kind(kind)[0]["metadata"].update(fields)


# Of the check of names: release, scenario, what is wrong, and how it is made so.
LONG = "a" * 53
MISTAKES_OF_NAMES = [
    (LONG, "minimal", "a Service of 64 characters", named("Service", name="a" * 64)),
    ("show.2026", "minimal", "a Service with a dot", named("Service", name="show.2026-paredao-ingest")),
    ("paredao.live", "minimal", "a Service that begins with a digit", named("Service", name="2026-paredao-ingest")),
    (LONG, "minimal", "a Deployment whose pods' labels would be too long", named("Deployment", name="a" * 53)),
    (LONG, "minimal", "a StatefulSet whose pods' labels would be too long", named("StatefulSet", name="a" * 53)),
    (LONG, "observability", "a Job with a name that ends in a dash", named("Job", name="paredao-")),
    (LONG, "platform", "a label of 64 characters", named("Job", labels={"app.kubernetes.io/instance": "a" * 64})),
    ("show.2026", "platform", "a label that ends in a dot", named("Job", labels={"app.kubernetes.io/name": "show."})),
]
