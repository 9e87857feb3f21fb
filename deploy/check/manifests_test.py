"""Shows that the policy of manifests.py can fail: breaks good manifests in every way that it names.

Usage: manifests_test.py FILE...
"""

import copy
import sys

from manifests import FIXED_IDS, findings, is_openshift, load, named

# Path to the broken thing, the broken value (None: taken away), a word of the finding that it must cause.
DEPLOYMENT_FAULTS = [
    ("template.spec.securityContext.runAsNonRoot", None, "root"),
    ("template.spec.securityContext.runAsUser", 0, "root"),
    ("template.spec.securityContext.seccompProfile", None, "seccomp"),
    ("template.spec.automountServiceAccountToken", True, "token"),
    ("template.spec.hostNetwork", True, "host"),
    ("template.spec.terminationGracePeriodSeconds", 30, "commit"),
    ("template.spec.containers.0.securityContext.readOnlyRootFilesystem", False, "writable"),
    ("template.spec.containers.0.securityContext.allowPrivilegeEscalation", True, "privileges"),
    ("template.spec.containers.0.securityContext.capabilities", {"drop": ["NET_RAW"]}, "capabilities"),
    ("template.spec.containers.0.image", "asset-indexer:latest", "version"),
    ("template.spec.containers.0.image", "asset-indexer", "version"),
    ("template.spec.containers.0.resources.limits.cpu", "1", "limits"),
    ("template.spec.containers.0.resources.requests", None, "requests"),
    ("template.spec.containers.0.livenessProbe.httpGet.path", "/ready", "livenessProbe"),
    ("template.spec.containers.0.readinessProbe", None, "readinessProbe"),
    ("template.spec.containers.0.startupProbe.httpGet.port", 9465, "startupProbe"),
    ("template.spec.containers.0.ports.0.containerPort", 9465, "9464"),
    ("template.spec.containers.0.args", ["--config", "/etc/asset-indexer/config.toml", "start"], "runs"),
    ("template.spec.containers.0.env.0.value", "127.0.0.1:9464", "listens"),
    ("template.spec.containers.0.env.1.value", "postgres://indexer:hunter2hunter2@db/x", "secret literal"),
    ("template.spec.containers.0.env.1.value", "/run/secrets/asset-indexer/other", "secret files"),
    ("template.spec.volumes.0.configMap.name", "asset-indexer-config", "not rendered"),
    ("template.spec.volumes.1.secret.defaultMode", 0o444, "readable"),
    ("template.spec.volumes.1.secret.optional", True, "optional"),
    ("template.spec.volumes.1", {"name": "host", "hostPath": {"path": "/"}}, "not allowed"),
    ("template.metadata.labels.app.kubernetes.io/component", "backfill", "select"),
    ("template.metadata.annotations", {"prometheus.io/scrape": "true"}, "twice"),
    ("strategy.rollingUpdate.maxUnavailable", 1, "both"),
    ("replicas", 1, "Recreate"),
]
OTHER_FAULTS = [
    ("Service", "spec.type", "LoadBalancer", "outside"),
    ("Service", "spec.ports.0.port", 80, "port"),
    ("PodDisruptionBudget", "spec", {"minAvailable": 1, "selector": {"matchLabels": {}}}, "drain"),
    ("NetworkPolicy", "spec.policyTypes", ["Ingress"], "direction"),
    ("NetworkPolicy", "spec.ingress.0.from", None, "ingress"),
    ("NetworkPolicy", "spec.ingress.0.from.0.namespaceSelector", {}, "every namespace"),
    ("NetworkPolicy", "spec.egress.0.ports", None, "further"),
    ("NetworkPolicy", "spec.egress.1.to.1.ipBlock.except", None, "metadata"),
    ("NetworkPolicy", "spec.podSelector.matchLabels", {"app": "other"}, "under no"),
    ("PodMonitor", "spec.podMetricsEndpoints.0.port", "metrics", "scrapes"),
    ("PodMonitor", "metadata.namespace", None, "namespaces"),
    ("PodMonitor", "spec.jobLabel", None, "rules know"),
    ("ServiceAccount", "automountServiceAccountToken", True, "token"),
    ("ServiceAccount", "kind", "Secret", "secret store"),
    ("ConfigMap", "data", {"config.toml": "[database]\nurl = 'x'\n[chain]\nid = 1\n"}, "URL"),
    ("ConfigMap", "data", {"config.toml": "[chain]\nid = 1\n[database]\nallow_unverified = true\n"}, "exception"),
    ("ConfigMap", "data", {"config.toml": "[chain]\nid = 1\n[rpc]\nallow_link_local = true\n"}, "exception"),
    ("ConfigMap", "data", {"config.toml": "[chains]\nid = 1\n"}, "unknown sections"),
    ("ConfigMap", "data", {"config.toml": "[chain\n"}, "parse"),
    ("ConfigMap", "data", {"config.toml": "[chain]\nid = 1\n[rpc]\napi_key = '0123456789abcdef'\n"}, "secret literal"),
    ("Job", "spec.podFailurePolicy.rules.1.onExitCodes.values", [2, 75], "gives up"),
    ("Job", "spec.podFailurePolicy.rules.1.onExitCodes.containerName", "main", "not there"),
    ("Job", "spec.podFailurePolicy.rules.0.action", "Count", "drained"),
    ("Job", "spec.template.spec.restartPolicy", "OnFailure", "restartPolicy"),
    ("Job", "spec.template.spec.containers.0.env", [], "secret files"),
    ("CronJob", "spec.concurrencyPolicy", "Allow", "at once"),
    ("CronJob", "spec.timeZone", None, "control plane"),
    ("CronJob", "spec.startingDeadlineSeconds", None, "for good"),
    ("CronJob", "spec.jobTemplate.spec.template.spec.containers.0.args",
     ["--config", "/etc/asset-indexer/config.toml", "maintain", "--apply"], "unattended"),
    ("CronJob", "spec.jobTemplate.spec.template.spec.containers.0.securityContext.readOnlyRootFilesystem", False, "writable"),
    ("CronJob", "spec.jobTemplate.spec.podFailurePolicy.rules.1.onExitCodes.values", [2, 75], "gives up"),
]
# Where a rendering for OpenShift has no ids of its own: each of them, put back.
OPENSHIFT_FAULTS = [
    (kind, f"{place}.securityContext.{key}", 65532, f"a {key} of its own")
    for kind, pod in (
        ("Deployment", "spec.template.spec"),
        ("Job", "spec.template.spec"),
        ("CronJob", "spec.jobTemplate.spec.template.spec"),
    )
    for place, keys in ((pod, FIXED_IDS), (f"{pod}.containers.0", FIXED_IDS - {"fsGroup"}))
    for key in sorted(keys)
]


def broken(documents, kind, path, value):
    """A copy of the documents with one thing changed in the first of the kind."""
    copied = copy.deepcopy(documents)
    target = named(copied, kind)[0]
    component = "app.kubernetes.io/component"
    steps = [int(step) if step.isdigit() else step for step in path.replace(component, "COMPONENT").split(".")]
    steps = [component if step == "COMPONENT" else step for step in steps]
    for step in steps[:-1]:
        target = target[step]
    if value is None:
        del target[steps[-1]]
    else:
        target[steps[-1]] = value
    return copied


def self_test(documents):
    """The policy finds nothing in the documents and the right thing in every broken copy."""
    assert not findings(documents), findings(documents)
    faults = [("Deployment", f"spec.{path}", value, word) for path, value, word in DEPLOYMENT_FAULTS] + OTHER_FAULTS
    if is_openshift(documents):
        faults += OPENSHIFT_FAULTS
    tried = [fault for fault in faults if named(documents, fault[0])]
    for kind, path, value, word in tried:
        found = findings(broken(documents, kind, path, value))
        assert any(word in text for text in found), f"{kind} {path} = {value!r} passes, found only {found}"
    kinds = {fault[0] for fault in tried}
    return kinds | {f"OpenShift's {kind}" for kind in kinds if is_openshift(documents)}, len(tried)


def main(*files):
    kinds, count = set(), 0
    for path in files:
        seen, tried = self_test(load(path))
        kinds, count = kinds | seen, count + tried
    wanted = {"Deployment"} | {fault[0] for fault in OTHER_FAULTS}
    wanted |= {f"OpenShift's {fault[0]}" for fault in OPENSHIFT_FAULTS}
    assert kinds >= wanted, f"only {sorted(kinds)} were there to break"
    print(f"{count} broken manifests found out")


if __name__ == "__main__":
    main(*sys.argv[1:])
