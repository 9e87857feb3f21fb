"""Holds alert rules and dashboard to metrics.txt, and the alerts to their tests.

Usage: observability.py check DEPLOY                one line per finding, exit 1 if there is any
       observability.py dashboard DEPLOY OUT        writes the dashboard's expressions as recording rules for promtool
       observability.py mutants DEPLOY OUT          writes copies of rules and tests, each with one alert changed in its
                                                    patience or in one threshold: the alert's tests must then fail
"""

import json
import os
import re
import sys

import yaml

METRIC = re.compile(r"\b(asset_indexer_[a-z0-9_]+)\b(?:\s*\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
# Labels that the scraper or PromQL adds.
TARGET_LABELS = {"namespace", "instance", "job", "pod", "le"}
ANNOTATIONS = {"summary", "description", "runbook"}
COMMANDS = {"run", "backfill", "migrate", "status", "check-config", "rewind", "resume", "verify", "providers", "requests", "rebuild"}
TYPES = {"gauge", "counter", "histogram"}
COMPARED = re.compile(r"(==|>|<)\s*(\d+(?:\.\d+)?)(?![\w.])")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def metrics(deploy):
    """Name of each series -> (its metric's name, labels, buckets)."""
    series = {}
    for line in read(deploy, "metrics.txt").splitlines():
        if not line or line.startswith("#"):
            continue
        name, kind, labels, *buckets = line.split(" ")
        assert kind in TYPES, f"metrics.txt: {name} is a {kind}"
        assert (kind == "counter") == name.endswith("_total"), f"metrics.txt: {name} is a {kind}"
        entry = (name, set() if labels == "-" else set(labels.split(",")), buckets[0].split(",") if buckets else [])
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            series[name + suffix] = entry
    return series


def expression_findings(place, expr, series, used):
    labels = set(TARGET_LABELS)
    for name, matchers in METRIC.findall(expr):
        # A recording rule of ours carries its labels in front: namespace_provider:asset_indexer_…
        if f":{name}:" in expr:
            labels |= set(re.search(rf"(\w+):{name}:", expr).group(1).split("_"))
            continue
        if name not in series:
            yield f"{place}: {name} is not in metrics.txt"
            continue
        metric, own, buckets = series[name]
        used.add(metric)
        labels |= own
        for label in LABEL.findall(matchers or ""):
            if label not in own | TARGET_LABELS:
                yield f"{place}: {name} has no label {label}"
        for bound in re.findall(r'le="([^"]+)"', matchers or ""):
            if bound not in buckets:
                yield f"{place}: {name} has no bucket {bound} in metrics.txt"
    for group in GROUPED.findall(expr):
        for label in filter(None, (part.strip() for part in group.split(","))):
            if label not in labels:
                yield f"{place}: groups by {label}, which none of its metrics has"


def alert_rules(deploy):
    groups = yaml.safe_load(read(deploy, "prometheus", "rules.yaml"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def rules_findings(deploy, series, used):
    groups = yaml.safe_load(read(deploy, "prometheus", "rules.yaml"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        yield from expression_findings(rule.get("alert", rule.get("record")), rule["expr"], series, used)
    known = {rule["alert"] for rule in alert_rules(deploy)}
    tests = yaml.safe_load(read(deploy, "prometheus", "rules_test.yaml"))["tests"]
    asked = [case for test in tests for case in test.get("promql_expr_test", [])]
    inputs = [item["series"] for test in tests for item in test.get("input_series", [])]
    for item in inputs:
        yield from expression_findings("rules_test.yaml", item, series, set())
    for rule in alert_rules(deploy):
        name, notes = rule["alert"], rule.get("annotations", {})
        if rule.get("labels", {}).get("severity") not in {"critical", "warning"}:
            yield f"{name}: no severity"
        if missing := ANNOTATIONS - notes.keys():
            yield f"{name}: no {', '.join(sorted(missing))}"
        text = " ".join(notes.values())
        for command in re.findall(r"`asset-indexer ([\w-]+)", text):
            if command not in COMMANDS:
                yield f"{name}: the runbook wants `asset-indexer {command}`, which is no command"
        for other in re.findall(r"\bAssetIndexer\w+", text):
            if other not in known:
                yield f"{name}: the runbook points to {other}, which is no alert"
        for metric, _ in METRIC.findall(text):
            if metric not in {entry[0] for entry in series.values()}:
                yield f"{name}: the runbook points to {metric}, which is not in metrics.txt"
        cases = [case for case in asked if f'alertname="{name}"' in case["expr"]]
        if not any(case["exp_samples"] for case in cases):
            yield f"{name}: no test in which it fires"
        if all(case["exp_samples"] for case in cases):
            yield f"{name}: no test in which it does not fire"


def dashboard(deploy):
    return json.loads(read(deploy, "grafana", "asset-indexer.json"))


def dashboard_expressions(board):
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in board["templating"]["list"]:
        if match := re.fullmatch(r"label_values\((.+),\s*(\w+)\)", variable.get("definition", "")):
            yield variable["name"], f"count by ({match.group(2)}) ({match.group(1)})"


def dashboard_findings(deploy, series, used):
    board = dashboard(deploy)
    if board.get("schemaVersion") != 39:
        yield f"dashboard: schemaVersion {board.get('schemaVersion')}, the classic one is 39"
    identifiers = [panel["id"] for panel in board["panels"]]
    if len(identifiers) != len(set(identifiers)):
        yield "dashboard: two panels have one id"
    taken = {}
    for panel in board["panels"]:
        grid = panel["gridPos"]
        if grid["x"] + grid["w"] > 24:
            yield f"dashboard: {panel['title']} is wider than the page"
        for cell in ((x, y) for x in range(grid["x"], grid["x"] + grid["w"])
                     for y in range(grid["y"], grid["y"] + grid["h"])):
            if taken.setdefault(cell, panel["title"]) != panel["title"]:
                yield f"dashboard: {panel['title']} lies over {taken[cell]}"
                break
        sources = [target["datasource"]["uid"] for target in panel.get("targets", [])]
        if set(sources) - {"${datasource}"}:
            yield f"dashboard: {panel['title']} is bound to one data source"
        for target in panel.get("targets", []):
            labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            grouped = set(re.findall(r"\w+", " ".join(GROUPED.findall(target["expr"]))))
            if grouped and not labels <= grouped:
                yield f"dashboard: {panel['title']} has {sorted(labels - grouped)} in its legend, not in its series"
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for title, expr in dashboard_expressions(board):
        yield from expression_findings(f"dashboard, {title}", expr, series, used)
        if unknown := set(re.findall(r"\$\{?([a-z]\w*)", expr)) - variables:
            yield f"dashboard, {title}: no variable {sorted(unknown)}"


def dashboard_as_rules(deploy):
    rules = []
    for number, (_, expr) in enumerate(dashboard_expressions(dashboard(deploy))):
        expr = expr.replace("$__rate_interval", "5m").replace("$__interval", "1m").replace("$__range", "1h")
        rules.append({"record": f"dashboard:expression:{number}", "expr": re.sub(r"\$\{?[a-z]\w*\}?", ".*", expr)})
    return {"groups": [{"name": "dashboard", "rules": rules}]}


def check(deploy):
    series, used = metrics(deploy), set()
    found = [*rules_findings(deploy, series, used), *dashboard_findings(deploy, series, used)]
    found += [f"{name}: on no panel and in no rule" for name in sorted({e[0] for e in series.values()} - used)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


def changed(rule):
    """The rule as it is, without its patience, and with each threshold out of reach or a tenth: (what, rule)."""
    yield "unchanged", rule
    if "for" in rule:
        yield "without-for", {key: value for key, value in rule.items() if key != "for"}
    for place, match in enumerate(COMPARED.finditer(rule["expr"])):
        number = float(match.group(2))
        others = [("far", number * 10 + 1000 if number >= 1 or number == 0 else number * 10)]
        # A tenth of one half is still between none and one.
        if match.group(1) != "==" and number not in (0, 0.5):
            others.append(("near", number / 10))
        for what, other in others:
            expr = rule["expr"][: match.start(2)] + str(other) + rule["expr"][match.end(2):]
            yield f"threshold-{place}-{what}", {**rule, "expr": expr}


def mutants(deploy, out):
    groups = yaml.safe_load(read(deploy, "prometheus", "rules.yaml"))["groups"]
    suite = yaml.safe_load(read(deploy, "prometheus", "rules_test.yaml"))
    for original in alert_rules(deploy):
        name = original["alert"]
        asked = f'alertname="{name}"'
        tests = [{**test, "promql_expr_test": [case for case in test["promql_expr_test"] if asked in case["expr"]]}
                 for test in suite["tests"]]
        for what, rule in changed(original):
            directory = os.path.join(out, f"{name}-{what}")
            os.makedirs(directory)
            others = [
                {**group, "rules": [rule if each.get("alert") == name else each for each in group["rules"]
                                    if each.get("alert", name) == name]}
                for group in groups
            ]
            for file, content in (("rules.yaml", {"groups": others}), ("rules_test.yaml", {**suite, "tests": tests})):
                with open(os.path.join(directory, file), "w", encoding="utf-8") as target:
                    yaml.safe_dump(content, target)
    return 0


def main(mode, deploy, *rest):
    if mode == "check":
        return check(deploy)
    if mode == "dashboard":
        with open(rest[0], "w", encoding="utf-8") as out:
            yaml.safe_dump(dashboard_as_rules(deploy), out)
        return 0
    if mode == "mutants":
        return mutants(deploy, *rest)
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
