"""The file of a prompt study: what it says, and what it may not say."""

from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.evaluation.paper_numbers import paper_prompts
from gdinousam.studies.prompts_file import of_data, read_prompts, wordings

ROOT = Path(__file__).parents[2]
KIDNEY = ROOT / "configs" / "prompts" / "kidney.yaml"


def write(folder: Path, text: str) -> Path:
    path = folder / "prompts.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_kidney_file_holds_the_20_prompts_of_table_5() -> None:
    prompts = read_prompts(KIDNEY)
    assert len(list(wordings(prompts))) == 20
    assert {len(listed) for listed in prompts.values()} == {5}
    of_paper = [(one.structure, one.prompt) for one in paper_prompts()]
    ours = [(one.phrase.removeprefix("kidney "), one.prompt) for one in wordings(prompts)]
    assert ours == of_paper


def test_prompts_keep_the_order_of_the_file_and_an_empty_list_leaves_a_phrase_out(tmp_path: Path) -> None:
    prompts = read_prompts(write(tmp_path, "stone: [b, a]\nliver: []\ncyst: [c]\n"))
    assert prompts == {"stone": ("b", "a"), "liver": (), "cyst": ("c",)}
    assert [one.prompt for one in wordings(prompts)] == ["b", "a", "c"]


def test_every_prompt_has_a_folder_of_its_own_below_its_phrase() -> None:
    folders = [one.folder for one in wordings(read_prompts(KIDNEY))]
    assert len(set(folders)) == 20
    assert folders[0] == Path("kidney_cortex", "segment_kidney_cortex")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- a\n- b\n", "must hold phrases of the data", id="list"),
        pytest.param("", "must hold phrases of the data", id="empty"),
        pytest.param("stone: [a\n", "not readable as YAML", id="broken"),
        pytest.param("stone: a\n", "stone: 'a' is no list", id="no list"),
        pytest.param("stone:\n", "stone: None is no list", id="nothing below"),
        pytest.param("stone: [true]\n", "True is no text; put it in quotes", id="word of YAML"),
        pytest.param("stone: ['...']\n", "has no letter or digit", id="no letter"),
        pytest.param("stone: [A stone, a  stone.]\n", "'A stone' stands there twice", id="reads alike"),
        pytest.param("stone: [a]\nstone: [b]\n", "'stone' stands there twice, in lines 1 and 2", id="phrase twice"),
        pytest.param("stone: []\n", "no prompt in it", id="nothing to ask"),
        pytest.param("stone: [a-b, a b]\n", "would both be written to stone/a_b", id="one folder"),
    ],
)
def test_a_file_that_cannot_be_asked_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read_prompts(write(tmp_path, text))
    assert "\n" not in str(refused.value) and "prompts.yaml" in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_prompts(tmp_path / "none.yaml")


def test_phrases_that_only_one_side_names_are_listed() -> None:
    prompts = {"stone": ("a",), "cyst": ("b",)}
    of_data(prompts, ["cyst", "stone"], Path("p.yaml"))
    with pytest.raises(InputError, match="only in the data: kidney, liver; only in the file: cyst; write"):
        of_data(prompts, ["liver", "kidney", "stone"], Path("p.yaml"))
