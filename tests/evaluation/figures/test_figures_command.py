"""What the command draws, and what it says where it cannot."""

import csv
import math
import re
from pathlib import Path

import PIL.Image
import pytest
from figure_results import exact, shifted, silent, write_data, write_results

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.figures import figures_command
from gdinousam.evaluation.figures import saving
from gdinousam.evaluation.figures.curves import read_run, training_curves

STEMS = ("overlays_median", "box_plots", "reliability", "absent_phrases", "roc")
LONG = "a dataset whose name nobody would ever want to type twice, with a $ and a % in it"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of three methods on two datasets."""
    folder = tmp_path_factory.mktemp("figures")
    data = write_data(folder / "data", 6, datasets=("hc18", LONG), phrases=("cyst", "liver"), absent=("stone",))
    write_results(folder / "ours", data, shifted)
    write_results(folder / "exact", data, exact, "exact")
    write_results(folder / "silent", data, silent, "silent")
    return folder


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few dots, where a test is not about the pictures."""
    monkeypatch.setattr(saving, "DPI", 30)


def draw(out: Path, *arguments: object) -> None:
    assert run(figures_command, [str(one) for one in (*arguments, "--out", out)]) == 0


def error(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert run(figures_command, [str(one) for one in arguments]) == BAD_INPUT
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err


def read_list(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_figures_are_png_at_print_resolution_and_pdf(folder: Path, tmp_path: Path) -> None:
    draw(tmp_path, folder / "ours", folder / "silent")
    names = {path.name for path in tmp_path.iterdir()}
    drawn = {f"{stem}.{suffix}" for stem in STEMS for suffix in ("png", "pdf")}
    assert names == drawn | {"overlays_median.csv"}
    for stem in STEMS:
        with PIL.Image.open(tmp_path / f"{stem}.png") as picture:
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1) and picture.width > 1000
        assert (tmp_path / f"{stem}.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("coarse")
def test_the_list_says_what_each_row_shows_with_all_digits(folder: Path, tmp_path: Path) -> None:
    options = ("--choose", "worst", "--count", 2, "--datasets", "hc18", "--only", "overlays")
    draw(tmp_path, folder / "ours", folder / "exact", *options)
    rows = read_list(tmp_path / "overlays_worst.csv")
    assert [(row["image_name"], row["phrase"], row["method"]) for row in rows[::2]] == [
        ("im0004.png", "cyst", "ours"),
        ("im0004.png", "liver", "ours"),
    ]
    assert [float(row["dice"]) for row in rows] == [pytest.approx(8 / 12), 1.0, pytest.approx(8 / 12), 1.0]


@pytest.mark.usefixtures("coarse")
def test_a_named_method_chooses(folder: Path, tmp_path: Path) -> None:
    options = ("--method", "ours", "--choose", "best", "--datasets", "hc18", "--only", "overlays")
    draw(tmp_path, folder / "silent", folder / "ours", *options)
    assert read_list(tmp_path / "overlays_best.csv")[0]["image_name"] == "im0000.png"


@pytest.mark.usefixtures("coarse")
def test_listed_images_show_absent_phrases_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("im0003.png\n")
    draw(tmp_path, folder / "ours", "--choose", tmp_path / "mine.txt", "--only", "overlays")
    rows = read_list(tmp_path / "overlays_mine.csv")
    assert [(row["phrase"], row["found"], bool(row["dice"])) for row in rows] == [
        ("cyst", "True", True),
        ("liver", "True", True),
        ("stone", "True", False),
    ]


@pytest.mark.usefixtures("coarse")
def test_worst_cases_and_sizes_are_drawn_when_asked_for(folder: Path, tmp_path: Path) -> None:
    draw(tmp_path, folder / "ours", folder / "exact", "--only", "errors", "--method", "ours")
    draw(tmp_path, folder / "ours", folder / "exact", "--only", "size")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"errors.png", "errors.pdf", "errors.csv", "size_dice.png", "size_dice.pdf"}
    dice = [float(row["dice"]) for row in read_list(tmp_path / "errors.csv") if row["method"] == "ours"]
    assert dice == sorted(dice) and len(dice) == 10 and dice[0] == pytest.approx(7 / 12)


@pytest.mark.parametrize(("width", "millimetres"), [("column", 85), ("page", 178)])
def test_figures_are_as_wide_as_journals_want_with_letters_that_stay_letters(
    folder: Path, tmp_path: Path, width: str, millimetres: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "DPI", 30)
    run_folder = write_metrics(tmp_path / "run", [HEADER, "1,2,0.1,3,1,0,4,2,0"])
    for only in ("overlays", "box-plots", "reliability", "errors", "size"):
        draw(
            tmp_path / "out", folder / "ours", "--only", only, "--width", width, "--training", run_folder, "--overwrite"
        )
    paths = sorted((tmp_path / "out").glob("*.pdf"))
    assert len(paths) == 6
    for path in paths:
        content = path.read_bytes()
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) [\d.]+ \]", content)
        assert box is not None and float(box[1]) * 25.4 / 72 == pytest.approx(millimetres, abs=0.1), path.name
        assert b"/FontType 42" in content or b"/CIDFontType2" in content, path.name
        assert b"/Subtype /Type3" not in content, path.name


def test_more_methods_than_fit_are_an_error(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = [folder / "ours"] * 4
    options = ("--names", *"abcd", "--only", "overlays", "--width", "column", "--out", tmp_path / "out")
    message = error(capsys, *results, *options)
    assert "4 methods do not fit side by side into 85 mm, at most 2 do" in message and "--width page" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("coarse")
def test_more_rows_than_a_page_holds_go_to_further_pages(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", write_data(tmp_path / "data", 4, size_hw=(64, 40)))
    options = (results, "--choose", tmp_path / "mine.txt", "--only", "overlays")
    (tmp_path / "mine.txt").write_text("\n".join(f"im{number:04d}.png" for number in range(4)))
    draw(tmp_path / "out", *options)
    one_page = {"overlays_mine.png", "overlays_mine.pdf", "overlays_mine.csv"}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == one_page | {"overlays_mine_2.png", "overlays_mine_2.pdf"}
    (tmp_path / "mine.txt").write_text("im0000.png")
    draw(tmp_path / "out", *options, "--overwrite")
    assert {path.name for path in (tmp_path / "out").iterdir()} == one_page


def test_the_same_results_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        draw(tmp_path / name, folder / "ours", "--datasets", "hc18")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


@pytest.mark.usefixtures("coarse")
def test_one_image_and_absent_phrases_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write_results(tmp_path / "one", write_data(tmp_path / "one_data", 1))
    draw(tmp_path / "figures", one)
    absent = write_results(tmp_path / "absent", write_data(tmp_path / "absent_data", 2, phrases=(), absent=("cyst",)))
    assert "no strict query with a target" in error(capsys, absent, "--out", tmp_path / "none")
    draw(tmp_path / "boxes", absent, "--only", "box-plots")
    draw(tmp_path / "scores", absent, "--only", "reliability")
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {"reliability.png", "reliability.pdf"}


def test_bad_input_is_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to draw" in error(capsys)
    assert "known here: ours" in error(capsys, folder / "ours", "--method", "mine")
    assert "--datasets busi" in error(capsys, folder / "ours", "--datasets", "busi")
    assert "neither median, best, worst nor" in error(capsys, folder / "ours", "--choose", "average")
    assert "no such file" in error(capsys, folder / "ours", "--training", tmp_path, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def write_metrics(folder: Path, lines: list[str]) -> Path:
    folder.mkdir()
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    return folder


HEADER = "epoch,step,learning_rate,train_loss,train_l1,train_focal,val_loss,val_l1,val_focal"


@pytest.mark.usefixtures("coarse")
def test_training_curves_have_a_panel_for_the_loss_each_term_and_the_learning_rate(tmp_path: Path) -> None:
    first = write_metrics(tmp_path / "a", [HEADER, "1,2,0.1,3,1,0,4,2,0", "2,4,0.05,2,1,0,3,1,0"])
    second = write_metrics(tmp_path / "b", ["epoch,learning_rate,train_loss,train_mask", "1,0.1,5,5"])
    draw(tmp_path / "out", "--training", first, second)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"training_curves.png", "training_curves.pdf"}
    figure = training_curves([read_run(first), read_run(second)])
    assert [axes.get_title() for axes in figure.axes] == ["loss", "l1", "learning rate"]
    assert "augmented" in figure.get_supxlabel()
    best = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [list(line.get_xydata()[0]) for line in best] == [[2.0, 3.0]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_metrics_that_a_spreadsheet_saved_are_read(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    table = f"{HEADER}\n1,2,0.1,3.25,1,0,4,2,0\n2,4,5E-05,2,1,0,3,1,0\n"
    german = table.replace(",", ";").replace(".", ",").replace("\n", "\r\n") + ";" * 8 + "\r\n"
    (folder / "metrics.csv").write_bytes(german.encode(encoding))
    run = read_run(folder)
    assert (run.epochs, run.columns["learning_rate"], run.columns["train_loss"]) == ([1, 2], [0.1, 5e-05], [3.25, 2])


@pytest.mark.parametrize("lines", [[HEADER], ["a,b", "1,2"], [HEADER, "1,2,0.1,3"], [HEADER, "1,2,0.1,x,1,1,1,1,1"]])
def test_metrics_without_an_epoch_or_with_a_broken_one_are_an_error(
    lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_metrics(tmp_path / "run", lines)
    assert "metrics.csv" in error(capsys, "--training", folder, "--out", tmp_path / "out")


def test_what_has_no_value_has_no_panel(tmp_path: Path) -> None:
    header = "epoch,learning_rate,train_loss,train_l1,val_loss,val_l1,train_giou,val_giou"
    run_folder = write_metrics(tmp_path / "a", [header, "1,nan,3,nan,4,nan,0,2", "2,nan,2,nan,3,nan,0,1"])
    figure = training_curves([read_run(run_folder)])
    assert [axes.get_title() for axes in figure.axes] == ["loss", "giou"]


@pytest.mark.usefixtures("coarse")
def test_a_loss_that_is_no_number_does_not_stop_the_plot(tmp_path: Path) -> None:
    run_folder = write_metrics(tmp_path / "a", [HEADER, f"1,2,0.1,{math.nan},1,1,{math.nan},1,1"])
    draw(tmp_path / "out", "--training", run_folder)
