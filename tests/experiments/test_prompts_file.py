"""The files of a prompt study: what they say, what they may not say, and which phrases of the data they are about."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.paper_numbers import paper_prompts
from gdinousam.experiments.studies.prompts_file import PromptGroup, Wording, phrases_of_groups, read_prompts

PROMPTS = Path(__file__).parents[2] / "configs" / "prompts"
KIDNEY, THYROID, ILL_CONCEIVED = (PROMPTS / f"{name}.yaml" for name in ("kidney", "thyroid", "ill_conceived"))
P = [Path("p.yaml")]


def write(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"prompts{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def asked(groups: Sequence[PromptGroup]) -> list[tuple[str, str]]:
    return [(one.phrase, one.prompt) for group in groups for one in group.wordings]


def test_the_kidney_file_holds_the_20_prompts_of_table_5() -> None:
    groups = read_prompts([KIDNEY])
    assert [len(group.prompts) for group in groups] == [5] * 4
    of_paper = [(one.structure, one.prompt) for one in paper_prompts()]
    assert [(phrase.removeprefix("kidney "), prompt) for phrase, prompt in asked(groups)] == of_paper


@pytest.mark.parametrize(("path", "datasets"), [(KIDNEY, ["kidnyus"]), (THYROID, ["tn3k", "tg3k"])])
@pytest.mark.parametrize("as_in_paper", [True, False])
def test_the_shipped_files_know_every_phrase_of_their_datasets_in_both_spellings(
    path: Path, datasets: list[str], as_in_paper: bool
) -> None:
    facts = [find_dataset(name).facts.phrases for name in datasets]
    phrases = [phrase for one in facts for phrase in (one if as_in_paper else one.values())]
    held = phrases_of_groups(read_prompts([path]), phrases, [path])
    assert sorted(phrase for of_group in held.values() for phrase in of_group) == sorted(phrases)
    assert all(len(of_group) == 1 for of_group in held.values())


def test_ill_conceived_prompts_are_asked_of_kidney_and_thyroid_behind_their_own() -> None:
    groups = read_prompts([KIDNEY, ILL_CONCEIVED, THYROID])
    assert len(groups) == 6 and len(asked(groups)) == 6 * (5 + 4)
    for group in groups:
        assert [one.is_common for one in group.wordings] == [False] * 5 + [True] * 4
    assert asked(groups)[8] == ("kidney cortex", "find the nail on top right")


def test_a_group_holds_the_phrases_in_which_its_text_stands(tmp_path: Path) -> None:
    text = "stone:\n  contains: [Stone, calculus]\n  prompts: [a]\nliver: [b]\n"
    stone, liver = read_prompts(write(tmp_path, text))
    phrases = ["kidney stone", "a calculus", "liver"]
    assert [stone.holds(phrase) for phrase in phrases] == [True, True, False]
    assert [liver.holds(phrase) for phrase in (*phrases, "Liver", "liver lesion")] == [False, False, True, True, False]
    assert phrases_of_groups([stone, liver], phrases, P) == {
        "stone": ("kidney stone", "a calculus"),
        "liver": ("liver",),
    }


def test_prompts_keep_the_order_of_the_files_and_an_empty_list_leaves_a_phrase_out(tmp_path: Path) -> None:
    groups = read_prompts(write(tmp_path, "stone: [b, a]\nliver: []\n", "- common\n", "cyst: [c]\n"))
    assert [(group.name, group.prompts) for group in groups] == [("stone", ("b", "a")), ("liver", ()), ("cyst", ("c",))]
    assert asked(groups) == [("stone", "b"), ("stone", "a"), ("stone", "common"), ("cyst", "c"), ("cyst", "common")]


def test_every_prompt_has_a_folder_of_its_own_below_its_phrase() -> None:
    folders = [one.folder for group in read_prompts([KIDNEY, THYROID, ILL_CONCEIVED]) for one in group.wordings]
    assert len(set(folders)) == 54
    assert folders[0] == Wording("kidney cortex", "segment kidney cortex").folder
    assert folders[0] == Path("kidney_cortex", "segment_kidney_cortex")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "must hold phrases of the data", id="empty"),
        pytest.param("stone\n", "must hold phrases of the data", id="word"),
        pytest.param("stone: [a\n", "not readable as YAML", id="broken"),
        pytest.param("stone: a\n", "stone: 'a' is not a list", id="no list"),
        pytest.param("stone:\n", "stone: None is not a list", id="nothing below"),
        pytest.param("stone: [true]\n", "True is not text; put it in quotes", id="word of YAML"),
        pytest.param("stone: ['...']\n", "has no letter or digit", id="no letter"),
        pytest.param("stone: [A stone, a  stone.]\n", "'A stone' stands there twice", id="reads alike"),
        pytest.param("stone: [a]\nstone: [b]\n", "'stone' stands there twice, in lines 1 and 2", id="phrase twice"),
        pytest.param("stone: []\n", "no prompt in it", id="nothing to ask"),
        pytest.param("- a stone\n", "no prompt in it; write at least one below a phrase", id="no phrase"),
        pytest.param("- [a]\n", r"\['a'\] is not text", id="list in list"),
        pytest.param("stone: [a-b, a b]\n", "would both be written to stone/a_b", id="one folder"),
        pytest.param("stone: {contains: a}\n", "stone: holds contains; write contains and prompts", id="no prompts"),
        pytest.param("stone: {has: a, prompts: [b]}\n", "stone: holds has, prompts; write contains", id="no contains"),
        pytest.param("stone: {contains: [], prompts: [b]}\n", "stone: contains is empty", id="contains nothing"),
        pytest.param("stone: {contains: 3, prompts: [b]}\n", "3 is not text", id="contains a number"),
        pytest.param("stone: {contains: a, prompts: b}\n", "stone: 'b' is not a list", id="prompts no list"),
    ],
)
def test_a_file_that_cannot_be_asked_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read_prompts(write(tmp_path, text))
    assert "\n" not in str(refused.value) and "prompts0.yaml" in str(refused.value)


def test_what_several_files_say_together_is_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"prompts1\.yaml: 'stone' stands in another file too"):
        read_prompts(write(tmp_path, "stone: [a]\n", "stone: [b]\n"))
    with pytest.raises(InputError, match="stone: 'a' stands there twice"):
        read_prompts(write(tmp_path, "stone: [a]\n", "- A\n"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_prompts([KIDNEY, tmp_path / "none.yaml"])


def test_a_phrase_of_the_data_that_no_group_holds_is_named() -> None:
    groups = [PromptGroup("stone", ("a",)), PromptGroup("cyst", ())]
    held = phrases_of_groups(groups, ["stone"], P)
    assert held == {"stone": ("stone",), "cyst": ()}
    with pytest.raises(InputError, match=r"^p\.yaml: has no prompts for .*: kidney, liver; write .* data\.datasets"):
        phrases_of_groups(groups, ["liver", "kidney", "stone"], P)


def test_a_phrase_that_two_groups_hold_is_refused() -> None:
    groups = [PromptGroup("a", ("x",), ("lesion",)), PromptGroup("b", ("y",), ("breast",))]
    with pytest.raises(InputError, match="'breast lesion' belongs to 'a' and to 'b'; make one narrower"):
        phrases_of_groups(groups, ["liver lesion", "breast lesion"], P)


def test_data_whose_phrases_are_all_left_out_is_refused() -> None:
    with pytest.raises(InputError, match="no prompt to ask about stone"):
        phrases_of_groups([PromptGroup("stone", ()), PromptGroup("cyst", ("a",))], ["stone"], P)
