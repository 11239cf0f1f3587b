"""What the values pass on to Kubernetes, and to others, arrives where it should."""

import pathlib
from collections.abc import Iterator

import yaml

from chart.render import Rendered, containers, name_of, pods

from . import SERVICES, breaks, component, pod, rule, workload


def given(rendered: Rendered, path: str, default: object = None) -> object:
    """What the scenario says at this dotted name."""
    found = rendered.values
    for name in path.split("."):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found or default


def place(name: str) -> str:
    """Where the values of a component are."""
    return "redis.embedded" if name == "redis" else name


@rule("a variable is there once in a container, a label once in an object, the nearer of two")
def once(rendered: Rendered) -> Iterator[str]:
    for name, found in pods(rendered):
        for made in containers(found):
            names = [variable["name"] for variable in made.get("env", [])]
            for twice in sorted({one for one in names if names.count(one) > 1}):
                yield f"{name}: {made['name']} has {twice} twice: Helm 4 fails in the middle of an upgrade"
        near = given(rendered, f"{place(component(found))}.podLabels", {})
        wanted = given(rendered, "commonLabels", {}) | near
        if not wanted.items() <= found["metadata"].get("labels", {}).items():
            yield f"{name}: its pods have not all of {wanted}"
        for variable in given(rendered, f"{place(component(found))}.extraEnv", []):
            if variable not in found["spec"]["containers"][0]["env"]:
                yield f"{name}: {variable} is not what its container has"
    for resource in rendered.resources:
        common = given(rendered, "commonLabels", {})
        if "app.kubernetes.io/part-of" in resource["metadata"].get("labels", {}):
            if not common.keys() <= resource["metadata"]["labels"].keys():
                yield f"{name_of(resource)}: has not the labels {sorted(common)}"


@breaks("platform", "a variable of tracing beside the values' own")
def _(rendered):
    pod(rendered, "ingest")["spec"]["containers"][0]["env"].append({"name": "OTEL_TRACES_SAMPLER_ARG", "value": "1"})


@breaks("platform", "a label of all that goes before the pods' own")
def _(rendered):
    pod(rendered, "ingest")["metadata"]["labels"]["team"] = "voting"


@rule("pods have what the values say of them: hosts, DNS, containers, variables, volumes, contexts, annotations")
def of_pods(rendered: Rendered) -> Iterator[str]:
    for name, found in pods(rendered):
        at, spec = place(component(found)), found["spec"]
        for field in ("hostAliases", "dnsConfig", "affinity", "nodeSelector", "tolerations"):
            if given(rendered, f"{at}.{field}") != spec.get(field):
                yield f"{name}: {field} is {spec.get(field)}"
        for value, field in (("extraContainers", "containers"), ("extraInitContainers", "initContainers")):
            for made in given(rendered, f"{at}.{value}", []):
                if made not in spec.get(field, []):
                    yield f"{name}: has no {made['name']} among its {field}"
        for volume in given(rendered, f"{at}.extraVolumes", []):
            if volume not in spec["volumes"]:
                yield f"{name}: has no volume {volume['name']}"
        if given(rendered, f"{at}.extraEnvFrom") != spec["containers"][0].get("envFrom"):
            yield f"{name}: envFrom is {spec['containers'][0].get('envFrom')}"
        context = given(rendered, "podSecurityContext", {}) | given(rendered, f"{at}.podSecurityContext", {})
        if not context.items() <= spec["securityContext"].items():
            yield f"{name}: has not all of the security context {context}"
        extra = given(rendered, "containerSecurityContext", {}) | given(rendered, f"{at}.containerSecurityContext", {})
        for made in containers(found):
            others = given(rendered, f"{at}.extraContainers", []) + given(rendered, f"{at}.extraInitContainers", [])
            is_ours = made["name"] not in {one["name"] for one in others}
            if is_ours and not extra.items() <= made["securityContext"].items():
                yield f"{name}: {made['name']} has not the security context {extra}"
        annotations = given(rendered, f"{at}.podAnnotations", {})
        if not annotations.items() <= found["metadata"].get("annotations", {}).items():
            yield f"{name}: its pods have not the annotations {annotations}"
        registry = given(rendered, "image.registryOfAll")
        for made in containers(found):
            if registry and not made["image"].startswith(f"{registry}/"):
                yield f"{name}: {made['name']} comes from {made['image']}, not from {registry}"


@breaks("platform", "a pod that doesn't know its hosts")
def _(rendered):
    del pod(rendered, "redis")["spec"]["hostAliases"]


@breaks("platform", "a service without its sidecar")
def _(rendered):
    pod(rendered, "results")["spec"]["containers"].pop()


@breaks("platform", "a Redis without its init container")
def _(rendered):
    pod(rendered, "redis")["spec"]["initContainers"].pop(0)


@breaks("platform", "a service without the variables of a ConfigMap")
def _(rendered):
    del pod(rendered, "ingest")["spec"]["containers"][0]["envFrom"]


@breaks("platform", "a hook without its own DNS")
def _(rendered):
    rendered.of_kind("Job")[0]["spec"]["template"]["spec"]["dnsConfig"] = {}


@breaks("platform", "a container without the values' context")
def _(rendered):
    del pod(rendered, "redis")["spec"]["containers"][0]["securityContext"]["appArmorProfile"]


@breaks("platform", "a service with the pods' context of all in place of its own")
def _(rendered):
    pod(rendered, "ingest")["spec"]["securityContext"]["seLinuxOptions"] = {"level": "s0:c123,c456"}


@breaks("platform", "a hook without the pods' context of all")
def _(rendered):
    del rendered.of_kind("Job")[0]["spec"]["template"]["spec"]["securityContext"]["seLinuxOptions"]


@breaks("platform", "an init container of Redis without its own context")
def _(rendered):
    made = next(one for one in pod(rendered, "redis")["spec"]["initContainers"] if one["name"] == "render-acl")
    del made["securityContext"]["seLinuxOptions"]


@breaks("platform", "a Redis of another registry")
def _(rendered):
    pod(rendered, "redis")["spec"]["containers"][0]["image"] = "registry.example.com/library/valkey:8.1-alpine"


@breaks("vault", "a service whose agent isn't asked for")
def _(rendered):
    del pod(rendered, "ingest")["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"]


@rule("objects have the labels and annotations that the values give them")
def of_objects(rendered: Rendered) -> Iterator[str]:
    for resource in rendered.resources:
        name = component(resource)
        at = {
            "Deployment": name,
            "StatefulSet": "redis.embedded",
            "Service": f"{place(name)}.service",
            "ServiceAccount": f"{place(name)}.serviceAccount",
            "Ingress": f"{name}.ingress",
            "HTTPRoute": f"{name}.httpRoute",
        }.get(resource["kind"])
        is_admin = resource["metadata"].get("labels", {}).get("paredao/service") == "admin"
        for field in ("labels", "annotations") if at and not is_admin else ():
            wanted = given(rendered, f"{at}.{field}", {})
            if not wanted.items() <= resource["metadata"].get(field, {}).items():
                yield f"{name_of(resource)}: has not the {field} {wanted}"
        for claim in resource["spec"].get("volumeClaimTemplates", []) if resource["kind"] == "StatefulSet" else ():
            for field in ("labels", "annotations"):
                wanted = given(rendered, f"redis.embedded.persistence.{field}", {})
                if not wanted.items() <= claim["metadata"].get(field, {}).items():
                    yield f"{name_of(resource)}: its claim has not the {field} {wanted}"
        if resource["kind"] == "Service":
            for field in ("ipFamilyPolicy", "ipFamilies"):
                if given(rendered, field) != resource["spec"].get(field):
                    yield f"{name_of(resource)}: {field} is {resource['spec'].get(field)}"
    for extra in given(rendered, "extraObjects", []):
        found = rendered.named(extra["kind"], extra["metadata"]["name"])
        if not found or "{{" in str(found):
            yield f"{extra['kind']}/{extra['metadata']['name']}: of extraObjects, is not rendered"


@breaks("platform", "a Service without its label")
def _(rendered):
    del rendered.named("Service", f"{rendered.prefix}-redis-headless")["metadata"]["labels"]["exposed"]


@breaks("platform", "a StatefulSet without its annotation")
def _(rendered):
    del workload(rendered, "redis")["metadata"]["annotations"]


@breaks("platform", "an account without its label")
def _(rendered):
    del rendered.named("ServiceAccount", f"{rendered.prefix}-redis")["metadata"]["labels"]["kind"]


@breaks("platform", "an Ingress without its label")
def _(rendered):
    del rendered.of_kind("Ingress")[0]["metadata"]["labels"]["exposed"]


@breaks("observability", "a claim without its annotation")
def _(rendered):
    del workload(rendered, "redis")["spec"]["volumeClaimTemplates"][0]["metadata"]["annotations"]


@breaks("platform", "a Service of one family")
def _(rendered):
    rendered.named("Service", f"{rendered.prefix}-redis")["spec"]["ipFamilies"] = ["IPv4"]


@breaks("platform", "an object that isn't rendered")
def _(rendered):
    rendered.resources.remove(rendered.named("ConfigMap", "platform-env"))


@rule("the claim that the values name is Redis' volume, and no other is made")
def existing_claim(rendered: Rendered) -> Iterator[str]:
    for one in rendered.of_kind("StatefulSet"):
        claim = given(rendered, "redis.embedded.persistence.existingClaim")
        mounted = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in one["spec"]["template"]["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        if mounted != [claim] * bool(claim) or (claim and "volumeClaimTemplates" in one["spec"]):
            yield f"{name_of(one)}: mounts the claims {mounted}, not {claim}"
        if one["spec"]["podManagementPolicy"] != "Parallel":
            yield f"{name_of(one)}: a pod that never became ready would stay for ever"
    for secret in rendered.of_kind("Secret"):
        if component(secret) == "redis" and secret.get("immutable") is not True:
            yield f"{name_of(secret)}: rendered without a cluster, it would get a password that Redis doesn't know"


@breaks("platform", "a volume that goes with the pod")
def _(rendered):
    volumes = pod(rendered, "redis")["spec"]["volumes"]
    next(found for found in volumes if found["name"] == "data").pop("persistentVolumeClaim")


@breaks("minimal", "a Redis that can't be rolled back")
def _(rendered):
    workload(rendered, "redis")["spec"]["podManagementPolicy"] = "OrderedReady"


@breaks("minimal", "a password that the next rendering replaces")
def _(rendered):
    del rendered.of_kind("Secret")[0]["immutable"]


@rule("the volume that the values name is where ingest leaves accepted votes, and it can write there")
def spill(rendered: Rendered) -> Iterator[str]:
    found = pod(rendered, "ingest")["spec"]
    volumes = {volume["name"]: {**volume} for volume in found["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in found["containers"][0]["volumeMounts"]}
    settings = rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]["settings.yaml"]
    directory = yaml.safe_load(settings).get("spill", {}).get("dir")
    if bool(directory) != given(rendered, "ingest.spill", {}).get("enabled", True):
        yield f"ingest: spill.dir is {directory}, against ingest.spill.enabled"
    if not directory:
        return
    stays = given(rendered, "ingest.spill.existingClaim") or given(rendered, "ingest.spill.volume")
    if not stays and not yaml.safe_load(settings)["spill"].get("to_log"):
        yield "ingest: what is left goes with the pod, and is not in the log"
    mount = mounts.get(directory, {})
    if not mount or mount.get("readOnly"):
        yield f"ingest: spill.dir is {directory}, where it can't write: mounted are {sorted(mounts)}"
        return
    volume = volumes[mount["name"]]
    del volume["name"]
    claim, other = given(rendered, "ingest.spill.existingClaim"), given(rendered, "ingest.spill.volume")
    wanted = {"persistentVolumeClaim": {"claimName": claim}} if claim else other
    if wanted and volume != wanted:
        yield f"ingest: accepted votes are left on {volume}, not on {wanted}"


@breaks("production", "accepted votes that go with the pod")
def _(rendered):
    volumes = pod(rendered, "ingest")["spec"]["volumes"]
    volume = next(found for found in volumes if found["name"] == "spill")
    volume.pop("persistentVolumeClaim")
    volume["emptyDir"] = {}


@breaks("minimal", "accepted votes that are neither on a volume that stays nor in the log")
def _(rendered):
    data = rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]
    data["settings.yaml"] = data["settings.yaml"].replace("to_log: true", "to_log: false")


@breaks("minimal", "a place that ingest can't write to")
def _(rendered):
    mounts = pod(rendered, "ingest")["spec"]["containers"][0]["volumeMounts"]
    next(found for found in mounts if found["name"] == "spill")["readOnly"] = True


@breaks("minimal", "a directory that is no volume")
def _(rendered):
    mounts = pod(rendered, "ingest")["spec"]["containers"][0]["volumeMounts"]
    mounts.remove(next(found for found in mounts if found["name"] == "spill"))


# Texts of the values that are files of ingest's: the value, and its setting.
FILES = (("carriers", "limits.carriers_file"), ("denyList", "suspicion.deny_list_file"))


@rule("carriers and deny list of the values are in files that ingest reads, and that change in the pod")
def files(rendered: Rendered) -> Iterator[str]:
    settings = rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]["settings.yaml"]
    found = pod(rendered, "ingest")["spec"]
    mounts = {mount["mountPath"]: mount for mount in found["containers"][0]["volumeMounts"]}
    for value, setting in FILES:
        text = given(rendered, f"ingest.{value}", "")
        if not text:
            continue
        section, key = setting.split(".")
        path = pathlib.PurePosixPath(yaml.safe_load(settings).get(section, {}).get(key, ""))
        mount = mounts.get(str(path.parent))
        if mount is None or "subPath" in mount:
            yield f"ingest: {path} is not mounted whole"
            continue
        volume = next(volume for volume in found["volumes"] if volume["name"] == mount["name"])
        file = rendered.named("ConfigMap", volume["configMap"]["name"])["data"].get(path.name, "")
        if file.strip() != text.strip():
            yield f"ingest: {path} is not what the values say"


@breaks("production", "a file of carriers that stays as it was when its pod began")
def _(rendered):
    mounts = pod(rendered, "ingest")["spec"]["containers"][0]["volumeMounts"]
    next(mount for mount in mounts if mount["name"] == "carriers")["subPath"] = "carriers.toml"


@breaks("production", "a deny list that ingest does not find")
def _(rendered):
    mounts = pod(rendered, "ingest")["spec"]["containers"][0]["volumeMounts"]
    mounts.remove(next(mount for mount in mounts if mount["name"] == "deny-list"))


@rule("autoscalers, budgets and spreads are as the values say")
def scaling(rendered: Rendered) -> Iterator[str]:
    for name in SERVICES:
        for one in rendered.of_kind("HorizontalPodAutoscaler"):
            for metric in given(rendered, f"{name}.autoscaling.extraMetrics", []) if component(one) == name else ():
                if metric not in one["spec"]["metrics"]:
                    yield f"{name_of(one)}: does not scale by {metric}"
        for one in rendered.of_kind("PodDisruptionBudget"):
            least = given(rendered, f"{name}.podDisruptionBudget.minAvailable")
            is_it = one["spec"].get("minAvailable") == least and "maxUnavailable" not in one["spec"]
            if component(one) == name and least and not is_it:
                yield f"{name_of(one)}: says {one['spec']}, not minAvailable {least}"
        spreads = pod(rendered, name)["spec"].get("topologySpreadConstraints", [])
        for wanted, found in zip(given(rendered, f"{name}.topologySpread", []), spreads, strict=False):
            lost = {key: value for key, value in wanted.items() if value and found.get(key) != value}
            if lost:
                yield f"{name}: the spread over {wanted['topologyKey']} has lost {lost}"


@breaks("platform", "an autoscaler that looks at the processor alone")
def _(rendered):
    rendered.of_kind("HorizontalPodAutoscaler")[0]["spec"]["metrics"].pop()


@breaks("platform", "a budget with both bounds")
def _(rendered):
    rendered.named("PodDisruptionBudget", f"{rendered.prefix}-ingest")["spec"]["maxUnavailable"] = 1


@breaks("platform", "a spread without its fewest zones")
def _(rendered):
    del pod(rendered, "ingest")["spec"]["topologySpreadConstraints"][0]["minDomains"]


@rule("ways in and monitors are as the values say: hosts, prefixes, filters, times, relabelings")
def ways_in(rendered: Rendered) -> Iterator[str]:
    for one in rendered.of_kind("Ingress"):
        at = f"{component(one)}.ingress"
        if [part["host"] for part in one["spec"]["rules"] if "host" in part] != given(rendered, f"{at}.hosts", []):
            yield f"{name_of(one)}: has not the hosts of the values"
        prefix = given(rendered, f"{at}.pathPrefix", "/")
        for part in one["spec"]["rules"]:
            if any(not path["path"].startswith(prefix) for path in part["http"]["paths"]):
                yield f"{name_of(one)}: its paths don't begin with {prefix}"
    for one in rendered.of_kind("HTTPRoute"):
        at, (only,) = f"{component(one)}.httpRoute", one["spec"]["rules"]
        if only.get("filters") != given(rendered, f"{at}.filters"):
            yield f"{name_of(one)}: its filters are {only.get('filters')}"
        for value, field in (("requestTimeout", "request"), ("backendRequestTimeout", "backendRequest")):
            if only.get("timeouts", {}).get(field) != given(rendered, f"{at}.{value}"):
                yield f"{name_of(one)}: its timeouts are {only.get('timeouts')}"
    for one in rendered.of_kind("ServiceMonitor", "PodMonitor"):
        for endpoint in one["spec"].get("endpoints", []) + one["spec"].get("podMetricsEndpoints", []):
            if endpoint["relabelings"][1:] != given(rendered, "metrics.relabelings", []):
                yield f"{name_of(one)}: relabels by {endpoint['relabelings']}"
            if endpoint.get("metricRelabelings") != given(rendered, "metrics.metricRelabelings"):
                yield f"{name_of(one)}: relabels what is scraped by {endpoint.get('metricRelabelings')}"


@breaks("platform", "an Ingress of one host")
def _(rendered):
    rendered.of_kind("Ingress")[0]["spec"]["rules"][0]["host"] = "a.example.com"


@breaks("platform", "an Ingress of all paths")
def _(rendered):
    rendered.named("Ingress", f"{rendered.prefix}-ingest")["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/"


@breaks("vault", "a route without its filter")
def _(rendered):
    del rendered.of_kind("HTTPRoute")[0]["spec"]["rules"][0]["filters"]


@breaks("vault", "a route without a time of its own")
def _(rendered):
    del rendered.of_kind("HTTPRoute")[0]["spec"]["rules"][0]["timeouts"]["backendRequest"]


@breaks("vault", "a monitor that relabels nothing")
def _(rendered):
    del rendered.of_kind("PodMonitor")[0]["spec"]["podMetricsEndpoints"][0]["metricRelabelings"]


@rule("Redis' users come with the names and passwords of the Secrets and files that the values name")
def users(rendered: Rendered) -> Iterator[str]:
    for name, found in pods(rendered):
        who = component(found)
        user = given(rendered, f"redis.users.{who}", {})
        variables = {one["name"]: one for one in found["spec"]["containers"][0].get("env", [])}
        source = variables.get("VOTE__REDIS__USERNAME", {}).get("valueFrom")
        key = user.get("nameKey")
        if key and source != {"secretKeyRef": {"name": user["existingSecret"], "key": key}}:
            yield f"{name}: takes its user's name from {source}"
        files = {"url_file": given(rendered, "redis.external.urlFile"), "username_file": user.get("nameFile")}
        files = {key: path for key, path in (files | {"password_file": user.get("passwordFile")}).items() if path}
        mounts = found["spec"]["containers"][0].get("volumeMounts", [])
        for key, path in files.items():
            if not any(path.startswith(f"{mount['mountPath']}/") for mount in mounts):
                yield f"{name}: nothing mounts {path}"
            if who in SERVICES:
                settings = rendered.named("ConfigMap", f"{rendered.prefix}-{who}")["data"]["settings.yaml"]
                has = yaml.safe_load(settings)["redis"]
                read = has.get(key)
            else:
                has = {one.removeprefix("VOTE__REDIS__").lower() for one in variables}
                read = variables.get(f"VOTE__REDIS__{key.upper()}", {}).get("value")
            if read != path:
                yield f"{name}: reads {key} from {read}, not from {path}"
            if key.removesuffix("_file") in has:
                yield f"{name}: has {key.removesuffix('_file')} beside its file"


@breaks("vault", "a service that reads no file")
def _(rendered):
    data = rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]
    data["settings.yaml"] = data["settings.yaml"].replace("/vault/secrets", "/etc/paredao")


@breaks("files", "a service that reads the URL from elsewhere")
def _(rendered):
    data = rendered.named("ConfigMap", f"{rendered.prefix}-results")["data"]
    data["settings.yaml"] = data["settings.yaml"].replace("/mnt/redis/url", "/mnt/redis/address")


@breaks("files", "a service with a name beside its file")
def _(rendered):
    data = rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]
    data["settings.yaml"] = data["settings.yaml"].replace("  url_file:", "  username: vote-ingest\n  url_file:")


@breaks("files", "a test that mounts no volume")
def _(rendered):
    rendered.named("Pod", f"{rendered.prefix}-votectl-test")["spec"]["containers"][0]["volumeMounts"] = []


@breaks("external-cluster", "a service with a name of its own")
def _(rendered):
    env = pod(rendered, "ingest")["spec"]["containers"][0]["env"]
    env[:] = [one for one in env if one["name"] != "VOTE__REDIS__USERNAME"]
