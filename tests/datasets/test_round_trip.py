"""Law: what the csv and json modules wrote is read back unchanged."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bead_sklearn.datasets import load_judgments

WORDS = st.sampled_from(["null", "nan", "none", "NA", '"', "a,b", "a\nb", "\r\n", "é"])
STRINGS = st.text(min_size=1, max_size=12) | WORDS
TABLES = st.lists(
    st.tuples(STRINGS, STRINGS, STRINGS, st.floats(allow_nan=False, width=64)).filter(
        lambda row: abs(row[3]) != float("inf")
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(table=TABLES, kind=st.sampled_from(["csv", "tsv", "jsonl"]), data=st.data())
def test_round_trip(table, kind, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("round") / f"d.{kind}"
    names = ["text", "who", "response", "number"]
    if kind == "jsonl":
        ascii_only = data.draw(st.booleans())
        lines = [
            json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=ascii_only)
            for row in table
        ]
        content = "\n".join(lines)
    else:
        stream = io.StringIO(newline="")
        writer = csv.writer(
            stream,
            delimiter="," if kind == "csv" else "\t",
            # Python before 3.13 leaves a lone \r unquoted when lines end in \n.
            **data.draw(
                st.sampled_from(
                    [
                        {"lineterminator": "\n", "quoting": csv.QUOTE_ALL},
                        {"lineterminator": "\r\n", "quoting": csv.QUOTE_MINIMAL},
                    ]
                )
            ),
        )
        writer.writerow(names)
        writer.writerows(table)
        content = stream.getvalue()
    path.write_bytes(content.encode())
    d = load_judgments(
        path,
        text="text",
        response="response",
        participant="who",
        covariates=["number"],
        task="free_text",
        container="records",
    )
    assert d.frame == [dict(zip(names, row, strict=True)) for row in table]
    assert [{"text": row[0], "number": row[3]} for row in table] == d.X
    assert d.y.tolist() == [row[2] for row in table]
    assert d.groups.tolist() == [row[1] for row in table]


@settings(max_examples=60, deadline=None)
@given(
    table=st.lists(st.tuples(STRINGS, STRINGS), min_size=1, max_size=6),
    kind=st.sampled_from(["csv", "jsonl"]),
)
def test_errors_name_the_line_an_editor_shows(table, kind, tmp_path_factory):
    """The row after all others lacks its response."""
    path = tmp_path_factory.mktemp("line") / f"d.{kind}"
    if kind == "csv":
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "response"), *table])
        content = stream.getvalue()
        last = "x,\n"
    else:
        content = "".join(
            json.dumps({"text": a, "response": b}) + "\n" for a, b in table
        )
        last = '{"text": "x"}\n'
    path.write_bytes((content + last).encode())
    universal = content.replace("\r\n", "\n").replace("\r", "\n")
    line = universal.count("\n") + 1
    with pytest.raises(ValueError, match=rf"line {line}, column 'response'"):
        load_judgments(path, text="text", response="response", task="free_text")
