"""The backup configurations keep the schedule of the seed's design, and name nothing that is not there: see findings().

Usage: backup.py check DIRECTORY RENDERED...    one line per finding, exit 1 if there is any
       backup.py test DIRECTORY RENDERED...     shows that each rule can fail: breaks the configurations in every way it knows

DIRECTORY is deploy/backup; RENDERED are its Kustomize directories, rendered: the cluster first, then the recovery. The operator's
and the plugin's own schemas are not at hand: of their resources only fields are accepted that their documentation
has, as listed here.
"""

import configparser
import copy
import pathlib
import re
import sys

from manifests import load, named, no_secrets

# The seed: full daily for 30 days, incremental hourly for 7 days, log within 15 minutes, any point in time of 7 days.
FULL_DAYS, POINT_IN_TIME_DAYS, LOG_SECONDS = 30, 7, 15 * 60
PLUGIN = "barman-cloud.cloudnative-pg.io"
# Kind: its version, and the fields of its spec that we use, as paths.
KINDS = {
    "ObjectStore": ("barmancloud.cnpg.io/v1", {
        "retentionPolicy", "configuration.destinationPath",
        "configuration.s3Credentials.accessKeyId.name", "configuration.s3Credentials.accessKeyId.key",
        "configuration.s3Credentials.secretAccessKey.name", "configuration.s3Credentials.secretAccessKey.key",
        "configuration.wal.compression", "configuration.wal.encryption", "configuration.wal.maxParallel",
        "configuration.data.compression", "configuration.data.encryption", "configuration.data.jobs",
        "configuration.data.immediateCheckpoint",
    }),
    "Cluster": ("postgresql.cnpg.io/v1", {
        "instances", "imageName", "storage.size", "walStorage.size", "postgresql.parameters.archive_timeout",
        "bootstrap.initdb.database", "bootstrap.initdb.owner", "bootstrap.initdb.dataChecksums",
        "bootstrap.recovery.source", "bootstrap.recovery.database", "bootstrap.recovery.owner",
        "bootstrap.recovery.recoveryTarget.targetTime",
        "plugins.name", "plugins.isWALArchiver", "plugins.parameters.barmanObjectName",
        "externalClusters.name", "externalClusters.plugin.name", "externalClusters.plugin.parameters.barmanObjectName",
        "externalClusters.plugin.parameters.serverName",
    }),
    "ScheduledBackup": ("postgresql.cnpg.io/v1", {
        "schedule", "immediate", "backupOwnerReference", "cluster.name", "method", "pluginConfiguration.name",
    }),
}


def paths(value, before=""):
    """Paths to everything that is neither a mapping nor a list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, f"{before}.{key}" if before else key)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, before)
    else:
        yield before


def seconds(text):
    """A duration as PostgreSQL writes it."""
    match = re.fullmatch(r"(\d+)\s*(s|min|h)?", str(text))
    return int(match[1]) * {None: 1, "s": 1, "min": 60, "h": 3600}[match[2]] if match else None


def archives_in_time(place, timeout):
    found = seconds(timeout)
    if found is None or not 0 < found < LOG_SECONDS:
        yield f"{place}: archive_timeout {timeout} does not leave the log shipped within {LOG_SECONDS} s"


def kinds(documents):
    for document in documents:
        kind, place = document["kind"], f"{document['kind']} {document['metadata']['name']}"
        version, fields = KINDS.get(kind, (None, set()))
        if document["apiVersion"] != version:
            yield f"{place}: {document['apiVersion']} is not {version}"
        for path in sorted(set(paths(document["spec"])) - fields):
            yield f"{place}: nobody checked the field {path}"


def stores(documents):
    for store in named(documents, "ObjectStore"):
        if store["spec"].get("retentionPolicy") != f"{FULL_DAYS}d":
            yield f"ObjectStore: keeps {store['spec'].get('retentionPolicy')}, not {FULL_DAYS}d"
        for part in ("wal", "data"):
            if store["spec"]["configuration"].get(part, {}).get("encryption") not in ("AES256", "aws:kms"):
                yield f"ObjectStore: {part} is not encrypted"


def clusters(documents):
    names = {store["metadata"]["name"] for store in named(documents, "ObjectStore")}
    for cluster in named(documents, "Cluster"):
        spec, place = cluster["spec"], f"Cluster {cluster['metadata']['name']}"
        yield from archives_in_time(place, spec.get("postgresql", {}).get("parameters", {}).get("archive_timeout"))
        archivers = [plugin for plugin in spec.get("plugins", []) if plugin.get("isWALArchiver")]
        if [plugin["name"] for plugin in archivers] != [PLUGIN]:
            yield f"{place}: its log is archived by nobody, or twice"
        used = [plugin["parameters"]["barmanObjectName"] for plugin in archivers]
        for outside in spec.get("externalClusters", []):
            used.append(outside["plugin"]["parameters"]["barmanObjectName"])
            if outside["plugin"]["parameters"].get("serverName") == cluster["metadata"]["name"]:
                yield f"{place}: would write its backups over those it is recovered from"
        for name in sorted(set(used) - names):
            yield f"{place}: there is no ObjectStore {name}"
        initdb, recovery = spec["bootstrap"].get("initdb"), spec["bootstrap"].get("recovery")
        if initdb and initdb.get("dataChecksums") is not True:
            yield f"{place}: has no page checksums, damage would go unnoticed"
        if recovery:
            if recovery["source"] not in {outside["name"] for outside in spec.get("externalClusters", [])}:
                yield f"{place}: is recovered from {recovery['source']}, which is not there"
            target = recovery.get("recoveryTarget", {}).get("targetTime")
            if target and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", target):
                yield f"{place}: targetTime {target} has no zone"


def schedules(documents):
    present = {cluster["metadata"]["name"] for cluster in named(documents, "Cluster")}
    for backup in named(documents, "ScheduledBackup"):
        spec = backup["spec"]
        if not re.fullmatch(r"[0-5]?\d [0-5]?\d ([01]?\d|2[0-3]) \* \* \*", spec["schedule"]):
            yield f"ScheduledBackup: \"{spec['schedule']}\" is not once a day, seconds first"
        if spec["cluster"]["name"] not in present:
            yield f"ScheduledBackup: there is no Cluster {spec['cluster']['name']}"
        if (spec["method"], spec.get("pluginConfiguration", {}).get("name")) != ("plugin", PLUGIN):
            yield "ScheduledBackup: is not made by the plugin"


def pgbackrest(text):
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(text)
    options, stanza = parser["global"], "register"
    if stanza not in parser or "pg1-path" not in parser[stanza]:
        yield f"pgbackrest.conf: no stanza {stanza}"
    for number, days in ((1, POINT_IN_TIME_DAYS), (2, FULL_DAYS)):
        kept = (options.get(f"repo{number}-retention-full-type"), options.get(f"repo{number}-retention-full"))
        if kept != ("time", str(days)):
            yield f"pgbackrest.conf: repo{number} keeps fulls by {kept}, not {days} days"
        if options.get(f"repo{number}-cipher-type") != "aes-256-cbc":
            yield f"pgbackrest.conf: repo{number} is not encrypted"
    if any(option.startswith("repo1-retention-archive") for option in options):
        yield "pgbackrest.conf: repo1 lets log go before its full"
    archive = (options.get("repo2-retention-archive-type"), options.get("repo2-retention-archive"))
    if archive != ("full", str(POINT_IN_TIME_DAYS + 1)):
        yield f"pgbackrest.conf: repo2 keeps the log by {archive}, not of {POINT_IN_TIME_DAYS} days between daily fulls"
    if "archive-push-queue-max" in options:
        yield "pgbackrest.conf: drops log when a repository is away"
    for option in options:
        if re.search(r"cipher-pass|key-secret|s3-key", option):
            yield f"pgbackrest.conf: {option} is a secret"


def postgresql(text):
    settings = dict(re.findall(r"^(\w+)\s*=\s*'?([^'\n]*)'?$", text, re.MULTILINE))
    if settings.get("archive_mode") != "on" or "pgbackrest --stanza=register archive-push %p" != settings.get("archive_command"):
        yield "postgresql.conf: the log is not archived"
    yield from archives_in_time("postgresql.conf", settings.get("archive_timeout"))


def units(files):
    for kind, repositories, when in (("full", {"1", "2"}, r"\*-\*-\* \d\d:\d\d:00"), ("incr", {"1"}, r"\*-\*-\* \*:\d\d:00")):
        name = f"asset-indexer-backup-{kind}"
        if not re.search(rf"^OnCalendar={when}$", files.get(f"{name}.timer", ""), re.MULTILINE):
            yield f"{name}.timer: is not {'daily' if kind == 'full' else 'hourly'}"
        service = files.get(f"{name}.service", "")
        runs = re.findall(r"^ExecStart=/usr/bin/pgbackrest --stanza=register --repo=(\d) --type=(\w+) backup$", service, re.MULTILINE)
        if {number for number, _ in runs} != repositories or {type_ for _, type_ in runs} != {kind}:
            yield f"{name}.service: runs {runs}"
        if not re.search(r"^User=postgres$", service, re.MULTILINE):
            yield f"{name}.service: does not run as postgres"


def findings(configured):
    """Everything wrong, as sentences."""
    found = []
    for documents in configured["rendered"]:
        for rule in (no_secrets, kinds, stores, clusters, schedules):
            found += rule(documents)
    if not named(configured["rendered"][0], "ScheduledBackup"):
        found.append("no ScheduledBackup")
    found += pgbackrest(configured["pgbackrest"])
    found += postgresql(configured["postgresql"])
    found += units(configured["units"])
    return found


# Where, what is written there, what is written instead, a word of the finding that it must cause.
TEXT_FAULTS = [
    ("pgbackrest", "repo1-retention-full=7", "repo1-retention-full=3", "repo1 keeps"),
    ("pgbackrest", "repo2-retention-full=30", "repo2-retention-full=7", "repo2 keeps"),
    ("pgbackrest", "repo2-retention-full-type=time", "repo2-retention-full-type=count", "repo2 keeps"),
    ("pgbackrest", "repo2-cipher-type=aes-256-cbc", "repo2-cipher-type=none", "not encrypted"),
    ("pgbackrest", "repo1-cipher-type=aes-256-cbc", "repo1-retention-archive=2\nrepo1-cipher-type=aes-256-cbc", "before its full"),
    ("pgbackrest", "repo2-retention-archive=8", "repo2-retention-archive=1", "keeps the log"),
    ("pgbackrest", "start-fast=y", "archive-push-queue-max=1GiB", "drops log"),
    ("pgbackrest", "start-fast=y", "repo1-cipher-pass=correct-horse", "secret"),
    ("pgbackrest", "[register]", "[main]", "no stanza"),
    ("postgresql", "archive_mode = on", "archive_mode = off", "not archived"),
    ("postgresql", "archive-push %p", "archive-push %p || true", "not archived"),
    ("postgresql", "archive_timeout = 5min", "archive_timeout = 15min", "shipped within"),
    ("postgresql", "archive_timeout = 5min", "archive_timeout = 0", "shipped within"),
]
UNIT_FAULTS = [
    ("asset-indexer-backup-full.timer", "OnCalendar=*-*-* ", "OnCalendar=Sun *-*-* ", "daily"),
    ("asset-indexer-backup-incr.timer", "*:40:00", "00/4:40:00", "hourly"),
    ("asset-indexer-backup-full.service", "--repo=2 --type=full", "--repo=1 --type=full", "runs"),
    ("asset-indexer-backup-incr.service", "--type=incr", "--type=diff", "runs"),
    ("asset-indexer-backup-incr.service", "User=postgres", "User=root", "postgres"),
]
# Which rendered directory, kind, path below it, value (None: taken away), a word of the finding.
DOCUMENT_FAULTS = [
    (0, "ObjectStore", "spec.retentionPolicy", "7d", "keeps"),
    (0, "ObjectStore", "spec.configuration.wal.encryption", None, "encrypted"),
    (0, "ObjectStore", "metadata.name", "other", "no ObjectStore"),
    (0, "ObjectStore", "apiVersion", "barmancloud.cnpg.io/v1alpha1", "is not"),
    (0, "Cluster", "spec.postgresql.parameters.archive_timeout", "1h", "shipped within"),
    (0, "Cluster", "spec.postgresql", None, "shipped within"),
    (0, "Cluster", "spec.plugins.0.isWALArchiver", False, "by nobody"),
    (0, "Cluster", "spec.bootstrap.initdb.dataChecksums", False, "checksums"),
    (0, "Cluster", "spec.backup", {"barmanObjectStore": {"destinationPath": "s3://x"}}, "nobody checked"),
    (0, "ScheduledBackup", "spec.schedule", "10 0 * * *", "once a day"),
    (0, "ScheduledBackup", "spec.schedule", "0 10 0 * * 0", "once a day"),
    (0, "ScheduledBackup", "spec.cluster.name", "other", "no Cluster"),
    (0, "ScheduledBackup", "spec.method", "barmanObjectStore", "plugin"),
    (0, "ScheduledBackup", "kind", "Backup", "no ScheduledBackup"),
    (1, "Cluster", "spec.bootstrap.recovery.source", "other", "not there"),
    (1, "Cluster", "spec.bootstrap.recovery.recoveryTarget.targetTime", "2026-01-31 14:04:59", "zone"),
    (1, "Cluster", "spec.externalClusters.0.plugin.parameters.serverName", "register-recovered", "over those"),
    (1, "Cluster", "spec.externalClusters.0.plugin.parameters.barmanObjectName", "other", "no ObjectStore"),
]


def broken(configured):
    """Copies of the configurations with one fault each: what was done, the copy, the word."""
    for part, old, new, word in TEXT_FAULTS:
        copied = copy.deepcopy(configured)
        assert old in copied[part], f"{part} has no {old!r} to break"
        copied[part] = copied[part].replace(old, new, 1)
        yield f"{part}: {new}", copied, word
    for unit, old, new, word in UNIT_FAULTS:
        copied = copy.deepcopy(configured)
        assert old in copied["units"][unit], f"{unit} has no {old!r} to break"
        copied["units"][unit] = copied["units"][unit].replace(old, new, 1)
        yield f"{unit}: {new}", copied, word
    for which, kind, path, value, word in DOCUMENT_FAULTS:
        copied = copy.deepcopy(configured)
        target = named(copied["rendered"][which], kind)[0]
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            target = target[step]
        if value is None:
            del target[last]
        else:
            target[last] = value
        yield f"{kind} {path} = {value!r}", copied, word


def read(directory, rendered):
    place = pathlib.Path(directory) / "pgbackrest"
    return {
        "rendered": [load(path) for path in rendered],
        "pgbackrest": (place / "pgbackrest.conf").read_text(encoding="utf-8"),
        "postgresql": (place / "postgresql.conf").read_text(encoding="utf-8"),
        "units": {path.name: path.read_text(encoding="utf-8") for path in (place / "systemd").iterdir()},
    }


def main(what, directory, *rendered):
    configured = read(directory, rendered)
    found = findings(configured)
    print("\n".join(found), end="\n" if found else "")
    if found or what == "check":
        return 1 if found else 0
    faults = list(broken(configured))
    for fault, copied, word in faults:
        caused = findings(copied)
        assert any(word in text for text in caused), f"{fault} passes, found only {caused}"
    print(f"{len(faults)} broken configurations found out")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
