"""The report is one file that holds what the results say, and that a browser shows as it should."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from figure_results import exact, results_of, shifted, silent, write_data, write_results
from made_results import made_results, made_row

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.report import report_command
from gdinousam.errors import InputError
from gdinousam.evaluation.figures import gallery as gallery_module
from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.figures.gallery import (
    PER_KIND,
    case_text,
    make_gallery,
    outcome_of,
    quality_of,
    strata_cases,
)
from gdinousam.evaluation.figures.report import write_report
from gdinousam.evaluation.figures.report_facts import facts, opening
from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.paper_numbers import OURS
from gdinousam.evaluation.reporting.tables import protocol_tables
from gdinousam.evaluation.scoring.results import Results, read_results

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = 'a "set" <of> images & more, whose name is longer than any phone is wide'


class Page(HTMLParser):
    """What is on a page: for every kind of element the attributes of each, and the texts of table cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: dict[str, list[dict[str, str | None]]] = {}
        self.cells: list[str] = []
        self._is_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.setdefault(tag, []).append(dict(attrs))
        if tag in ("td", "th"):
            self._is_cell = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = self._is_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.cells[-1] += data

    def cases(self) -> list[dict[str, str | None]]:
        return [one for one in self.elements.get("li", []) if one.get("class") == "case"]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    """Three methods on two datasets, with several phrases and an absent one."""
    folder = tmp_path_factory.mktemp("report")
    data = write_data(folder / "data", 8, datasets=("busi", NASTY), phrases=("cyst", "liver"), absent=("stone",))
    answers = {"ours": shifted, "exact": exact, "silent": silent}
    return [results_of(folder / method, data, answer, method) for method, answer in answers.items()]


@pytest.fixture(scope="module")
def page_path(three: list[Results], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert write_report(three, path) == path.stat().st_size
    return path


@pytest.fixture(scope="module")
def page(page_path: Path) -> Page:
    return Page(page_path.read_text(encoding="utf-8"))


def test_a_report_asks_for_nothing_outside_itself(page: Page, page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    references = [
        one[name] for found in page.elements.values() for one in found for name in ("src", "href") if name in one
    ]
    assert references and all(str(one).startswith(("data:image/jpeg;base64,", "#")) for one in references)
    assert "link" not in page.elements and "@import" not in text
    assert set(re.findall(r"https?://[^\s\"'<>)]+", text)) <= {
        "http://www.w3.org/1999/xlink",  # names of a form of XML, not addresses
        "http://www.w3.org/2000/svg",
    }


def test_the_tables_of_a_report_are_those_of_the_rows(page: Page, three: list[Results]) -> None:
    cells = {cell.strip() for cell in page.cells}
    for results in three:
        for protocol in ("strict", "paper"):
            for table in protocol_tables(results.rows, protocol):
                assert {cell.text for line in table.lines for cell in line} <= cells
        compared = comparison_tables(compare(three, "strict"), intervals=True)["methods"]
        assert {cell.text for line in compared.lines for cell in line} <= cells


def test_tables_pictures_and_plots_can_be_read_without_seeing_them(page: Page) -> None:
    assert len(page.elements["caption"]) == len(page.elements["table"]) > 5
    assert all(one.get("scope") in ("col", "row", "colgroup") for one in page.elements["th"])
    assert all(one.get("alt") for one in page.elements["img"])
    assert len(page.elements["svg"]) == 5
    assert all(one["role"] == "img" and one["aria-label"] for one in page.elements["svg"])


def test_ids_do_not_occur_twice(page: Page) -> None:
    ids = [one["id"] for found in page.elements.values() for one in found if "id" in one]
    assert len(ids) == len(set(ids)) > 5


def test_names_are_shown_as_they_are_whatever_signs_they_hold(page: Page) -> None:
    assert NASTY in {one["data-dataset"] for one in page.cases()}
    assert NASTY in page.cells


def test_the_gallery_holds_every_outcome_and_rank_of_every_dataset(page: Page) -> None:
    cases = page.cases()
    assert {one["data-outcome"] for one in cases} == {"answered", "missed", "false alarm"}
    assert {rank for one in cases for rank in str(one["data-rank"]).split()} == {"worst", "median", "best"}
    assert {one["data-dataset"] for one in cases} == {"busi", NASTY}
    assert {one["data-method"] for one in cases} == {"ours", "exact", "silent"}


def test_missed_and_false_alarms_count_as_worst_and_no_case_is_shown_twice(three: list[Results]) -> None:
    gallery = make_gallery(compare(three), CasePictures(three))
    assert gallery.num_queries == {"answered": 32, "missed": 16, "false alarm": 8} and not gallery.num_dropped
    assert all(case.ranks == ("worst",) for case in gallery.cases if case.outcome != "answered")
    keys = [(case.method, case.row.image_name, case.row.phrase) for case in gallery.cases]
    assert len(keys) == len(set(keys))


def test_an_absent_target_that_was_not_found_is_no_case(three: list[Results]) -> None:
    outcomes = {row.phrase: outcome_of(row) for row in three[2].rows if row.protocol == "strict"}
    assert outcomes == {"cyst": "missed", "liver": "missed", "stone": None}


def test_a_gallery_has_room_for_some_dozens_of_a_kind(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 60, datasets=[f"set {number}" for number in range(30)])
    results = [results_of(tmp_path / name, data, silent, name) for name in ("first", "second")]
    gallery = make_gallery(compare(results), CasePictures(results))
    assert len(gallery.cases) == PER_KIND and gallery.num_queries["missed"] == 120
    assert {case.row.dataset for case in gallery.cases if case.method == "first"} == {f"set {k}" for k in range(30)}


def test_a_gallery_stops_at_its_size_and_says_so(
    three: list[Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_module, "MAX_BYTES", 20_000)
    gallery = make_gallery(compare(three), CasePictures(three))
    assert gallery.cases and gallery.num_dropped > 0
    write_report(three, tmp_path / "report.html")
    assert f"{gallery.num_dropped} more were chosen" in (tmp_path / "report.html").read_text()


def test_a_case_says_what_became_of_it(three: list[Results]) -> None:
    row = three[0].rows[0]
    assert case_text(row) == "Dice 100.0, IoU 100.0, HD95 0.0 px, score 0.50"
    assert case_text(replace(row, num_instances=2, found=False)) == "2 objects, nothing found"
    assert case_text(replace(row, target_present=False)) == "found 1, absent from the image"


def test_a_report_begins_with_what_was_tested_how_well_and_against_what(three: list[Results]) -> None:
    tested, reached, against = opening(compare(three))
    assert tested == (
        f"ours, exact and silent were tested on 24 queries, a phrase of an image each, in 8 images of busi and {NASTY}."
    )
    assert reached.startswith("Mean Dice over 2 datasets, a miss counting as 0: ours 7")
    assert "exact 100.0 % (95 % interval 100.0 to 100.0), 100.0 % answered" in reached
    assert "silent 0.0 % (95 % interval 0.0 to 0.0), 0.0 % answered, recall at box IoU 0.5 0.0 %." in reached
    assert "exact leads ours by" in against


def test_a_single_method_is_held_against_the_paper_where_that_has_numbers(three: list[Results]) -> None:
    assert opening(compare(three[:1]))[2] == "It is held against no other method here."
    rows = [made_row("busi", image, 0.7) for image in range(3)]
    against = opening(compare([made_results(rows, OURS)]))[2]
    assert against == "The paper prints a Dice of 77.8 % for it there, where misses are left out."
    small = opening(compare([made_results(rows, OURS, weights="small")]))[2]
    assert small == (
        "It is held against no other method here. The paper's numbers are of published weights of full size, so none "
        "stands here."
    )


def test_settings_and_data_are_said_without_a_click(three: list[Results], tmp_path: Path) -> None:
    folder = tmp_path / "results"
    shutil.copytree(three[0].folder, folder)
    config = {
        "model": {"detector": "/long/way/to/runs/one/best", "adapter": None},
        "prediction": {"box_threshold": 0.2},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    results = [read_results(folder)]
    said = dict(facts(results, compare(results)))
    assert said["ours: settings"] == "model.detector one/best, prediction.box_threshold 0.2"
    assert said["images"] == f"busi 4, {NASTY} 4"


def test_the_colour_of_an_answer_follows_its_dice(page: Page, three: list[Results]) -> None:
    tags = {one["class"] for one in page.elements["span"] if str(one.get("class")).startswith("tag ")}
    assert {"tag good", "tag missed", "tag false-alarm"} <= tags and "tag answered" not in tags
    row = three[0].rows[0]
    assert [quality_of(replace(row, dice=dice)) for dice in (0.8, 0.79, 0.5, 0.49)] == ["good", "fair", "fair", "poor"]


def test_every_size_and_number_of_targets_has_its_median_case(three: list[Results]) -> None:
    cases = dict(strata_cases(compare(three), CasePictures(three)))
    assert cases.keys() == {"target size: 5-20 %", "number of targets: 1"}  # 144 of 2400 pixels
    assert {case.method for case in cases.values()} == {"ours"}


def test_one_method_needs_no_comparison(three: list[Results], tmp_path: Path) -> None:
    write_report(three[:1], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Methods tested in pairs" not in text and 'name="method"' not in text


def test_a_method_that_finds_nothing_has_a_report(three: list[Results], tmp_path: Path) -> None:
    write_report(three[2:], tmp_path / "report.html")
    assert {one["data-outcome"] for one in Page((tmp_path / "report.html").read_text()).cases()} == {"missed"}


def test_one_image_and_absent_phrases_only(tmp_path: Path) -> None:
    write_report([results_of(tmp_path / "one", write_data(tmp_path / "one_data", 1))], tmp_path / "one.html")
    cases = Page((tmp_path / "one.html").read_text()).cases()
    assert [one["data-rank"] for one in cases] == ["worst median best"]
    data = write_data(tmp_path / "absent_data", 2, phrases=(), absent=("stone",))
    write_report([results_of(tmp_path / "absent", data)], tmp_path / "absent.html")
    text = (tmp_path / "absent.html").read_text()
    assert "These results hold no query of this protocol." in text and "nothing to plot" in text
    assert len(Page(text).cases()) == 2


def test_without_masks_the_gallery_must_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_results(tmp_path / "bare", write_data(tmp_path / "data", 2), masks=False)
    path = tmp_path / "report.html"
    assert run(report_command, [str(folder), "--out", str(path)]) == BAD_INPUT
    said = capsys.readouterr().err
    assert "evaluation.save_masks=true" in said and said.count("\n") == 1 and not path.exists()
    assert run(report_command, [str(folder), "--out", str(path), "--no-gallery", "--names", "mine"]) == 0
    assert "made without pictures" in path.read_text() and "Evaluation: mine" in path.read_text()


def test_results_of_different_data_are_no_report(three: list[Results], tmp_path: Path) -> None:
    other = results_of(tmp_path / "other", write_data(tmp_path / "data", 2), exact, "other")
    with pytest.raises(InputError, match="different test files"):
        write_report([three[0], other], tmp_path / "report.html")


def test_a_file_that_cannot_be_written_is_an_error(three: list[Results], tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "report.html", tmp_path):
        with pytest.raises(InputError):
            write_report(three[:1], path, with_gallery=False)
    assert list(tmp_path.iterdir()) == []


def test_the_same_results_give_the_same_page(page_path: Path, three: list[Results], tmp_path: Path) -> None:
    write_report([read_results(one.folder) for one in three], tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == page_path.read_bytes()


PROBE = """
<script>
for (const one of document.querySelectorAll("details")) one.open = true;
const size = document.documentElement;
const wide = size.scrollWidth - size.clientWidth;
form.elements.outcome.value = "missed";
form.elements.method.value = "silent";
form.dispatchEvent(new Event("input"));
const shown = cases.filter((one) => one.offsetParent !== null);
document.title = ["probe", wide, shown.length, shown.every((one) => one.dataset.outcome === "missed")].join(" ");
</script>
</body>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_filters_the_gallery_and_never_scrolls_the_page_sideways(
    width: int, page_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "probe.html"
    path.write_text(page_path.read_text(encoding="utf-8").replace("</body>", PROBE), encoding="utf-8")
    switches = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    switches += (
        f"disable-component-update disable-sync window-size={width},900 dump-dom user-data-dir={tmp_path / 'user'}"
    )
    command = [str(CHROMIUM), *(f"--{switch}" for switch in switches.split()), path.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r"<title>probe (-?\d+) (\d+) (true|false)</title>", shown)
    assert found is not None, shown[:500]
    num_missed = sum(
        one["data-outcome"] == "missed" and one["data-method"] == "silent"
        for one in Page(page_path.read_text(encoding="utf-8")).cases()
    )
    assert found.groups() == ("0", str(num_missed), "true") and num_missed == 12


def test_pictures_of_a_case_have_one_size_and_differ(three: list[Results]) -> None:
    gallery = make_gallery(compare(three[:1]), CasePictures(three[:1]))
    first = next(case for case in gallery.cases if case.row.dice < 1)
    assert (first.width, first.height) == (256, 170) and first.truth != first.prediction
