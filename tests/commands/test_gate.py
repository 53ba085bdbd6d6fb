"""`gate`: exit status, one line a rule, protected queries, JSON and JUnit."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands.conftest import ROOT

ALWAYS, NEVER = "ndcg@10 >= base - 1", "ndcg@10 > base + 1"
SCRIPT = """\
gate() { "$PYTHON" -m workbench gate --baseline bm25 --candidate bm25 --split all "$@"; }
gate -w "$WORKSPACE" --rule "ndcg@10 >= base" --rule "harmed <= 20%"; echo "held $?"
gate -w "$WORKSPACE" --rule "ndcg@10 > base"; echo "failed $?"
gate -w "$WORKSPACE" --rule "ndcg@10 => base"; echo "unread $?"
gate -w "$WORKSPACE/lance" --rule "ndcg@10 >= base"; echo "unusable $?"
gate -w "$WORKSPACE/lance" --rule "ndcg@10 => base"; echo "both $?"
"""


def options(root: Path, *more: object) -> list[object]:
    return ["gate", "-w", root, "--candidate", "bm25", "--split", "all", *more]


def test_a_shell_script_can_tell_what_happened(made: Path) -> None:
    environment = {"PYTHON": sys.executable, "WORKSPACE": str(made), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    lines = [line for line in done.stdout.splitlines() if line[:4] not in ("pass", "FAIL")]
    assert lines == ["held 0", "failed 3", "unread 2", "unusable 1", "both 2"]
    rules = [line for line in done.stdout.splitlines() if line not in lines]
    assert [line[:6] for line in rules] == ["pass  ", "pass  ", "FAIL  "]
    assert "column 9, '=>'" in done.stderr and "Traceback" not in done.stderr


def test_every_line_names_its_figures_its_set_and_its_n(made: Path, rankbench: Any) -> None:
    result = rankbench(*options(made, "--rule", ALWAYS, "--rule", NEVER, "--rule", "harmed>=0%"))
    assert result.code == 3
    first, second, third = result.out.splitlines()
    for line, word in ((first, "pass"), (second, "FAIL"), (third, "pass")):
        assert line.startswith(word) and "n 12, all, catalog" in line and "needs" in line
    assert re.search(r"delta [+-]0\.\d{4} \([+-]0\.\d{4} to [+-]0\.\d{4}\)", first)
    assert re.search(r"\d % \(\d+ of 12\)", third)
    assert "bm25 against base, 12 queries (all)" in result.err
    assert "With n = 12 an interval is wide" in result.err


def test_json_agrees_with_eval(made: Path, rankbench: Any) -> None:
    told = rankbench("eval", *options(made, "--json")[1:]).json
    rules = ["--rule", ALWAYS, "--rule", "recall@50.low >= base - 1", "--rule", "improved >= 0%"]
    found = rankbench(*options(made, *rules, "--json")).json
    assert found["passed"] is True and found["split"] == "all" and found["queries"] == 12
    assert found["inputs"] == told["inputs"]
    mean, low, share = found["rules"]
    assert mean["value"] == pytest.approx(told["candidate"]["ndcg@10"])
    assert mean["base"] == told["baseline"]["ndcg@10"]
    assert mean["needed"] == pytest.approx(mean["base"] - 1)
    assert mean["delta"] == told["delta"]["ndcg@10"] and mean["n"] == 12
    assert low["value"] == pytest.approx(low["base"] + told["delta"]["recall@50"]["low"])
    assert share["count"] == told["delta"]["ndcg@10"]["improved"]
    failed = rankbench(*options(made, "--rule", NEVER, "--json"))
    assert failed.code == 3 and '"passed": false' in failed.out


def test_a_rule_that_holds_on_a_fragile_difference_says_so(
    fragile_sides: list[object], tmp_path: Path, rankbench: Any
) -> None:
    rules = ("ndcg@10 >= base - 0.1", "ndcg@10.low >= base - 0.1", "harmed <= 90%")
    rules += ("mrr@10 >= base", "ndcg@10 >= base")
    xml = tmp_path / "gate.xml"
    asked = [*fragile_sides, "--split", "all", *(f"--rule={rule}" for rule in rules)]
    told = rankbench("gate", *asked, "--junit", xml)
    assert told.code == 3
    mean, low, share, same, failed = told.out.splitlines()
    for line in (mean, low):
        assert line.startswith("pass") and "), fragile, n 24, all, catalog" in line
    assert [line[:4] for line in (share, same, failed)] == ["pass", "pass", "FAIL"]
    assert not any("fragile" in line for line in (share, same, failed))
    assert "fragile: the interval excludes 0" in told.err
    assert "fragile" in next(ET.parse(xml).getroot().iter("system-out")).text
    # What is said changes no status.
    assert rankbench("gate", *fragile_sides, "--split", "all", f"--rule={rules[0]}").code == 0
    found = rankbench("gate", *asked[:-2], "--json").json["rules"]
    assert [rule["fragile"] for rule in found] == [True, True, False]


def test_a_named_set_is_named_with_its_n_also_where_it_is_too_small(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    listed = tmp_path / "one.txt"
    listed.write_text("hose\n")
    assert rankbench("import", "queries", listed, "--set", "few", "-w", workspace).code == 0
    gate = options(workspace, "--set", "few", "--rule")
    held = rankbench(*gate, ALWAYS)
    assert held.code == 0 and "n 1, few, all, catalog" in held.out
    assert "bm25 against base, 1 query (few, all)" in held.err
    small = rankbench(*gate, "ndcg@10.low >= base - 1")
    small.assert_error(1, "6 queries or more, and n is 1 (few, all).", "--set or --split")
    told = [rankbench(*gate, ALWAYS, "--split", split) for split in ("train", "dev", "test")]
    none = [result for result in told if result.code == 1]
    assert len(none) == 2  # one query is in one split
    assert all("The one judged query of the set few is not in " in one.err for one in none)


def run_of(tmp_path: Path, **first: str) -> str:
    """A run that answers these queries with one product each, and no other."""
    rows = [f"{query.replace('_', ' ')},{product},1" for query, product in first.items()]
    (tmp_path / "r.csv").write_text("\n".join(["query,product_id,rank", *rows]) + "\n")
    return f"run:{tmp_path / 'r.csv'}"


def test_protected_queries_may_not_be_harmed(made: Path, tmp_path: Path, rankbench: Any) -> None:
    listed = tmp_path / "protect.txt"
    listed.write_text("# ours\n\n  HOSES \nhose\nglass lid\n")
    base = run_of(tmp_path, hose="p09", glass_lid="p14")
    gate = ["gate", "-w", made, "--baseline", base, "--protect", listed]
    same = rankbench(*gate, "--candidate", base)
    assert same.code == 0 and len(same.out.splitlines()) == 1
    assert same.out.startswith("pass  protected  none of 2 queries harmed")
    (tmp_path / "worse").mkdir()
    worse = run_of(tmp_path / "worse", hose="p10", glass_lid="p14")
    harmed = rankbench(*gate, "--candidate", worse)
    assert harmed.code == 3
    (line,) = harmed.out.splitlines()
    assert line.startswith("FAIL  protected: hose  ") and "needs >= -0.0100" in line
    xml = tmp_path / "gate.xml"
    gate += ["--candidate", worse, "--junit", xml, "--rule", "ndcg@10 <= base", "--split", "all"]
    found = rankbench(*gate, "--json")
    assert found.code == 3
    cases = {case.get("name"): case for case in ET.parse(xml).getroot().iter("testcase")}
    assert list(cases) == ["ndcg@10 <= base", "hose", "glass lid"]
    assert [case.find("failure") is not None for case in cases.values()] == [False, True, False]


def test_a_protected_query_counts_whatever_its_split_or_training(
    made: Path, workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    from engine.encoders.card import Card, write_card

    tuned = workspace / "encoders" / "tuned"
    shutil.copytree(workspace / "encoders" / "base", tuned)
    write_card(tuned, Card("tuned", base="base", trained_queries=("hose",)))
    assert rankbench("index", "-w", workspace, "--encoder", "tuned").code == 0
    (tmp_path / "p.txt").write_text("hose\n")
    gate = ["gate", "-w", workspace, "--candidate", "tuned", "--rule", "ndcg@10 >= base"]
    result = rankbench(*gate, "--protect", tmp_path / "p.txt")
    assert result.code == 0, result.err
    rule, protected = result.out.splitlines()
    assert "n 11, unseen" in rule and "1 trained or chose a side" in protected
    again = rankbench(*gate, "--protect", tmp_path / "p.txt", "--json").json
    assert [(q["query"], q["seen"], q["delta"]) for q in again["protected"]] == [("hose", True, 0)]
    looked = rankbench("search", "hose", "-w", workspace, "--candidate", "tuned")
    assert "a side was trained or chosen on it" in looked.out
    seen = rankbench(*gate, "--split", "all")
    assert "1 of the 12 queries trained or chose one of the sides," in seen.err


def test_a_query_that_cannot_be_protected_is_named(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    listed = tmp_path / "p.txt"
    listed.write_text("hose\nno such query\n\x1b[31mred\n")
    result = rankbench(*options(workspace, "--protect", listed))
    result.assert_error(1, "not judged", "'no such query'", "import judgments")
    assert "'hose'" not in result.err and "\x1b" not in result.err
    (tmp_path / "j.csv").write_text("query,product_id,label\nlost,elsewhere,E\n")
    assert rankbench("import", "judgments", tmp_path / "j.csv", "-w", workspace).code == 0
    listed.write_text("lost\n")
    lost = rankbench(*options(workspace, "--protect", listed))
    lost.assert_error(1, "positive gain", "'lost'")
    listed.write_text("# nothing\n")
    empty = rankbench(*options(workspace, "--protect", listed, "--rule", ALWAYS))
    empty.assert_error(1, "lists no query")


def test_a_verdict_alone_makes_no_query_to_protect(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    assert rankbench("flag", "new tent", "p01", "E", "-w", workspace).code == 0
    (tmp_path / "p.txt").write_text("new tent\n")
    found = rankbench(*options(workspace, "--protect", tmp_path / "p.txt"))
    found.assert_error(1, "not judged", "new tent")


def test_rules_come_from_a_file_too(made: Path, tmp_path: Path, rankbench: Any) -> None:
    rules = tmp_path / "rules.txt"
    rules.write_text(f"# the release\n{ALWAYS}\n\nharmed <= 100%\n")
    result = rankbench(*options(made, "--rules", rules, "--rule", "mrr@10 <= base + 1"))
    assert result.code == 0, result.err
    lines = [line.split()[1] for line in result.out.splitlines()]
    assert lines == ["mrr@10", "ndcg@10", "harmed"]
    rules.write_text(f"{ALWAYS}\n\nharmed <= 20\n")
    broken = rankbench(*options(made, "--rules", rules))
    broken.assert_error(2, "rules.txt, line 3", "column 13")
    assert broken.out == ""
    rankbench(*options(made, "--rules", tmp_path / "none")).assert_error(1, "no file")


def test_nothing_to_check_and_nothing_to_check_it_on(made: Path, rankbench: Any) -> None:
    rankbench(*options(made)).assert_error(2, "nothing to check", "--rule")
    rankbench(*options(made, "--rule", "ndcg >= base")).assert_error(2, "--candidates judged")
    judged = rankbench(*options(made, "--rule", "ndcg >= base - 1", "--candidates", "judged"))
    assert judged.code == 0, judged.err
    nobody = rankbench(*options(made, "--rule", ALWAYS, "--candidate", "nobody"))
    nobody.assert_error(1, "no encoder called")


def test_a_split_without_a_query_cannot_be_gated(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    judgments = tmp_path / "j.csv"
    judgments.write_text("query,product_id,label,split\nhose,p09,E,train\ntent,p01,E,train\n")
    init = ["init", tmp_path / "w", "--catalog", shop / "products.csv", "--judgments", judgments]
    assert rankbench(*init).code == 0
    sides = ["--baseline", "bm25", "--candidate", "bm25", "--split", "dev", "--rule", ALWAYS]
    rankbench("gate", "-w", tmp_path / "w", *sides).assert_error(1, "in dev", "--split")


def test_the_pipeline_in_the_readme_works(
    shop: Path, tiny_encoder_dir: Path, tmp_path: Path, rankbench: Any, monkeypatch: Any
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)[0])
    (job,) = workflow["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs[0].startswith("pip install -c rankbench/constraints.txt")
    shutil.copy(shop / "products.csv", tmp_path / "catalog.csv")
    shutil.copy(shop / "judgments.csv", tmp_path / "judgments.csv")
    shutil.copytree(tiny_encoder_dir, tmp_path / "models" / "candidate")
    (tmp_path / "protect.txt").write_text("hose\n")
    monkeypatch.chdir(tmp_path)
    codes = []
    for run in runs[1:]:
        name, *words = shlex.split(run)
        assert name == "rankbench"
        if words[0] == "init":
            words += ["--encoder", tiny_encoder_dir]  # the base of the README is quite large
        codes.append(rankbench(*words).code)
    # Two sides that are the same: no rule that asks for a gain can hold.
    assert codes == [0] * (len(codes) - 1) + [3]
    assert ET.parse(tmp_path / "gate.xml").getroot().get("failures") == "1"


def test_a_gate_that_could_not_run_leaves_no_earlier_file(tmp_path: Path, rankbench) -> None:
    earlier = tmp_path / "gate.xml"
    earlier.write_text("<testsuites/>")
    told = rankbench("gate", "-w", tmp_path / "nowhere", "--rule", ALWAYS, "--junit", earlier)
    assert told.code == 1 and not earlier.exists()
