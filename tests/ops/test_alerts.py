"""The alert rules and the dashboard: valid, tested, explained, on existing metrics alone."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from service.ops.metrics import FAMILIES

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "service" / "ops" / "alerts.yaml"
TRIED = ROOT / "tests" / "ops" / "alerts.test.yaml"

DASHBOARD: dict[str, Any] = json.loads((ROOT / "service" / "ops" / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = YAML(typ="safe").load(ALERTS)["groups"][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SHOWN = [target["expr"] for panel in PANELS for target in panel["targets"]]

SCRAPED = {"job", "instance"}
"""The labels that Prometheus itself adds."""


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Its exit status, and all that it says."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def unknown(expression: str) -> list[str]:
    """The metrics and labels of an expression that do not exist."""
    found = []
    for name, matchers in re.findall(
        r"\b((?:task_service|process)_\w+|up)\b(?:\{([^}]*)\})?",
        re.sub(r"\{user_id\}", "", expression),
    ):
        if name == "up":
            continue
        family = FAMILIES.get(name) or FAMILIES.get(re.sub(r"_(bucket|sum|count)$", "", name))
        if family is None:
            found.append(name)
            continue
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        found += [f"{name}.{label}" for label in labels - set(family.labels) - SCRAPED]
    return found


def test_an_unknown_metric_or_label_is_found() -> None:
    """A metric or label that does not exist is found in an expression."""
    assert unknown('rate(task_service_nothing_total[5m]) + process_open_fds{color="red"} + up') == [
        "task_service_nothing_total",
        "process_open_fds.color",
    ]


def test_promtool_accepts_the_rules() -> None:
    """Promtool accepts the rules."""
    status, said = promtool("check", "rules", ALERTS)
    assert (status, "SUCCESS" in said) == (0, True), said


def test_each_alert_fires_on_its_case_alone() -> None:
    """Each alert fires on its own case, with its text, and none when nothing is wrong."""
    status, said = promtool("test", "rules", TRIED)
    assert status == 0, said
    fired = [
        test["alertname"]
        for case in YAML(typ="safe").load(TRIED)["tests"]
        for test in case["alert_rule_test"]
        if "exp_alerts" in test
    ]
    assert fired == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_rules_use_existing_metrics_and_have_a_severity(rule: dict[str, Any]) -> None:
    """Every metric and label of a rule exists, and every rule has a severity."""
    assert unknown(rule["expr"]) == []
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_runbook_has_every_alert() -> None:
    """The runbook explains each alert, and no other."""
    text = (ROOT / "service" / "ops" / "README.md").read_text()
    assert re.findall(r"^\| `(TaskService\w+)` \|", text, flags=re.MULTILINE) == [
        rule["alert"] for rule in RULES
    ]


def test_the_dashboard_shows_exactly_the_existing_metrics() -> None:
    """Every metric and label on the dashboard exists, and every metric there is is on the
    dashboard.
    """
    assert [name for expression in SHOWN for name in unknown(expression)] == []
    everything = " ".join(SHOWN)
    assert [name for name in FAMILIES if name not in everything] == []


def test_the_dashboards_expressions_are_promql(tmp_path: Path) -> None:
    """Each expression on the dashboard is PromQL."""
    plain = [
        expression.replace("$__rate_interval", "5m")
        .replace("$job", ".*")
        .replace("$instance", ".*")
        for expression in SHOWN
    ]
    rules = {
        "groups": [
            {
                "name": "dashboard",
                "rules": [{"record": f"shown{n}", "expr": text} for n, text in enumerate(plain)],
            }
        ]
    }
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    status, said = promtool("check", "rules", tmp_path / "rules.yaml")
    assert status == 0, said


def test_each_panel_has_a_place_title_text_and_unit() -> None:
    """Each panel has a place of its own, a title, a text and a unit."""
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        own = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not own & places, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        places |= own
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(
        panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        for panel in PANELS
    )
