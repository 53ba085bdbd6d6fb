from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from engine.errors import RankbenchError, UsageError
from engine.formats.judgments import JudgmentFile, read_judgments

ESCI_SMALL = Path(
    os.environ.get("RANKBENCH_ESCI", Path(__file__).parents[3] / "shared/data/esci-small")
)
# What each of the files below says, in its own form.
SAME = [("red shoe", "a", "E"), ("red shoe", "b", "I"), ("tent", "c", "S")]


def file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def said(judged: JudgmentFile) -> list[tuple]:
    return judged.frame.select("query", "product_id", "grade").rows()


FILES = {
    "csv": ("j.csv",
        "query_id,query,product_id,label\n7,red shoe,a,E\n7,red shoe,b,I\n9,tent,c,S\n"),
    "tsv": ("j.tsv", "query\tsku\tgrade\nred shoe\ta\tExact\nred shoe\tb\tIrrelevant\n"
            "tent\tc\tSubstitute\n"),
    "numbers": ("n.csv", "query,asin,relevance\nred shoe,a,3\nred shoe,b,0\ntent,c,2\n"),
    "jsonl": ("j.jsonl", "".join(
        json.dumps({"query": q, "product_id": p, "label": g}) + "\n" for q, p, g in SAME)),
    "json": ("j.json", json.dumps([{"query": q, "docId": p, "grade": g} for q, p, g in SAME])),
    "quepid": ("q.csv", "query,docid,rating\nred shoe,a,3\nred shoe,b,0\ntent,c,2\ntent,d,\n"),
    "quepid detailed": ("d.csv",
        "Team Name,Case Name,Case ID,Query Text,Doc ID,Doc Position,Title,Rating\n"
        "t,c,1,red shoe,a,2,A,3\nt,c,1,red shoe,b,1,B,0\nt,c,1,tent,c,1,C,2\nt,c,1,tent,,,,\n"),
    "opensearch": ("o.json", json.dumps({"name": "x", "judgmentRatings": [
        {"query": "red shoe", "ratings": [{"docId": "a", "rating": "3.0"},
                                          {"docId": "b", "rating": "0.0"}]},
        {"query": "tent", "ratings": [{"docId": "c", "rating": "2.0"}]}]})),
    "opensearch answer": ("s.json", json.dumps({"hits": {"hits": [{"_source": {"judgmentRatings": [
        {"query": "red shoe", "ratings": [{"docId": "a", "rating": 3},
                                          {"docId": "b", "rating": 0}]},
        {"query": "tent", "ratings": [{"docId": "c", "rating": 2}]}]}}]}})),
    "opensearch csv": ("o.csv", "query,docId,rating\nred shoe,a,3\nred shoe,b,0\ntent,c,2\n"),
}  # fmt: skip


@pytest.mark.parametrize("form", FILES)
def test_every_form_says_the_same(tmp_path: Path, form: str) -> None:
    judged = read_judgments(file(tmp_path, *FILES[form]))
    assert said(judged) == SAME
    expected = form.split()[0]
    assert judged.format == (expected if expected in ("quepid", "opensearch") else "csv")
    counts = judged.counts
    assert (counts["judgments"], counts["queries"]) == (3, 2)
    assert [counts[grade] for grade in "ESCI"] == [1, 1, 0, 1]
    assert judged.queries["query"].to_list() == ["red shoe", "tent"]
    assert judged.queries.columns == ["query_id", "query"]


def test_ids_are_kept_or_made_from_the_order_of_the_queries(tmp_path: Path) -> None:
    kept = read_judgments(file(tmp_path, *FILES["csv"]))
    assert kept.frame["query_id"].to_list() == ["7", "7", "9"] and not kept.made_ids
    made = read_judgments(file(tmp_path, *FILES["quepid"]))
    assert made.frame["query_id"].to_list() == ["q0001", "q0001", "q0002"] and made.made_ids


def test_the_raw_value_and_the_mapping_are_kept(tmp_path: Path) -> None:
    judged = read_judgments(file(tmp_path, *FILES["numbers"]))
    assert judged.frame["value"].to_list() == ["3", "0", "2"]
    assert judged.scale == "0-3" and judged.mapping == {"3": "E", "2": "S", "0": "I"}


TOPICS = {
    "tsv": "7\tred shoe\n9\ttent\n8\tnever judged\n",
    "colon": "7:red shoe\n9:tent\n8:never judged\n",
    "table": "query_id,query,split\n7,red shoe,train\n9,tent,test\n8,never judged,dev\n",
    "tagged": "<top>\n<num> Number: 7\n<title> red shoe\n<desc> Description:\nany\n</top>\n"
    "<top>\n<num>9</num><title>tent</title></top><top><num>8<title>never judged</top>",
    "xml": '<topics><topic number="7"><query>red shoe</query><narrative>x</narrative></topic>'
    '<topic number="9"><query>tent</query></topic></topics>',
}


@pytest.mark.parametrize("form", TOPICS)
def test_trec_qrels_find_their_topics(tmp_path: Path, form: str) -> None:
    qrels = file(tmp_path, "qrels.txt", "7 0 a 2\n7 0 b 0\n9\t0\tc\t1\n5 0 d 1\n")
    judged = read_judgments(qrels, queries=file(tmp_path, "topics", TOPICS[form]))
    assert said(judged) == SAME and judged.format == "qrels"
    assert judged.frame["query_id"].to_list() == ["7", "7", "9"]
    assert judged.dropped["query not in the queries file"] == 1


def test_qrels_without_topics_ask_for_them(tmp_path: Path) -> None:
    with pytest.raises(RankbenchError, match="no texts") as caught:
        read_judgments(file(tmp_path, "qrels.txt", "7 0 a 2\n"))
    assert "--queries" in caught.value.todo


def test_the_esci_examples_are_read(tmp_path: Path) -> None:
    rows = [
        {"example_id": n, "query": query, "query_id": 40 + (query == "tent"), "product_id": product,
         "product_locale": "us", "esci_label": grade, "small_version": 1, "large_version": 1,
         "split": "test" if query == "tent" else "train"}
        for n, (query, product, grade) in enumerate(SAME)
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(tmp_path / "shopping_queries_dataset_examples.parquet")
    judged = read_judgments(tmp_path)
    assert said(judged) == SAME and judged.format == "esci"
    assert judged.queries.select("query_id", "split").rows() == [("40", "train"), ("41", "test")]


def test_the_wands_labels_are_read_with_their_queries(tmp_path: Path) -> None:
    file(
        tmp_path, "query.csv", "query_id\tquery\tquery_class\n0\tred shoe\tShoes\n1\ttent\tTents\n"
    )
    labels = (
        "id\tquery_id\tproduct_id\tlabel\n0\t0\ta\tExact\n1\t0\tb\tIrrelevant\n2\t1\tc\tPartial\n"
    )
    path = file(tmp_path, "label.csv", labels)
    for place in (tmp_path, path):
        judged = read_judgments(place)
        assert said(judged) == SAME and judged.format == "wands"
        assert judged.queries["query_class"].to_list() == ["Shoes", "Tents"]


def test_columns_that_say_one_thing_a_query_are_the_querys(tmp_path: Path) -> None:
    text = (
        "query,product_id,label,Stratum,Split,title\n"
        "shoe,a,E,jargon,train,A\nshoe,b,I,jargon,train,B\ntent,c,E,plain,test,C\n"
    )
    judged = read_judgments(file(tmp_path, "j.csv", text))
    assert judged.queries.columns == ["query_id", "query", "stratum", "split"]
    assert judged.queries["stratum"].to_list() == ["jargon", "plain"]


def test_a_queries_file_has_the_last_word(tmp_path: Path) -> None:
    judgments = file(tmp_path, "j.csv", "query_id,query,product_id,label\n1,shoo,a,E\n2,gone,a,E\n")
    queries = file(tmp_path, "q.csv", "id,query,stratum\n1,shoe,x\n3,other,y\n")
    judged = read_judgments(judgments, queries=queries)
    assert judged.queries.rows() == [("1", "shoe", "x")]
    assert judged.dropped == {
        "queries without a judgment": 1,
        "query not in the queries file": 1,
    }


def test_a_queries_file_without_ids_is_joined_by_text(tmp_path: Path) -> None:
    queries = file(tmp_path, "queries.csv", "query,stratum\nred shoe,x\ntent,y\n")
    judged = read_judgments(file(tmp_path, *FILES["quepid"]), queries=queries)
    assert judged.queries["stratum"].to_list() == ["x", "y"]


def test_a_plain_order_is_graded_in_thirds(tmp_path: Path) -> None:
    text = "query,product_id\n" + "".join(f"shoe,p{n}\n" for n in range(6)) + "tent,x\n"
    judged = read_judgments(file(tmp_path, "order.csv", text))
    assert judged.scale == "order"
    assert judged.frame["grade"].to_list() == ["E", "E", "S", "S", "C", "C", "E"]
    assert judged.frame["value"].to_list() == ["1", "2", "3", "4", "5", "6", "1"]


def test_a_rank_column_is_an_order(tmp_path: Path) -> None:
    text = "query,product_id,rank,title\nshoe,last,30,x\nshoe,first,1,y\nshoe,mid,2,z\n"
    judged = read_judgments(file(tmp_path, "ranks.csv", text))
    assert said(judged) == [("shoe", "first", "E"), ("shoe", "mid", "S"), ("shoe", "last", "C")]
    assert judged.frame["value"].to_list() == ["1", "2", "30"]


def test_a_score_column_is_continuous(tmp_path: Path) -> None:
    text = "query,product_id,score\nshoe,a,0.93\nshoe,b,0.6\nshoe,c,0.01\n"
    judged = read_judgments(file(tmp_path, "scores.csv", text))
    assert judged.scale == "continuous" and judged.frame["grade"].to_list() == ["E", "S", "I"]


def test_a_missing_grade_column_is_not_taken_for_an_order(tmp_path: Path) -> None:
    path = file(tmp_path, "j.csv", "query,product_id,title\nshoe,a,A\nshoe,b,B\n")
    with pytest.raises(RankbenchError, match="grade") as caught:
        read_judgments(path)
    assert "--scale order" in caught.value.todo
    assert read_judgments(path, scale="order").frame["grade"].to_list() == ["E", "S"]


def test_duplicates_and_contradictions_are_counted_apart_and_the_first_kept(tmp_path: Path) -> None:
    text = "query,product_id,label\nshoe,a,E\nshoe,a,E\nshoe,a,I\nshoe,b,S\nshoe,a,C\n"
    judged = read_judgments(file(tmp_path, "j.csv", text))
    assert said(judged) == [("shoe", "a", "E"), ("shoe", "b", "S")]
    assert (judged.counts["duplicates"], judged.counts["contradictions"]) == (1, 2)


def test_rows_that_say_nothing_are_counted(tmp_path: Path) -> None:
    text = "query,product_id,label\nshoe,a,E\n  ,a,E\nshoe,,E\nshoe,b,NaN\nshoe,c,\n\x07,d,E\n"
    judged = read_judgments(file(tmp_path, "j.csv", text))
    assert said(judged) == [("shoe", "a", "E")]
    assert judged.dropped == {"no query": 2, "no product": 1, "no grade": 2}


def test_one_query_id_has_one_text(tmp_path: Path) -> None:
    text = "qid,query,product_id,label\n1,Shoe,a,E\n1,shoe,b,I\n"
    judged = read_judgments(file(tmp_path, "j.csv", text))
    assert judged.frame["query"].to_list() == ["Shoe", "Shoe"]
    assert judged.queries.rows() == [("1", "Shoe")]


def test_hostile_query_text_is_cleaned(tmp_path: Path) -> None:
    text = f'query,product_id,label\n" red\x1b[31m  {"x" * 2000}",a,E\n😀,b,I\n'
    judged = read_judgments(file(tmp_path, "j.csv", text))
    assert judged.queries["query"][1] == "😀"
    assert judged.queries["query"][0].startswith("red x")
    assert len(judged.queries["query"][0]) <= 512


def test_unknown_products_are_counted(tmp_path: Path) -> None:
    judged = read_judgments(file(tmp_path, *FILES["csv"]))
    assert judged.unknown_products({"a", "c"}) == 1
    assert judged.unknown_products([]) == 3


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("query,product_id,label\nshoe,a,great\nshoe,b,E\n", "great"),
        ("query,label\nshoe,E\n", "product"),
        ("product_id,label\na,E\n", "query"),
        ("query_id,product_id,label\n1,a,E\n", "no texts"),
        ("query,product_id,label\n,,\nx,,E\n", "no judgment"),
        ("query,product_id,label\nx,a,NaN\n", "no grade"),
        ("query,product_id,label\n", "no rows"),
        ('{"judgmentRatings": [{"query": "x"}]}', "judgment list"),
        ('{"judgmentRatings": []}', "empty"),
        ("", "empty"),
        ("1 0 a 1\n" * 30 + "1 0 a b 1\n", "Line 31"),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(RankbenchError, match=what) as caught:
        read_judgments(file(tmp_path, "j.csv", text))
    assert caught.value.todo and "\n" not in caught.value.what


def test_a_missing_file_and_an_odd_directory_are_clear_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(RankbenchError):
            read_judgments(path)


def test_an_unknown_scale_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_judgments(file(tmp_path, *FILES["csv"]), scale="stars")


@pytest.mark.skipif(not ESCI_SMALL.is_dir(), reason="the real set is not beside the repository")
def test_the_real_set_is_read_whole() -> None:
    judged = read_judgments(ESCI_SMALL / "judgments.csv")
    assert judged.counts["judgments"] == 5368 and judged.counts["queries"] == 120
    assert judged.scale == "letters" and not judged.dropped
    assert judged.counts["duplicates"] == judged.counts["contradictions"] == 0


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("qid,Search Term,Rating", "1,tent,3\n"),
        ("Doc,Rating", "p1,3\n"),
        ("qid,Search Term,Doc,Shelf", "1,tent,p1,a\n1,tent,p2,b\n"),
    ],
    ids=["no product", "no query", "no grade"],
)
def test_an_error_names_the_columns_as_the_file_does(
    header: str, rows: str, tmp_path: Path
) -> None:
    (tmp_path / "j.csv").write_text(f"{header}\n{rows}")
    with pytest.raises(RankbenchError) as caught:
        read_judgments(tmp_path / "j.csv")
    assert f"(it has {', '.join(header.split(','))})" in caught.value.what
