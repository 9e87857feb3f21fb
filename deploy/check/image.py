"""Checks Dockerfile and compose.yaml by reading them, and lays out what the builder would get.

Usage: image.py check ROOT           one line per finding, exit 1 if there is any
       image.py context ROOT OUT     copies what the Dockerfile copies, for cargo to resolve there
"""

import os
import re
import shutil
import sys
import tomllib

import yaml

PORT = "9464"


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def instructions(root):
    """The Dockerfile's instructions with continued lines joined."""
    lines = [line for line in read(root, "deploy", "Dockerfile").splitlines() if not line.lstrip().startswith("#")]
    return [line.split(None, 1) for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines() if line.strip()]


def copied(root):
    for name, rest in instructions(root):
        if name == "COPY" and "--from=" not in rest:
            yield from rest.split()[:-1]


def ignored(root, path):
    """Whether deploy/Dockerfile.dockerignore keeps the path from the builder: the last line that matches decides."""
    verdict = False
    for line in read(root, "deploy", "Dockerfile.dockerignore").splitlines():
        pattern = line.strip().lstrip("!")
        if not pattern or pattern.startswith("#"):
            continue
        if pattern == "*" or path == pattern or path.startswith(pattern + "/"):
            verdict = not line.startswith("!")
    return verdict


def dockerfile_findings(root):
    steps = instructions(root)
    stages = [rest for name, rest in steps if name == "FROM"]
    for stage in stages:
        image = stage.split()[0]
        if ":" not in image or image.endswith(":latest"):
            yield f"Dockerfile: {image} has no version"
    last = steps[max(i for i, (name, _) in enumerate(steps) if name == "FROM"):]
    if [rest for name, rest in last if name == "USER"] != ["65532:65532"]:
        yield "Dockerfile: the last stage does not run as 65532:65532"
    if any(name == "RUN" for name, _ in last):
        yield "Dockerfile: RUN in the last stage, which has no shell"
    if [rest for name, rest in last if name == "EXPOSE"] != [PORT]:
        yield f"Dockerfile: does not expose {PORT}"
    labels = " ".join(rest for name, rest in last if name == "LABEL")
    for label in ("title", "description", "licenses", "version", "revision"):
        if f"org.opencontainers.image.{label}=" not in labels:
            yield f"Dockerfile: no OCI label {label}"
    for name, rest in steps:
        if name in {"ARG", "ENV"} and re.search(r"(?i)password|secret|token|_key|DATABASE_URL|RPC_URL", rest):
            yield f"Dockerfile: {name} {rest.split('=')[0]} would stay in the image's history"
    build = " ".join(rest for name, rest in steps if name == "RUN")
    if "cargo build --release --locked -p asset-indexer" not in build:
        yield "Dockerfile: does not build the locked release of asset-indexer"
    manifest = tomllib.loads(read(root, "Cargo.toml"))
    minimum = manifest["workspace"]["package"]["rust-version"].split(".")
    builder = re.match(r"rust:(\d+)\.(\d+)", stages[0])
    if not builder or tuple(map(int, builder.groups())) < tuple(map(int, minimum[:2])):
        yield f"Dockerfile: {stages[0]} is older than rust-version {'.'.join(minimum)}"
    paths = list(copied(root))
    for path in paths:
        if ignored(root, path):
            yield f"Dockerfile.dockerignore: keeps {path} from the builder, which the Dockerfile copies"
    for path in (".env", "target", ".git", "deploy/compose/secrets"):
        if not ignored(root, path):
            yield f"Dockerfile.dockerignore: lets {path} through"
    for member in manifest["workspace"]["members"]:
        if member != "." and not any(member == path or member.startswith(path + "/") for path in paths):
            yield f"Dockerfile: does not copy the workspace member {member}, so that --locked fails"
    for path in paths:
        if not os.path.exists(os.path.join(root, path)):
            yield f"Dockerfile: copies {path}, which is not in the tree"
    for source, path in embedded(root):
        if not any(path == given or path.startswith(given + "/") for given in paths):
            yield f"Dockerfile: does not copy {path}, which {source} embeds"


def embedded(root):
    """What the program takes in by include_str!, include_bytes! and migrate!, its unit tests left out."""
    for directory, _, names in os.walk(os.path.join(root, "src")):
        for name in (name for name in names if name.endswith(".rs") and not name.endswith("tests.rs")):
            source = os.path.join(directory, name)
            program = read(source).split("#[cfg(test)]")[0]
            given = re.findall(r'include_(?:str|bytes)!\(\s*(?:concat!\(\s*)?"([^"]+)"', program)
            targets = [os.path.join(directory, path) for path in given]
            targets += [os.path.join(root, path) for path in re.findall(r'migrate!\(\s*"([^"]+)"', program)]
            for target in targets:
                yield os.path.relpath(source, root), os.path.relpath(os.path.normpath(target), root)


def compose_findings(root):
    compose = yaml.safe_load(read(root, "deploy", "compose.yaml"))
    for name, service in compose["services"].items():
        place = f"compose.yaml, {name}"
        if not re.search(r":v?[0-9][\w.-]*$", service["image"]):
            yield f"{place}: image {service['image']} has no version"
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                yield f"{place}: port {port} is open to the network"
        if service.get("restart") != "no" and "healthcheck" not in service:
            yield f"{place}: no health check"
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|URL|KEY|TOKEN", key):
                secret = str(value).removeprefix("/run/secrets/")
                if not key.endswith("_FILE") or secret not in service.get("secrets", []):
                    yield f"{place}: {key} is not a file of a secret that the service is given"
        for other, condition in service.get("depends_on", {}).items():
            wanted = compose["services"][other]
            if condition["condition"] == "service_healthy" and "healthcheck" not in wanted:
                yield f"{place}: waits for the health of {other}, which has no check"
        for secret in service.get("secrets", []):
            if secret not in compose["secrets"]:
                yield f"{place}: secret {secret} is not declared"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not os.path.exists(os.path.join(root, "deploy", source)):
                    yield f"{place}: mounts {source}, which is not in the tree"
                if not volume.endswith(":ro"):
                    yield f"{place}: {source} is writable"
            elif source not in compose["volumes"]:
                yield f"{place}: volume {source} is not declared"
        if service.get("build") and not (service.get("read_only") and service.get("cap_drop") == ["ALL"]):
            yield f"{place}: may write to its root or keeps capabilities"
        if service.get("build") and not (service.get("security_opt") == ["no-new-privileges:true"] and service.get("mem_limit")):
            yield f"{place}: may gain privileges or take all memory"
    written = set(re.findall(r"^\s*keep (\w+)", read(root, "deploy", "compose", "secrets.sh"), re.M))
    declared = {os.path.basename(secret["file"]) for secret in compose["secrets"].values()}
    if written != declared:
        yield f"compose.yaml: secrets.sh writes {sorted(written)}, declared are {sorted(declared)}"
    groups = set(re.findall(r"asset_indexer_\w+", read(root, "migrations", "roles.sql")))
    for group in re.findall(r"asset_indexer_\w+", read(root, "deploy", "compose", "roles.sh")):
        if group not in groups:
            yield f"compose/roles.sh: {group} is not made by migrations/roles.sql"
    config = tomllib.loads(read(root, "deploy", "compose", "config.toml"))
    if "url" in config.get("database", {}) or "url" in config.get("rpc", {}):
        yield "compose/config.toml: holds a URL that may carry a password; it comes from a file"
    urls = re.findall(r'"(postgres://\S+)"', read(root, "deploy", "compose", "secrets.sh"))
    plain = [url.endswith("@postgres:5432/asset_indexer?sslmode=disable") for url in urls]
    if not urls or not all(plain) or config.get("database") != {"allow_unverified": True}:
        yield "compose: plain text to PostgreSQL is for the container `postgres` alone, and must be said in URL and config.toml"
    stop = compose["services"]["indexer"].get("stop_grace_period")
    if stop != "60s":
        yield f"compose.yaml, indexer: stop_grace_period {stop}: a long commit would be killed"


def main(mode, root, *rest):
    if mode == "check":
        found = [*dockerfile_findings(root), *compose_findings(root)]
        print("\n".join(found), end="\n" if found else "")
        return 1 if found else 0
    if mode == "context":
        for path in copied(root):
            source, target = os.path.join(root, path), os.path.join(rest[0], path)
            if not os.path.exists(source):
                continue  # Reported by check.
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.isdir(source):
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        return 0
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
