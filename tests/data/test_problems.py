"""How problems are printed."""

from pathlib import Path

from gdinousam.data.contract.problems import Problem, format_problems


def test_problems_are_printed_in_aligned_columns_and_the_rest_is_counted():
    problems = [Problem(Path("train.csv"), row, "bbox_x", value, "0 or more") for row, value in ((2, ""), (100, "-1"))]
    problems += [Problem(Path("train.csv"), None, "image_name", "x" * 200, "a folder")] * 3
    lines = format_problems(problems, limit=3).splitlines()
    assert len(lines) == 5 and lines[-1] == "... and 2 more"
    assert {line.index(text) for line, text in zip(lines, ("expected", "0 or", "0 or", "a folder"), strict=False)} == {
        lines[0].index("expected")
    }
    assert lines[1].split() == ["train.csv", "2", "bbox_x", "(empty)", "0", "or", "more"]
    assert max(map(len, lines)) < 120


def test_all_problems_are_printed_up_to_the_limit_and_none_is_an_empty_text():
    problems = [Problem(Path("train.csv"), 2, "bbox_x", "", "0 or more")] * 3
    assert len(format_problems(problems, limit=3).splitlines()) == 4
    assert format_problems([]) == ""
