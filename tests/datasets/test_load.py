"""What files become, and what every broken file says."""

import bz2
import gzip
import json
import lzma
import math

import numpy as np
import pytest

from bead_sklearn.datasets import load_judgments, make_judgments
from bead_sklearn.datasets._tasks import TASKS

BASIC = {"text": "text", "response": "response"}


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv", encoding="utf-8"):
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode(encoding)
        path.write_bytes(content)
        return path

    return write


def jsonl(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


CSV = "who,what,text,response,age\np1,i1,A cat.,yes,30\np2,i1,A cat.,no,41.5\n"


def test_columns_of_a_csv_file(write):
    d = load_judgments(
        write(CSV), **BASIC, participant="who", item="what", covariates=["age"]
    )
    assert list(d.X.columns) == ["text", "age"]
    assert d.X["text"].tolist() == ["A cat.", "A cat."]
    assert d.X["age"].tolist() == [30.0, 41.5]
    assert d.y.tolist() == ["yes", "no"]
    assert d.groups.tolist() == ["p1", "p2"]
    assert d.items.tolist() == ["i1", "i1"]
    assert list(d.frame.columns) == ["who", "what", "text", "response", "age"]
    assert d.truth is None
    assert d.task is None
    assert "data.csv" in d.DESCR


def test_without_ids(write):
    d = load_judgments(write(CSV), **BASIC)
    assert d.groups is None
    assert d.items is None
    assert repr(d) == "Judgments(task=None, n_judgments=2)"


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".GZ", gzip.compress),
    ],
)
@pytest.mark.parametrize("kind", [".csv", ".tsv", ".tab", ".jsonl", ".ndjson"])
def test_formats_and_compressions(write, kind, suffix, compress):
    if "json" in kind:
        text = jsonl({"text": "é,\t", "response": 1}, {"text": "b", "response": 2})
    else:
        sep = "," if kind == ".csv" else "\t"
        text = f'text{sep}response\n"é,\t"{sep}1\nb{sep}2\n'
    d = load_judgments(write(compress(text.encode()), f"d{kind}{suffix}"), **BASIC)
    assert d.X["text"].tolist() == ["é,\t", "b"]
    assert d.y.tolist() == [1, 2]


def test_separator_and_encoding(write):
    path = write("text;response\nprüfen;ja\n", "d.txt", "latin-1")
    d = load_judgments(path, **BASIC, sep=";", encoding="latin-1")
    assert d.X["text"].tolist() == ["prüfen"]
    path = write("text,response\nü,1\n", encoding="utf-16")
    assert load_judgments(path, **BASIC, encoding="utf-16").X["text"][0] == "ü"


def test_byte_order_mark_and_line_ends(write):
    d = load_judgments(write(b"\xef\xbb\xbftext,response\r\na,1\r\nb,2\r\n"), **BASIC)
    assert d.X["text"].tolist() == ["a", "b"]
    d = load_judgments(write("\n\ntext,response\n\na,1\n\n\nb,2"), **BASIC)
    assert d.y.tolist() == [1, 2]
    d = load_judgments(write('{"text":"a","response":1}\r\n\r\n', "d.jsonl"), **BASIC)
    assert d.y.tolist() == [1]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_words_that_look_missing_are_words(write, kind):
    words = ["null", "nan", "none", "NA", "NaN", "None", "N/A", " ", "#N/A", "inf"]
    if kind == "csv":
        content = "text,response,who\n" + "".join(f"{w},{w},{w}\n" for w in words)
    else:
        content = jsonl(*({"text": w, "response": w, "who": w} for w in words))
    path = write(content, f"d.{kind}")
    for task in (None, "categorical", "cloze", "free_text"):
        d = load_judgments(path, **BASIC, participant="who", task=task)
        assert d.y.tolist() == words
        assert d.X["text"].tolist() == words
        assert d.groups.tolist() == words
        assert d.frame["response"].tolist() == words


@pytest.mark.parametrize(
    ("task", "responses", "expected", "classes"),
    [
        ("binary", ["yes", "no"], ["yes", "no"], ("no", "yes")),
        ("binary", ["1", "0"], [1, 0], (0, 1)),
        ("categorical", ["1", "01", "b"], ["1", "01", "b"], ("01", "1", "b")),
        ("categorical", ["-3", "12"], [-3, 12], (-3, 12)),
        ("categorical", ["1.0", "2"], ["1.0", "2"], ("1.0", "2")),
        ("categorical", ["1", "-0"], ["1", "-0"], ("-0", "1")),
        ("categorical", ["1", "9" * 19], ["1", "9" * 19], ("1", "9" * 19)),
        ("cloze", ["1", "2"], ["1", "2"], None),
        ("free_text", ["12", "x"], ["12", "x"], None),
        ("ordinal", ["7", "1"], [7, 1], (1, 7)),
        ("ordinal", ["7", "1.5"], [7.0, 1.5], (1.5, 7.0)),
        ("slider", ["0", "1"], [0.0, 1.0], None),
        ("magnitude", [" 1e2", "-.5"], [100.0, -0.5], None),
        (None, ["1", "2"], [1, 2], None),
        (None, ["1", "2.5"], [1.0, 2.5], None),
        (None, ["1", "nan"], ["1", "nan"], None),
        (None, ["1_0", "2"], ["1_0", "2"], None),
    ],
)
def test_responses(write, task, responses, expected, classes):
    content = "text,response\n" + "".join(f"t,{r}\n" for r in responses)
    d = load_judgments(write(content), **BASIC, task=task)
    assert d.y.tolist() == expected
    assert [type(v) for v in d.y.tolist()] == [type(v) for v in expected]
    assert d.classes == classes
    assert d.frame["response"].tolist() == expected


@pytest.mark.parametrize(
    ("task", "responses", "expected"),
    [
        ("binary", [True, False], ["true", "false"]),
        ("categorical", [1, "2"], [1, 2]),
        ("categorical", [1, "x", 2.5], ["1", "x", "2.5"]),
        ("ordinal", [1, 2], [1, 2]),
        ("ordinal", [1, 2.5], [1.0, 2.5]),
        ("ordinal", [1, "2"], [1.0, 2.0]),
        ("slider", [1, 0.5], [1.0, 0.5]),
        (None, [1, 0.5], [1.0, 0.5]),
    ],
)
def test_json_responses(write, task, responses, expected):
    path = write(jsonl(*({"text": "t", "response": r} for r in responses)), "d.jsonl")
    y = load_judgments(path, **BASIC, task=task).y.tolist()
    assert y == expected
    assert [type(v) for v in y] == [type(v) for v in expected]


def test_multi_select(write):
    path = write("text,response\nt,a|c\nt,\nt,b\nt,a|c\n")
    d = load_judgments(path, **BASIC, task="multi_select")
    assert d.classes == ("a", "b", "c")
    assert d.y.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 0, 1]]
    d = load_judgments(path, **BASIC, task="multi_select", options=["c", "z", "a", "b"])
    assert d.classes == ("c", "z", "a", "b")
    assert d.y[0].tolist() == [1, 0, 1, 0]
    path = write("text,response\nt,a; b\n")
    d = load_judgments(path, **BASIC, task="multi_select", option_separator="; ")
    assert d.classes == ("a", "b")


def test_multi_select_lists(write):
    responses = [["a", "b|c"], [], None, "", "x|a"]
    path = write(jsonl(*({"text": "t", "response": r} for r in responses)), "d.jsonl")
    d = load_judgments(path, **BASIC, task="multi_select")
    assert d.classes == ("a", "b|c", "x")
    assert d.y.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1]]


def test_forced_choice_with_ragged_options(write):
    path = write("a,b,c,response\nA,B,,one\nA,,C,c\n")
    d = load_judgments(
        path,
        text=["a", "b", "c"],
        response="response",
        task="forced_choice",
        relabel={"one": "b"},
        container="records",
    )
    assert d.y.tolist() == ["b", "c"]
    assert d.X == [{"a": "A", "b": "B", "c": None}, {"a": "A", "b": None, "c": "C"}]


def test_covariates(write):
    path = write("text,response,n,flag\na,1,3,True\nb,2,4,false\n")
    d = load_judgments(path, **BASIC, covariates=["flag", "n"])
    assert list(d.X.columns) == ["text", "flag", "n"]
    assert d.X["flag"].tolist() == [1.0, 0.0]
    assert d.X["n"].tolist() == [3, 4]


def test_other_columns_stay_as_they_are(write):
    path = write("text,response,code,gap\na,1,007,\nb,2,1e5,x\n")
    frame = load_judgments(path, **BASIC, container="records").frame
    assert [row["code"] for row in frame] == ["007", "1e5"]
    assert [row["gap"] for row in frame] == [None, "x"]


def test_other_json_columns(write):
    common = {"text": "a", "response": 1}
    path = write(
        jsonl(
            {**common, "i": 1, "f": 1, "b": True, "m": [1], "g": 1, "big": 2**70},
            {**common, "i": 2, "f": 0.5, "b": False, "m": "x", "big": 1, "late": "z"},
        ),
        "d.jsonl",
    )
    frame = load_judgments(path, **BASIC, container="polars").frame
    assert frame["i"].to_list() == [1, 2]
    assert frame["f"].to_list() == [1.0, 0.5]
    assert frame["b"].to_list() == [True, False]
    assert frame["m"].to_list() == ["[1]", "x"]
    assert frame["g"][0] == 1
    assert math.isnan(frame["g"][1])
    assert frame["big"].to_list() == [str(2**70), "1"]
    assert frame["late"].to_list() == [None, "z"]


def test_json_ids(write):
    content = jsonl({"text": "a", "response": 1, "who": 7, "i": "x"})
    path = write(content, "d.jsonl")
    d = load_judgments(path, **BASIC, participant="who", item="i")
    assert d.groups.tolist() == ["7"]


def test_text_can_serve_as_item(write):
    d = load_judgments(write(CSV), **BASIC, item="text")
    assert d.items.tolist() == ["A cat.", "A cat."]


@pytest.mark.parametrize("container", ["pandas", "polars", "records"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_simulated_judgments_survive_a_file(tmp_path, task, kind, container):
    made = make_judgments(task, n_items=20, random_state=0, container=container)
    polars = make_judgments(task, n_items=20, random_state=0, container="polars").frame
    path = tmp_path / f"d.{kind}"
    if kind == "jsonl":
        polars.write_ndjson(path)
    else:
        polars.write_csv(path, separator="," if kind == "csv" else "\t")
    text = [
        c for c in polars.columns if c.startswith(("text", "option", "prem", "hyp"))
    ]
    read = load_judgments(
        path,
        text=text,
        response="response",
        participant="participant",
        item="item",
        covariates=["trial", "progress"],
        options=made.classes if task == "multi_select" else None,
        task=task,
        container=container,
    )
    np.testing.assert_array_equal(read.y, made.y)
    assert read.y.dtype == made.y.dtype
    assert read.groups.tolist() == made.groups.tolist()
    assert read.items.tolist() == made.items.tolist()
    if task not in ("cloze", "free_text", "categorical"):
        assert read.classes == made.classes
    if container == "records":
        assert read.frame == made.frame
    else:
        assert read.frame.equals(made.frame)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*nope\.csv"):
        load_judgments(tmp_path / "nope.csv", **BASIC)
    with pytest.raises(IsADirectoryError, match="is a directory"):
        load_judgments(tmp_path, **BASIC)
    with pytest.raises(TypeError, match="path must be a str or a path"):
        load_judgments(3, **BASIC)


def rows(*lines):
    return "text,response,who,n\n" + "".join(f"{line}\n" for line in lines)


ALL = {"participant": "who", "covariates": ["n"]}


@pytest.mark.parametrize(
    ("content", "parameters", "message"),
    [
        ("", {}, r"d\.csv is empty"),
        ("\n\r\n", {}, r"d\.csv is empty"),
        ("text,response\n", {}, "has a header but no judgments"),
        ("text,response,text\na,1,b\n", {}, "line 1: duplicate column names 'text'"),
        (CSV, {"text": "sentence"}, "no column 'sentence' .text.. .* 'who', 'what',"),
        (CSV, {"response": "r"}, r"no column 'r' \(response\)"),
        (CSV, {"participant": "p"}, r"no column 'p' \(participant\)"),
        (CSV, {"item": "p"}, r"no column 'p' \(item\)"),
        (CSV, {"covariates": ["p"]}, r"no column 'p' \(covariates\)"),
        ("text;response\na;1\n", {}, "Only one column was found: is the separator"),
        ("text;response\na, b;1\n", {}, "2 fields where the header has 1. Only one"),
        (CSV, {"item": "response"}, "both as response and as item"),
        (CSV, {"participant": "who", "item": "who"}, "both as participant and as item"),
        (CSV, {"encoding": "base64"}, "encoding='base64' is not one of text"),
        (rows("a,1,p,1", "b,1,p"), {}, "line 3: 3 fields where the header has 4"),
        (rows('"a\nb",1,p,1', "b,1,p,1,2"), {}, "line 4: 5 fields"),
        (rows("a,1,p,1", ",1,p,1"), {}, "line 3, column 'text': the text is missing"),
        (
            rows('"a\r\nb\n",1,p,1', "", "b,1,,1"),
            ALL,
            "line 6, column 'who': the participant id is missing",
        ),
        (rows("a,1,p,1"), {"item": "n", **ALL}, None),
        (rows("a,1,p,"), {"item": "n"}, "column 'n': the item id is missing"),
        (rows("a,,p,1"), {}, "line 2, column 'response': the response is missing"),
        (rows("a,,p,1"), {"task": "slider"}, "the response is missing"),
        (rows("a,,p,1"), {"task": "free_text"}, "the response is missing"),
        (rows("a,1,p,x"), ALL, "column 'n': a number is needed. Got 'x'"),
        (rows("a,1,p,"), ALL, "column 'n': the covariate is missing"),
        (
            rows("a,1,p,1", "a,two,p,1"),
            {"task": "magnitude"},
            "line 3, column 'response': a number is needed. Got 'two'",
        ),
        (rows("a,1_0,p,1"), {"task": "magnitude"}, "a number is needed. Got '1_0'"),
        (rows("a,nan,p,1"), {"task": "slider"}, "'nan' is not a finite number"),
        (rows("a,-Inf,p,1"), {"task": "ordinal"}, "'-Inf' is not a finite number"),
        (rows("a,1e999,p,1"), {"task": "slider"}, "is not a finite number"),
        (
            rows("a,x,p,1", "a,y,p,1", "a,z,p,1"),
            {"task": "binary"},
            "binary responses have two labels, but 3 occur: 'x', 'y', 'z'",
        ),
        (rows("a,x||y,p,1"), {"task": "multi_select"}, "an option of 'x||y' is empty"),
        (rows("a,x|x,p,1"), {"task": "multi_select"}, "named twice in 'x|x'"),
        (
            rows("a,x,p,1"),
            {"task": "multi_select", "options": ["y"]},
            r"line 2, column 'response': 'x' is not among the options \['y'\]",
        ),
        (
            rows("a,x,p,1"),
            {"task": "multi_select", "options": ["x", "x"]},
            "options holds a name twice",
        ),
        (rows("a,,p,1"), {"task": "multi_select"}, "Pass options="),
        (
            rows("a,x,p,1", ",x,,1"),
            {"task": "forced_choice", "text": ["text", "who"]},
            "line 3, column 'text': the row has no option at all",
        ),
        (
            rows("a,who,,1"),
            {"task": "forced_choice", "text": ["text", "who"]},
            "line 2, column 'response': option 'who' was chosen but is missing",
        ),
        (rows("a,1,p,1"), {"relabel": {"2": "x"}}, "do not occur in column 'response'"),
        (rows("a,1,p,1"), {"relabel": {"1": ""}}, "non-empty strings"),
        (rows("a,1,p,1", '"b,1,p,1', "c,1,p,1"), {}, "line 3: unexpected end of data"),
        (rows("a,1,p,1", '"b"x,1,p,1'), {}, "line 3: ',' expected after '\"'"),
        (b"text,response\na,1\n\xff,1\n", {}, "line 3: byte 0xff is not utf-8"),
        (b"text,response\na,1\n", {"encoding": "klingon"}, "encoding='klingon' is not"),
        (CSV, {"sep": "ab"}, "sep must be one character. Got 'ab'"),
        (CSV, {"sep": '"'}, "sep must be one character"),
        (CSV, {"task": "likert"}, "task must be one of 'binary'"),
        (CSV, {"text": []}, "text must name one column at least"),
        (CSV, {"text": ["text", "text"]}, "text names a column twice"),
        (CSV, {"text": "response"}, "'response' is given both as text and as response"),
        (CSV, {"covariates": ["response"]}, "both as covariates and as response"),
        (CSV, {"participant": "text"}, "both as text and as participant"),
        (CSV, {"options": ["a"]}, "have an effect only for task 'multi_select'"),
        (CSV, {"option_separator": ","}, "Got task=None"),
        (CSV, {"task": "multi_select", "option_separator": ""}, "must not be empty"),
        (CSV, {"container": "arrow"}, "container must be one of"),
    ],
)
def test_errors_of_csv_files(write, content, parameters, message):
    path = write(content, "d.csv")
    if message is None:
        load_judgments(path, **{**BASIC, **parameters})
        return
    message = message.replace("|", r"\|")
    with pytest.raises(ValueError, match=message) as caught:
        load_judgments(path, **{**BASIC, **parameters})
    if "line" in message:
        assert str(path) in str(caught.value)


GOOD = '{"text": "a", "response": 1, "who": "p"}'


@pytest.mark.parametrize(
    ("lines", "parameters", "message"),
    [
        ([" "], {}, "is empty"),
        ([GOOD, "", "{'text': 1}"], {}, "line 3: invalid JSON at column 2"),
        ([GOOD, '{"text": "a"'], {}, "line 2: invalid JSON at column"),
        ([GOOD, "[1, 2]"], {}, "line 2: a JSON object is needed.* Got a list"),
        ([GOOD, "null"], {}, "line 2: a JSON object is needed.* Got null"),
        ([GOOD, "[" * 100_000], {}, "line 2: .*recursion"),
        (['{"a": 1, "a": 2}'], {}, "line 1: duplicate keys 'a'"),
        ([GOOD], {"text": "sentence"}, "no column 'sentence'.* 'text', 'response',"),
        (
            [GOOD, '{"text": "a", "who": "p"}'],
            {},
            "line 2, column 'response': the key is missing",
        ),
        ([GOOD, '{"response": 1}'], {}, "line 2, column 'text': the key is missing"),
        (
            [GOOD, '{"response": 1, "text": "b"}'],
            {"participant": "who"},
            "line 2, column 'who': the key is missing",
        ),
        ([GOOD.replace('"a"', "null")], {}, "column 'text': the text is null"),
        ([GOOD.replace('"a"', '""')], {}, "column 'text': the text is missing"),
        ([GOOD.replace('"a"', "5")], {}, "the text must be a string. Got a number"),
        (
            [GOOD.replace('"p"', "1.5")],
            {"participant": "who"},
            "the participant id must be a string. Got a number",
        ),
        (
            [GOOD.replace('"p"', "true")],
            {"participant": "who"},
            "the participant id must be a string. Got a boolean",
        ),
        ([GOOD.replace("1", "null")], {}, "column 'response': the response is null"),
        ([GOOD.replace("1", "[1]")], {}, "must be a string, a number or.* Got a list"),
        ([GOOD.replace("1", "NaN")], {}, "must be a string, a number or.* Got nan"),
        ([GOOD.replace("1", "NaN")], {"task": "slider"}, "nan is not a finite number"),
        ([GOOD.replace("1", "1e999")], {"task": "slider"}, "inf is not a finite"),
        ([GOOD.replace("1", "true")], {"task": "slider"}, "is needed. Got a boolean"),
        ([GOOD.replace("1", '"x"')], {"task": "ordinal"}, "is needed. Got 'x'"),
        (
            [GOOD.replace("1", "1" + "0" * 400)],
            {"task": "slider"},
            "is not a finite number",
        ),
        ([GOOD], {"task": "multi_select"}, "joined by '|' or a list.* Got a number"),
        (
            [GOOD.replace("1", '["x", 2]')],
            {"task": "multi_select"},
            "or a list of strings. Got a list",
        ),
        (
            [GOOD.replace("1", '["x"]'), '{"text": "a"}'],
            {"task": "multi_select"},
            "line 2, column 'response': the key is missing",
        ),
        ([GOOD], {"sep": ","}, "sep=',' has no effect for the JSON Lines file"),
    ],
)
def test_errors_of_json_files(write, lines, parameters, message):
    path = write("\n".join(lines) + "\n", "d.jsonl")
    with pytest.raises(ValueError, match=message.replace("|", r"\|")) as caught:
        load_judgments(path, **{**BASIC, **parameters})
    if "line" in message:
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.xlsx", b"x", r"unknown suffix. Known are \.csv, \.tsv, .*\.gz, \.bz2"),
        ("data", b"x", "unknown suffix"),
        ("d.gz", b"x", "unknown suffix"),
        ("d.csv.gz", gzip.compress(CSV.encode() * 9, mtime=0)[:-9], "is truncated"),
        ("d.csv.bz2", bz2.compress(CSV.encode())[:-9], "is truncated"),
        ("d.csv.xz", lzma.compress(CSV.encode())[:-9], "is truncated"),
        ("d.csv.gz", b"plain text", "is not a valid .gz file"),
        ("d.csv.bz2", b"plain text", "is not a valid .bz2 file"),
        ("d.csv.xz", b"plain text", "is not a valid .xz file"),
    ],
)
def test_errors_of_suffixes_and_compression(write, name, content, message):
    with pytest.raises(ValueError, match=message):
        load_judgments(write(content, name), **BASIC)


def test_corrupt_gzip_data(write):
    content = bytearray(gzip.compress(CSV.encode() * 50))
    content[20] ^= 0xFF
    with pytest.raises(ValueError, match="is not a valid"):
        load_judgments(write(bytes(content), "d.csv.gz"), **BASIC)


def test_json_error_names_the_byte_line_after_crlf(write):
    content = GOOD.encode() + b"\r\n\r\n" + b'{"text": "\xe9"}\r\n'
    with pytest.raises(ValueError, match="line 3: byte 0xe9 is not utf-8"):
        load_judgments(write(content, "d.jsonl"), **BASIC)
