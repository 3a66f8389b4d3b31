"""The spread over wordings, worked out by hand."""

import pytest
from made_results import made_row

from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.experiments.studies.prompts_file import Wording
from gdinousam.experiments.studies.wording_table import spread_of, wording_tables


def rows(*dice: float, phrase: str = "cyst") -> list[ScoreRow]:
    missed = {"found": False, "box_iou": float("nan"), "score": float("nan")}
    present = [
        made_row(image=image, dice=one, phrase=phrase, **(missed if one == 0 else {})) for image, one in enumerate(dice)
    ]
    return [*present, made_row(image=99, dice=float("nan"), phrase=phrase), made_row(protocol="paper", phrase=phrase)]


STUDY = {
    Wording("cyst", "cyst"): rows(0.8, 0.6),
    Wording("cyst", "round black cyst"): rows(0.8, 0.4),
    Wording("cyst", "show me the cyst"): rows(0.0, 0.4),
    Wording("liver", "liver"): rows(0.5, 0.5, phrase="liver"),
    Wording("liver", "hepar"): rows(0.6, 0.6, phrase="liver"),
}


def test_the_spread_by_hand() -> None:
    cyst, liver, average = spread_of(STUDY)
    # the other wordings of the cyst reach 0.6 and 0.2
    assert (cyst.own, cyst.mean, cyst.worst, cyst.worst_wording) == (
        pytest.approx(0.7),
        pytest.approx(0.4),
        pytest.approx(0.2),
        "show me the cyst",
    )
    assert (cyst.num_wordings, cyst.deviation, cyst.change.num_values) == (2, pytest.approx(0.2), 2)
    # of the images: 0.4 and 0.4 against 0.8 and 0.6
    assert cyst.change.mean == pytest.approx(-0.3)
    assert (cyst.change.low, cyst.change.high) == (pytest.approx(-0.4), pytest.approx(-0.2))
    assert (liver.own, liver.mean, liver.deviation, liver.worst) == (0.5, 0.6, 0.0, 0.6)
    assert (average.own, average.mean, average.worst) == tuple(map(pytest.approx, (0.6, 0.5, 0.4)))
    assert (average.deviation, average.change.mean) == (pytest.approx(0.1), pytest.approx(-0.1))


def test_one_phrase_has_no_average_and_a_phrase_without_other_words_no_spread() -> None:
    (only,) = spread_of({wording: of for wording, of in STUDY.items() if wording.prompt != "hepar"})
    assert only.phrase == "cyst"
    assert spread_of({Wording("liver", "liver"): rows(0.5, phrase="liver")}) == []


def test_the_tables_hold_every_wording_and_its_change() -> None:
    tables = wording_tables(STUDY, "small")
    texts = [[cell.text for cell in line] for line in tables["wordings"].lines]
    assert [line[:5] for line in texts] == [
        ["cyst", "cyst", "2", "100.00", "70.00"],
        ["cyst", "round black cyst", "2", "100.00", "60.00"],
        ["cyst", "show me the cyst", "2", "50.00", "20.00"],
        ["liver", "liver", "2", "100.00", "50.00"],
        ["liver", "hepar", "2", "100.00", "60.00"],
    ]
    assert [line[6] for line in texts] == ["+0.00", "-10.00", "-50.00", "+0.00", "+10.00"]
    assert [line[0].text for line in tables["spread"].lines] == ["cyst", "liver", "average"]
    assert tables["spread"].num_summaries == 1
    assert any(remark.startswith("Weights are of a small model") for remark in tables["spread"].remarks)
