"""Objects and how they refer to each other."""

from collections.abc import Iterator

from chart.render import NAMESPACE, Rendered, containers, matches, name_of, pods

from . import SERVICES, breaks, component, pod, port_names, rule, selected, workload


@rule("every object has our labels, the release's namespace and a name of its own")
def objects(rendered: Rendered) -> Iterator[str]:
    seen = set()
    for resource in rendered.resources:
        name, metadata = name_of(resource), resource["metadata"]
        if name in seen:
            yield f"{name} is there twice: names must differ by component"
        seen.add(name)
        if any(metadata["name"] == one["metadata"]["name"] for one in rendered.values.get("extraObjects", [])):
            continue
        if metadata.get("namespace") != NAMESPACE:
            yield f"{name}: metadata.namespace is {metadata.get('namespace')}, not the release's ({NAMESPACE})"
        for label in ("name", "instance", "component", "part-of", "managed-by", "version"):
            if f"app.kubernetes.io/{label}" not in metadata.get("labels", {}):
                yield f"{name}: the label app.kubernetes.io/{label} is missing: include paredao.labels"
        if len(metadata["name"]) > 63:
            yield f"{name}: longer than the 63 characters of a label"


@breaks("minimal", "a second Service of the same name")
def _(rendered):
    rendered.resources.append(rendered.of_kind("Service")[0])


@breaks("minimal", "an object without the label of its component")
def _(rendered):
    del rendered.of_kind("ServiceAccount")[0]["metadata"]["labels"]["app.kubernetes.io/component"]


@rule("selectors select the pods of one workload: Deployments, Services, budgets, spreads, monitors, autoscalers")
def selectors(rendered: Rendered) -> Iterator[str]:
    for resource in rendered.of_kind("Deployment", "StatefulSet"):
        labels = resource["spec"]["template"]["metadata"]["labels"]
        if not matches(resource["spec"]["selector"], labels):
            yield f"{name_of(resource)}: spec.selector doesn't select its own pods, whose labels are {labels}"
        for spread in resource["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], labels):
                yield f"{name_of(resource)}: a topologySpreadConstraint doesn't select its own pods"
    for resource in rendered.of_kind("Service", "PodDisruptionBudget", "PodMonitor"):
        spec = resource["spec"]
        selector = {"matchLabels": spec["selector"]} if resource["kind"] == "Service" else spec["selector"]
        found = [name for name, _ in selected(rendered, selector)]
        wanted = name_of(workload(rendered, component(resource)))
        if found != [wanted]:
            yield f"{name_of(resource)}: selects the pods of {found or 'nobody'}, not just those of {wanted}"
    for resource in rendered.of_kind("ServiceMonitor"):
        services = [
            service
            for service in rendered.of_kind("Service")
            if matches(resource["spec"]["selector"], service["metadata"]["labels"])
        ]
        if len(services) != 1:
            yield f"{name_of(resource)}: selects {[name_of(found) for found in services]}, not one Service"
        for endpoint in resource["spec"]["endpoints"]:
            if not any(port["name"] == endpoint["port"] for service in services for port in service["spec"]["ports"]):
                yield f"{name_of(resource)}: no Service that it selects has a port {endpoint['port']}"
    for resource in rendered.of_kind("HorizontalPodAutoscaler"):
        target = resource["spec"]["scaleTargetRef"]
        deployment = rendered.named(target["kind"], target["name"])
        if not deployment:
            yield f"{name_of(resource)}: there is no {target['kind']}/{target['name']} to scale"
        elif "replicas" in deployment["spec"]:
            yield f"{name_of(deployment)}: sets replicas, which every upgrade would give back from its autoscaler"


@breaks("minimal", "a Deployment whose pods have another label")
def _(rendered):
    pod(rendered, "ingest")["metadata"]["labels"]["app.kubernetes.io/component"] = "other"


@breaks("minimal", "a Service that selects both services")
def _(rendered):
    del rendered.named("Service", f"{rendered.prefix}-ingest")["spec"]["selector"]["app.kubernetes.io/component"]


@breaks("observability", "a ServiceMonitor of a port that no Service has")
def _(rendered):
    rendered.of_kind("ServiceMonitor")[0]["spec"]["endpoints"][0]["port"] = "metrics"


@breaks("production", "replicas beside an autoscaler")
def _(rendered):
    workload(rendered, "ingest")["spec"]["replicas"] = 3


@rule("ports named by Services, probes, routes and monitors are ports of the containers")
def ports(rendered: Rendered) -> Iterator[str]:
    for service in rendered.of_kind("Service"):
        for _, found in selected(rendered, {"matchLabels": service["spec"]["selector"]}):
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in port_names(found):
                    yield f"{name_of(service)}: its pods have no port {port['targetPort']}, only {[*port_names(found)]}"
    for name, found in pods(rendered):
        for made in containers(found):
            own = {port["name"] for port in made.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = made.get(probe, {}).get("httpGet", {}).get("port")
                if port is not None and port not in own:
                    yield f"{name}: {probe} of {made['name']} asks port {port}, which it hasn't: {sorted(own)}"
    for monitor in rendered.of_kind("PodMonitor"):
        for _, found in selected(rendered, monitor["spec"]["selector"]):
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                if endpoint["port"] not in port_names(found):
                    yield f"{name_of(monitor)}: its pods have no port {endpoint['port']}"
    backends = []
    for route in rendered.of_kind("HTTPRoute"):
        for backend in (backend for part in route["spec"]["rules"] for backend in part["backendRefs"]):
            backends.append((route, backend["name"], "port", backend["port"]))
    for ingress in rendered.of_kind("Ingress"):
        for path in (path for part in ingress["spec"]["rules"] for path in part["http"]["paths"]):
            service = path["backend"]["service"]
            backends.append((ingress, service["name"], "name", service["port"]["name"]))
    for route, name, field, value in backends:
        service = rendered.named("Service", name)
        if not service or all(port[field] != value for port in service["spec"]["ports"]):
            yield f"{name_of(route)}: there is no Service/{name} with a port whose {field} is {value}"
        if component(route) and name != f"{rendered.prefix}-{component(route)}":
            yield f"{name_of(route)}: leads to {name}, not to its own service"


@breaks("minimal", "a Service of a port that no container has")
def _(rendered):
    rendered.of_kind("Service")[0]["spec"]["ports"][0]["targetPort"] = "web"


@breaks("minimal", "a probe of a port that no container has")
def _(rendered):
    pod(rendered, "results")["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] = "health"


@breaks("production", "a route of votes to results")
def _(rendered):
    route = rendered.named("HTTPRoute", f"{rendered.prefix}-ingest")
    route["spec"]["rules"][0]["backendRefs"][0]["name"] = f"{rendered.prefix}-results"


@breaks("external-cluster", "an Ingress of a port that no Service has")
def _(rendered):
    rendered.of_kind("Ingress")[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["name"] = "web"


@rule("what pods mount and refer to is there: volumes, ConfigMaps, Secrets, accounts")
def references(rendered: Rendered) -> Iterator[str]:
    given = set(strings(rendered.values))
    claims = {
        claim["metadata"]["name"]
        for one in rendered.of_kind("StatefulSet")
        for claim in one["spec"].get("volumeClaimTemplates", [])
    }
    for name, found in pods(rendered):
        volumes = {volume["name"] for volume in found["spec"].get("volumes", [])}
        volumes |= claims if name.startswith("StatefulSet/") else set()
        for made in containers(found):
            for mount in made.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{name}: {made['name']} mounts the volume {mount['name']}, which the pod hasn't"
        for kind, wanted in referred(found):
            if (
                not rendered.named(kind, wanted)
                and wanted not in given
                and (kind, wanted) != ("ServiceAccount", "default")
            ):
                yield f"{name}: refers to {kind}/{wanted}, which neither the chart nor the values have"


@breaks("minimal", "a pod without the ConfigMap of its settings")
def _(rendered):
    rendered.resources.remove(rendered.named("ConfigMap", f"{rendered.prefix}-results"))


@breaks("observability", "a mount of a volume that isn't there")
def _(rendered):
    pod(rendered, "ingest")["spec"]["volumes"].pop()


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def referred(found: dict) -> Iterator[tuple[str, str]]:
    """Kind and name of what a pod refers to."""
    spec = found["spec"]
    yield "ServiceAccount", spec["serviceAccountName"]
    for volume in spec.get("volumes", []):
        sources = [volume, *volume.get("projected", {}).get("sources", [])]
        for source in sources:
            if "configMap" in source:
                yield "ConfigMap", source["configMap"]["name"]
            if "secret" in source:
                secret = source["secret"]
                yield "Secret", secret.get("secretName") or secret["name"]
    for made in containers(found):
        for variable in made.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                yield "Secret", source["secretKeyRef"]["name"]
            if "configMapKeyRef" in source:
                yield "ConfigMap", source["configMapKeyRef"]["name"]


@rule("ingest and results share no object that the chart makes")
def nothing_shared(rendered: Rendered) -> Iterator[str]:
    made = {(found["kind"], found["metadata"]["name"]) for found in rendered.resources}
    ingest, results = (set(referred(pod(rendered, name))) & made for name in SERVICES)
    for kind, name in sorted(ingest & results):
        yield f"{kind}/{name} is used by ingest and by results: a change of one would touch the other"


@breaks("minimal", "results with the settings of ingest")
def _(rendered):
    pod(rendered, "results")["spec"]["volumes"][0]["configMap"]["name"] = f"{rendered.prefix}-ingest"
