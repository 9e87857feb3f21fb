#!/usr/bin/env bash
# Checks everything in deploy/ that can be checked without a cluster, a container engine or Grafana: one line per check,
# exit 1 if one fails, and at the end in words what was not checked.
#
# Tools that are missing are fetched once and kept in $ASSET_INDEXER_TOOLS (default .tools in the repository, ignored by git):
# the Python packages of check/requirements.txt from PyPI; kustomize and promtool from Debian, unpacked and not installed, so
# that neither root is needed nor a service starts. Debian 13's packages run on Debian 12 as well, whose own kubectl is too
# old for these directories. With everything at hand the network is not touched.
set -euo pipefail

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$deploy")
tools=${ASSET_INDEXER_TOOLS:-$root/.tools}/deploy
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=trixie
# The oldest and the newest Kubernetes whose schemas the manifests must satisfy.
kubernetes_versions=(1.29 1.37)

mkdir -p "$tools/bin"
tools=$(cd "$tools" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

die() { echo "FAIL  $1" >&2; exit 1; }

check() { # description command...: one line, and the command's output only if it fails
    local description=$1
    shift
    if "$@" > "$work/output" 2>&1; then
        echo "ok    $description"
    else
        echo "FAIL  $description"
        sed 's/^/      /' "$work/output"
        failed=1
    fi
}

# --- tools ---------------------------------------------------------------------------------------------------------------

unpack_from_debian() { # package...: fetched with apt's signature check into a private tree, its programs put into bin/
    type apt-get dpkg > /dev/null 2>&1 \
        || die "$* not found and no apt-get to fetch it: put kustomize 5 (or kubectl 1.27 or newer) and promtool on PATH"
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [[ -r $keyring ]] || die "$* not found, and $keyring, which would vouch for Debian's package, is missing too"
    local apt=$work/apt
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,packages,tree}
    echo "deb [signed-by=$keyring] $mirror $suite main" > "$apt/sources.list"
    local options=(
        -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State=$apt/state" -o "Dir::Cache=$apt/cache" -o Debug::NoLocking=1
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
        -o "APT::Sandbox::User=$(id -un)"
    )
    echo "      fetching $* from $mirror ($suite)"
    (cd "$apt/packages" && apt-get -q "${options[@]}" update && apt-get -q "${options[@]}" download "$@") \
        > "$work/output" 2>&1 || { cat "$work/output" >&2; die "could not fetch $* from $mirror"; }
    local package
    for package in "$apt"/packages/*.deb; do dpkg -x "$package" "$apt/tree"; done
    for package in "$@"; do
        install -m 0755 "$apt/tree/usr/bin/$package" "$tools/bin/$package.new"
        mv "$tools/bin/$package.new" "$tools/bin/$package"
    done
}

prepare_programs() {
    local missing=()
    if kubectl version --client 2> /dev/null | grep -q '^Kustomize Version: v5'; then
        kustomize=(kubectl kustomize)
        kustomize_origin="kubectl, $(kubectl version --client | sed -n 's/^Kustomize Version: /Kustomize /p')"
    elif kustomize version 2> /dev/null | grep -q 'v5'; then
        kustomize=(kustomize build)
        kustomize_origin="kustomize $(kustomize version)"
    else
        kustomize=("$tools/bin/kustomize" build)
        kustomize_origin="Debian's kustomize in $tools/bin"
        [[ -x $tools/bin/kustomize ]] || missing+=(kustomize)
    fi
    promtool=$(command -v promtool || echo "$tools/bin/promtool")
    [[ -x $promtool ]] || missing+=(promtool)
    [[ ${#missing[@]} -eq 0 ]] || unpack_from_debian "${missing[@]}"
}

make_venv() { rm -rf "$tools/venv" && python3 -m venv "$tools/venv"; }

prepare_python() {
    command -v python3 > /dev/null || die "python3 not found: install Python 3.11 or newer"
    python3 -c 'import tomllib' 2> /dev/null || die "$(python3 --version) is too old: 3.11 or newer is needed"
    python=$tools/venv/bin/python
    local stamp=$tools/venv/requirements.txt
    if cmp -s "$deploy/check/requirements.txt" "$stamp" && "$python" -c 'import yaml, kubernetes_validate' 2> /dev/null; then
        return
    fi
    echo "      fetching $(tr '\n' ' ' < "$deploy/check/requirements.txt")from PyPI"
    if ! make_venv > "$work/output" 2>&1; then
        # Debian keeps venv in a package of its own.
        local become=()
        [[ $(id -u) -eq 0 ]] || become=(sudo -n)
        { "${become[@]}" apt-get install -y -q python3-venv && make_venv; } >> "$work/output" 2>&1 \
            || { cat "$work/output" >&2; die "python3 cannot make a virtual environment: install python3-venv"; }
    fi
    "$python" -m pip install -q --disable-pip-version-check -r "$deploy/check/requirements.txt" > "$work/output" 2>&1 \
        || { cat "$work/output" >&2; die "could not install check/requirements.txt from PyPI"; }
    cp "$deploy/check/requirements.txt" "$stamp"
}

# Two runs at once must not unpack into one another.
exec 9> "$tools/lock"
if command -v flock > /dev/null; then flock 9; fi
prepare_python
prepare_programs
exec 9>&-
export PYTHONDONTWRITEBYTECODE=1
echo "      rendering by $kustomize_origin; $("$promtool" --version 2>&1 | sed -n '1s/ (.*//p')"

# --- Kubernetes ----------------------------------------------------------------------------------------------------------

render() { "${kustomize[@]}" "$deploy/$1" > "$work/rendered/$2.yaml"; }

schemas() { # version file...: a kind without a schema is an error, unless it is a custom resource of the Prometheus Operator
    local version=$1
    shift
    "$python" -m kubernetes_validate -k "$version" --strict --quiet "$@" > "$work/schemas" 2>&1 || { cat "$work/schemas"; return 1; }
    ! grep "Couldn't find schema" "$work/schemas" | grep -v 'PodMonitor with api version monitoring.coreos.com/v1'
}

refuses_a_misspelt_field() {
    sed 's/readOnlyRootFilesystem/readonlyRootFilesystem/' "$work/rendered/kubernetes-base.yaml" > "$work/misspelt.yaml"
    ! schemas "${kubernetes_versions[0]}" "$work/misspelt.yaml" && grep -q readonlyRootFilesystem "$work/schemas"
}

mkdir "$work/rendered"
while IFS= read -r file; do
    grep -q '^kind: Kustomization' "$file" || continue
    directory=$(dirname "${file#"$deploy/"}")
    check "renders: $directory" render "$directory" "${directory//\//-}"
done < <(find "$deploy" -name kustomization.yaml | sort)
rendered=("$work"/rendered/kubernetes-*.yaml)
workloads=("$work"/rendered/kubernetes-{base,jobs,overlays}*.yaml)
for version in "${kubernetes_versions[@]}"; do
    check "schemas of Kubernetes $version: ${#rendered[@]} rendered directories" schemas "$version" "${rendered[@]}"
done
check "schemas: a misspelt field is refused" refuses_a_misspelt_field
check "policy: probes, ports, restricted pods, secrets, images, resources, network, exit codes" \
    "$python" "$deploy/check/manifests.py" "${workloads[@]}"
check "policy: every broken copy of the manifests is found out" \
    "$python" "$deploy/check/manifests_test.py" "$work"/rendered/kubernetes-overlays-{production,openshift}{,-migrate,-backfill,-maintain}.yaml

# --- backups -------------------------------------------------------------------------------------------------------------

backup() {
    "$python" "$deploy/check/backup.py" "$1" "$deploy/backup" "$work"/rendered/backup-cloudnative-pg-{cluster,recovery}.yaml
}

check "backups: the schedule of the seed's design, references, secrets, fields" backup check
check "backups: every broken copy of the configurations is found out" backup test
if command -v systemd-analyze > /dev/null; then
    timers=("$deploy"/backup/pgbackrest/systemd/*.timer)
    check "backups: systemd reads the times of the timers" systemd-analyze calendar "$(sed -n 's/^OnCalendar=//p' "${timers[0]}")" \
        "$(sed -n 's/^OnCalendar=//p' "${timers[1]}")"
fi

# --- Prometheus and Grafana ----------------------------------------------------------------------------------------------

observability() { "$python" "$deploy/check/observability.py" "$@"; }

dashboard_expressions() {
    observability dashboard "$deploy" "$work/dashboard.yaml" && "$promtool" check rules "$work/dashboard.yaml"
}

compose_prometheus() {
    mkdir "$work/prometheus" \
        && cp "$deploy/compose/prometheus.yml" "$deploy/prometheus/rules.yaml" "$work/prometheus/" \
        && "$promtool" check config "$work/prometheus/prometheus.yml"
}

tests_can_fail() { # With an alert's patience or a threshold changed, its tests must fail.
    mkdir "$work/mutants" || return 1
    observability mutants "$deploy" "$work/mutants" || return 1
    "$promtool" test rules "$work"/mutants/*/rules_test.yaml > "$work/mutants.log" 2>&1
    # Each changed alert must fail; the unchanged ones show that it fails by its change.
    grep -A1 'Unit Testing:' "$work/mutants.log" \
        | sed -n -e 's#.*/mutants/\(.*\)/rules_test.yaml#\1#p' -e 's/^ *\(SUCCESS\|FAILED\).*/\1/p' \
        | paste -d ' ' - - > "$work/verdicts"
    [[ $(wc -l < "$work/verdicts") -eq $(find "$work/mutants" -name rules_test.yaml | wc -l) ]] || { cat "$work/mutants.log"; return 1; }
    ! grep -E -- '(-unchanged FAILED|(-for|-far|-near) SUCCESS)$' "$work/verdicts"
}

check "rules: promtool check" "$promtool" check rules "$deploy/prometheus/rules.yaml"
check "rules: promtool unit tests" "$promtool" test rules "$deploy/prometheus/rules_test.yaml"
check "rules: the tests fail when an alert's patience or threshold is changed" tests_can_fail
check "rules and dashboard: metrics, labels, buckets, remedies; every metric is used" observability check "$deploy"
check "dashboard: every expression is PromQL" dashboard_expressions
check "compose: Prometheus configuration" compose_prometheus

# --- image and compose ---------------------------------------------------------------------------------------------------

scripts_parse() {
    local script
    for script in "$deploy"/backup/drill/*.sh; do bash -n "$script" || return 1; done
    for script in "$deploy"/check.sh "$deploy"/compose/*.sh "$deploy"/backup/drill.sh; do
        bash -n "$script" && [[ -x $script ]] || return 1
    done
}

secrets_are_written_once() {
    local copy=$work/compose
    mkdir "$copy" && cp "$deploy/compose/secrets.sh" "$copy/" || return 1
    RPC_URL=http://127.0.0.1:8545 "$copy/secrets.sh" && cp -r "$copy/secrets" "$copy/before" && "$copy/secrets.sh" < /dev/null \
        && diff -r "$copy/before" "$copy/secrets" && [[ $(stat -c %a "$copy/secrets") == 700 ]] \
        && grep -Eq '^postgres://indexer:[0-9a-f]{48}@postgres:5432/asset_indexer\?sslmode=disable$' "$copy/secrets/database_url" \
        && ! cmp -s "$copy/secrets/owner_password" "$copy/secrets/indexer_password"
}

lock_resolves_in_the_image() {
    "$python" "$deploy/check/image.py" context "$root" "$work/context" || return 1
    (cd "$work/context" && cargo tree --locked --offline -p asset-indexer > /dev/null)
}

unchecked=()
check "image and compose: Dockerfile, its context, ports, secrets, health checks" "$python" "$deploy/check/image.py" check "$root"
check "scripts: parse and are executable" scripts_parse
check "compose: secrets.sh draws secrets once and closes their directory" secrets_are_written_once
if (cd "$root" && cargo tree --locked --offline -p asset-indexer) > /dev/null 2>&1; then
    check "image: Cargo.lock resolves with what the builder is given" lock_resolves_in_the_image
else
    unchecked+=("that Cargo.lock resolves with what the image's builder is given: cargo or its downloaded crates are missing here")
fi
if docker compose version > /dev/null 2>&1; then
    # Parses only; the files of the secrets need not be there and no daemon is asked.
    check "compose: docker compose config" docker compose -f "$deploy/compose.yaml" config --quiet
else
    unchecked+=("compose.yaml by docker compose itself, which is not installed here: it was read as YAML and held to our rules")
fi
unchecked+=(
    "the image: it is not built, and its base images are not pulled"
    "PodMonitor against the Prometheus Operator's own schema, which is not in kubernetes-validate: only the fields we use"
    "the backup manifests against CloudNativePG's and its plugin's own schemas, and any backup or recovery by them: only the fields we use"
    "pgBackRest with S3, and its timers on a machine with systemd: the drill runs the same configuration on two local repositories"
    "any behaviour in a cluster: admission, NetworkPolicy enforcement, OpenShift's security constraints, a rolling update"
    "the dashboard as Grafana draws it: its layout and expressions only"
)
for text in "${unchecked[@]}"; do echo "note  not checked: $text"; done
if [[ $failed -ne 0 ]]; then echo "deploy: FAILED"; exit 1; fi
echo "deploy: all checks passed"
