"""The policy that every rendered Kustomize directory must keep: see findings().

Usage: manifests.py FILE...    one line per finding, exit 1 if there is any
"""

import re
import sys
import tomllib

import yaml

PORT = 9464
LIVE, READY = "/live", "/ready"
COMMANDS = {"run", "backfill", "migrate", "maintain", "status", "check-config"}
# What another attempt cannot cure: usage, bug, protocol, permission, configuration. 69 and 75 are worth one.
FINAL_EXIT_CODES = {2, 70, 76, 77, 78}
SECRET_KEYS = {"asset-indexer": {"database_url", "rpc_url"}, "asset-indexer-owner": {"admin_database_url"}}
SECRET_DIRECTORY = "/run/secrets/asset-indexer"
FIXED_IDS = {"runAsUser", "runAsGroup", "fsGroup"}
CONFIG_SECTIONS = {"database", "rpc", "http", "chain", "contract"}
SECRET_LITERAL = re.compile(
    r"\w+://[^/\s:@]+:[^/\s@]+@"
    r"|(?i:api[_-]?key|password|secret|token)\w*\s*[=:]\s*[\"']?[\w-]{8,}"
)


def load(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def named(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def scheduled(documents):
    """The Job that each CronJob makes, under the CronJob's name."""
    for cron in named(documents, "CronJob"):
        yield {"kind": "CronJob", "metadata": cron["metadata"], "spec": cron["spec"]["jobTemplate"]["spec"]}


def workloads(documents):
    return named(documents, "Deployment") + named(documents, "Job") + list(scheduled(documents))


def findings(documents):
    """Everything wrong with one rendered directory, as sentences."""
    found = []
    for rule in (no_secrets, one_namespace, config_maps, deployments, jobs, schedules, networks, services, budgets, monitors):
        found += rule(documents)
    for workload in workloads(documents):
        place = f"{workload['kind']} {workload['metadata']['name']}"
        for rule in (restricted, ranges, sources, resources, environment):
            found += [f"{place}: {text}" for text in rule(workload, documents)]
    return found


def no_secrets(documents):
    for document in documents:
        place = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"] == "Secret":
            yield f"{place}: a Secret in the tree; it belongs to the cluster's secret store"
        for text in strings(document):
            if match := SECRET_LITERAL.search(text):
                yield f"{place}: looks like a secret literal: {match.group(0)[:12]}…"


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def one_namespace(documents):
    spaces = {document["metadata"].get("namespace") for document in documents}
    if len(spaces) > 1:
        yield f"resources are spread over namespaces {sorted(map(str, spaces))}; give one to all or to none"


def config_maps(documents):
    for config in named(documents, "ConfigMap"):
        text = config.get("data", {}).get("config.toml")
        if text is None:
            continue
        try:
            sections = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            yield f"config.toml does not parse: {error}"
            continue
        if unknown := sections.keys() - CONFIG_SECTIONS:
            yield f"config.toml has unknown sections {sorted(unknown)}"
        if "url" in sections.get("database", {}) or "url" in sections.get("rpc", {}):
            yield "config.toml holds a URL that may carry a password; it comes from a file"
        for section, key in (("database", "allow_unverified"), ("rpc", "allow_link_local")):
            if sections.get(section, {}).get(key):
                yield f"config.toml makes an exception: {section}.{key}"
        if not isinstance(sections.get("chain", {}).get("id"), int):
            yield "config.toml names no chain id"
        for contract in sections.get("contract", []):
            if contract.keys() != {"role", "address", "start_block"}:
                yield f"config.toml has a contract with the keys {sorted(contract)}"
            elif not re.fullmatch(r"0x[0-9a-fA-F]{40}", contract["address"]):
                yield f"config.toml has a contract at {contract['address']}, which is no address"


def deployments(documents):
    for deployment in named(documents, "Deployment"):
        spec = deployment["spec"]
        pod = spec["template"]["spec"]
        container = pod["containers"][0]
        labels = spec["template"]["metadata"]["labels"]
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        if ports != {"http": PORT}:
            yield f"the container offers {ports}, the binary serves everything on {PORT}"
        for probe, path in (("startupProbe", LIVE), ("livenessProbe", LIVE), ("readinessProbe", READY)):
            request = container.get(probe, {}).get("httpGet", {})
            if (request.get("path"), request.get("port")) != (path, "http"):
                yield f"{probe} asks {request.get('path')} on {request.get('port')} instead of {path} on http"
        if not spec["selector"]["matchLabels"].items() <= labels.items():
            yield "the Deployment does not select its own pods"
        if pod.get("terminationGracePeriodSeconds", 30) < 60:
            yield "terminationGracePeriodSeconds is below 60: a long commit would be killed"
        strategy = spec["strategy"]
        if spec["replicas"] == 1 and strategy != {"type": "Recreate"}:
            yield "one replica without Recreate"
        if spec["replicas"] > 1 and strategy.get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield "a rolling update may take both replicas down"
        annotations = spec["template"]["metadata"].get("annotations", {})
        if named(documents, "PodMonitor") and any(key.startswith("prometheus.io/") for key in annotations):
            yield "scraped twice: by annotation and by PodMonitor"
        if annotations.get("prometheus.io/port", str(PORT)) != str(PORT):
            yield "the scrape annotation names another port"


def schedules(documents):
    for cron in named(documents, "CronJob"):
        name, spec = cron["metadata"]["name"], cron["spec"]
        if spec.get("concurrencyPolicy") != "Forbid":
            yield f"{name}: two could run at once"
        if not spec.get("timeZone"):
            yield f"{name}: its time depends on where the control plane is"
        # From 100 missed starts on, a CronJob without a deadline starts no more.
        if not spec.get("startingDeadlineSeconds"):
            yield f"{name}: without a deadline it may stop for good"
        # What is deleted or archived is ordered by people, who know where the archives go.
        if "--apply" in spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].get("args", []):
            yield f"{name}: changes things unattended"


def jobs(documents):
    for job in named(documents, "Job") + list(scheduled(documents)):
        name, spec = job["metadata"]["name"], job["spec"]
        pod = spec["template"]["spec"]
        if pod.get("restartPolicy") != "Never":
            yield f"{name}: restartPolicy must be Never, or podFailurePolicy sees no exit code"
        rules = spec.get("podFailurePolicy", {}).get("rules", [])
        codes, ignored = set(), False
        for rule in rules:
            exits = rule.get("onExitCodes", {})
            if rule["action"] == "FailJob" and exits.get("operator") == "In":
                codes |= set(exits["values"])
                if exits.get("containerName") not in {container["name"] for container in pod["containers"]}:
                    yield f"{name}: podFailurePolicy names a container that is not there"
            conditions = [condition["type"] for condition in rule.get("onPodConditions", [])]
            ignored |= rule["action"] == "Ignore" and "DisruptionTarget" in conditions
        if codes != FINAL_EXIT_CODES:
            yield f"{name}: podFailurePolicy gives up on {sorted(codes)} instead of {sorted(FINAL_EXIT_CODES)}"
        if not ignored:
            yield f"{name}: a drained node counts as a failure"
        for deployment in named(documents, "Deployment"):
            if deployment["spec"]["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items():
                yield f"{name}: the Deployment would adopt the Job's pods"


def networks(documents):
    policies = named(documents, "NetworkPolicy")
    for workload in workloads(documents):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        if not any(policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items() for policy in policies):
            yield f"{workload['kind']} {workload['metadata']['name']} is under no NetworkPolicy"
    for policy in policies:
        spec = policy["spec"]
        if set(spec["policyTypes"]) != {"Ingress", "Egress"}:
            yield "the NetworkPolicy leaves a direction open"
        for rule in spec["ingress"]:
            if [port["port"] for port in rule.get("ports", [])] != ["http"] or not rule.get("from"):
                yield "ingress is open to more than the metrics port of named namespaces"
            for peer in rule.get("from", []):
                if not peer.get("namespaceSelector", {}).get("matchLabels"):
                    yield "ingress is open to every namespace"
        allowed = {port["port"] for rule in spec["egress"] for port in rule.get("ports", [])}
        if any(not rule.get("ports") for rule in spec["egress"]) or not allowed <= {53, 5353, 5432, 443, 8545, 8546}:
            yield f"egress goes further than DNS, PostgreSQL and nodes: {sorted(allowed)}"
        if not {53, 5432, 443, 8545, 8546} <= allowed:
            yield f"egress misses DNS, PostgreSQL or nodes: {sorted(allowed)}"
        for rule in spec["egress"]:
            for block in (peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer):
                if block["cidr"] == "0.0.0.0/0" and "169.254.0.0/16" not in block.get("except", []):
                    yield "egress reaches the cloud's metadata address"


def services(documents):
    for service in named(documents, "Service"):
        spec = service["spec"]
        if spec.get("type", "ClusterIP") != "ClusterIP":
            yield "the Service is reachable from outside the cluster"
        if [(port["port"], port["targetPort"]) for port in spec["ports"]] != [(PORT, "http")]:
            yield f"the Service's port is not {PORT} to http"
        yield from selects_pods("Service", spec["selector"], documents)


def budgets(documents):
    budget = named(documents, "PodDisruptionBudget")
    if named(documents, "Deployment") and not budget:
        yield "no PodDisruptionBudget"
    for document in budget:
        if document["spec"].get("maxUnavailable") != 1 or "minAvailable" in document["spec"]:
            yield "the PodDisruptionBudget can block a node drain"
        yield from selects_pods("PodDisruptionBudget", document["spec"]["selector"]["matchLabels"], documents)


def monitors(documents):
    for monitor in named(documents, "PodMonitor"):
        spec = monitor["spec"]
        if unknown := spec.keys() - {"jobLabel", "selector", "podMetricsEndpoints"}:
            yield f"PodMonitor has keys that nobody checked: {sorted(unknown)}"
        ends = [(end.get("port"), end.get("path")) for end in spec["podMetricsEndpoints"]]
        if ends != [("http", "/metrics")]:
            yield f"PodMonitor scrapes {ends}"
        if spec.get("jobLabel") != "app.kubernetes.io/name":
            yield "PodMonitor's job is not the one that the rules know"
        yield from selects_pods("PodMonitor", spec["selector"]["matchLabels"], documents)


def selects_pods(what, selector, documents):
    for deployment in named(documents, "Deployment"):
        if not selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items():
            yield f"{what} does not select the Deployment's pods"


def restricted(workload, documents):
    """Pod Security Standard "restricted", and a read-only root."""
    pod = workload["spec"]["template"]["spec"]
    security = pod.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        yield "shares a namespace of the host"
    if pod.get("automountServiceAccountToken") is not False:
        yield "mounts a service account token"
    accounts = {account["metadata"]["name"]: account for account in named(documents, "ServiceAccount")}
    if accounts.get(pod.get("serviceAccountName"), {}).get("automountServiceAccountToken") is not False:
        yield "has no service account of its own without a token"
    if pod.get("initContainers") or len(pod["containers"]) != 1:
        yield "has more containers than the policy knows"
    context = pod["containers"][0].get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain privileges"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "has a writable root"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "may run as root"
    for volume in pod.get("volumes", []):
        if not volume.keys() - {"name"} <= {"configMap", "secret", "emptyDir", "projected", "csi"}:
            yield f"mounts a volume that is not allowed: {volume['name']}"


def is_openshift(documents):
    """Whether a rendering is for OpenShift: only there DNS is in this namespace."""
    peers = [peer for policy in named(documents, "NetworkPolicy") for rule in policy["spec"].get("egress") or []
             for peer in rule.get("to", [])]
    spaces = [peer.get("namespaceSelector", {}).get("matchLabels", {}) for peer in peers]
    return any(space.get("kubernetes.io/metadata.name") == "openshift-dns" for space in spaces)


def ranges(workload, documents):
    """OpenShift gives a pod its ids out of the namespace's range, and does not admit one that asks for others."""
    if not is_openshift(documents):
        return
    pod = workload["spec"]["template"]["spec"]
    places = [("the pod", pod)] + [(f"container {container['name']}", container) for container in pod["containers"]]
    for place, owner in places:
        for key in sorted(FIXED_IDS & owner.get("securityContext", {}).keys()):
            yield f"{place} asks for a {key} of its own, which OpenShift refuses"


def sources(workload, documents):
    """Image, ConfigMaps and Secrets are named so that the cluster finds them and a rollback is one."""
    pod = workload["spec"]["template"]["spec"]
    container = pod["containers"][0]
    if not re.search(r":[0-9][\w.-]*$|@sha256:[0-9a-f]{64}$", container["image"]):
        yield f"image {container['image']} has no version"
    present = {config["metadata"]["name"] for config in named(documents, "ConfigMap")}
    wanted = {volume["configMap"]["name"] for volume in pod.get("volumes", []) if "configMap" in volume}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            yield f"{variable['name']} comes from a Secret as an environment variable, not as a file"
        if "configMapKeyRef" in source:
            wanted.add(source["configMapKeyRef"]["name"])
    for name in sorted(wanted - present):
        yield f"wants ConfigMap {name}, which is not rendered"
    if container.get("envFrom"):
        yield "takes its environment from somewhere as a whole"
    for volume in (volume["secret"] for volume in pod.get("volumes", []) if "secret" in volume):
        if volume["secretName"] not in SECRET_KEYS or volume.get("optional"):
            yield f"Secret {volume['secretName']} is unknown or optional"
        elif volume.get("defaultMode", 0o644) & 0o037:
            yield "secret files are readable by others"


def resources(workload, _documents):
    declared = workload["spec"]["template"]["spec"]["containers"][0].get("resources", {})
    if declared.get("requests") != {"cpu": "100m", "memory": "128Mi"}:
        yield f"requests {declared.get('requests')}"
    if declared.get("limits") != {"memory": "512Mi"}:
        yield f"limits {declared.get('limits')}; memory only, a CPU limit throttles the lease holder"


def environment(workload, _documents):
    """Arguments and environment are those that the binary knows, and its secrets are files that are mounted."""
    pod = workload["spec"]["template"]["spec"]
    container = pod["containers"][0]
    arguments = container.get("args", [])
    if arguments[:2] != ["--config", "/etc/asset-indexer/config.toml"] or arguments[2:3][0] not in COMMANDS:
        yield f"runs {arguments}"
    names = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    for argument in arguments:
        for name in re.findall(r"\$\((\w+)\)", argument):
            if name not in names:
                yield f"argument {argument} is not in the environment"
    secrets = [volume["secret"]["secretName"] for volume in pod.get("volumes", []) if "secret" in volume]
    needed = set().union(*(SECRET_KEYS.get(secret, set()) for secret in secrets))
    files = {name: value for name, value in names.items() if name.endswith("_FILE")}
    if files != {f"{key.upper()}_FILE": f"{SECRET_DIRECTORY}/{key}" for key in needed}:
        yield f"secret files {files} do not match what is mounted: {sorted(needed)}"
    mounts = {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}
    if mounts.keys() != {"/etc/asset-indexer", SECRET_DIRECTORY} or not all(m.get("readOnly") for m in mounts.values()):
        yield f"mounts {sorted(mounts)}"
    if workload["kind"] == "Deployment" and names.get("ASSET_INDEXER__HTTP__LISTEN") != f"0.0.0.0:{PORT}":
        yield "listens where the kubelet cannot reach it"


def main(*files):
    found = [f"{path}: {text}" for path in files for text in findings(load(path))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
