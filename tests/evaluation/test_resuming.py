"""An evaluation that stopped goes on to the same rows."""

from pathlib import Path

import pytest
from coloured_images import ByColor, LeftHalf, untimed, write_mixed

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.parts import PartWriter
from gdinousam.evaluation.scoring.rows import read_rows
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.records import ImageRecord


class Stopping(LeftHalf):
    """Stops like Ctrl-C after some images."""

    def __init__(self, num_images: int) -> None:
        super().__init__()
        self.num_left = num_images

    def segment(self, images, phrases):
        if self.num_left < len(images):
            raise KeyboardInterrupt
        self.num_left -= len(images)
        return super().segment(images, phrases)


class Counting(LeftHalf):
    """Counts the images it is given."""

    num_images = 0

    def segment(self, images, phrases):
        self.num_images += len(images)
        return super().segment(images, phrases)


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    return write_mixed(tmp_path)


@pytest.fixture
def whole(records: list[ImageRecord], tmp_path: Path) -> str:
    """The rows of a run that nothing stopped."""
    return untimed(evaluate(LeftHalf(), records, tmp_path / "whole", num_pictures=0))


def stop(records: list[ImageRecord], folder: Path, num_images: int, **settings: object) -> Path:
    with pytest.raises(KeyboardInterrupt):
        evaluate(Stopping(num_images), records, folder, batch_size=1, **settings)
    return folder / "rows.csv.part"


@pytest.mark.parametrize(("num_images", "num_left"), [(0, 7), (1, 7), (4, 3), (6, 1)])
def test_a_stopped_run_goes_on_to_the_same_rows_and_runs_only_batches_that_are_not_done(
    records: list[ImageRecord], whole: str, tmp_path: Path, num_images: int, num_left: int
) -> None:
    stop(records, tmp_path / "out", num_images, num_pictures=0)
    method = Counting()
    rows = evaluate(method, records, tmp_path / "out", 2, num_pictures=0, resume=True)
    assert untimed(rows) == untimed(read_rows(tmp_path / "out/rows.csv")) == whole
    assert method.num_images == num_left
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"detections.json", "rows.csv"}


def test_a_file_that_stops_anywhere_is_gone_on_with(records: list[ImageRecord], whole: str, tmp_path: Path) -> None:
    content = stop(records, tmp_path / "out", 3, num_pictures=0).read_bytes()
    for end in range(0, len(content), 37):
        folder = tmp_path / f"cut{end}"
        folder.mkdir()
        (folder / "rows.csv.part").write_bytes(content[:end])
        assert untimed(evaluate(LeftHalf(), records, folder, num_pictures=0, resume=True)) == whole


def test_the_pictures_and_masks_of_a_resumed_run_are_all_there(records: list[ImageRecord], tmp_path: Path) -> None:
    stop(records, tmp_path / "out", 3, num_pictures=7, save_masks=True)
    evaluate(LeftHalf(), records, tmp_path / "out", num_pictures=7, save_masks=True, resume=True)
    assert len(list((tmp_path / "out/pictures").iterdir())) == 7
    assert len(list((tmp_path / "out/masks").iterdir())) == sum(len(record.phrases) for record in records)


def test_parts_of_several_processes_are_gone_on_with_by_one(
    records: list[ImageRecord], whole: str, tmp_path: Path
) -> None:
    part = stop(records, tmp_path / "out", 4, num_pictures=0)
    lines = part.read_bytes().splitlines(keepends=True)
    other = [line for line in lines[1:] if int(line.split(b",")[0]) % 2]
    assert other
    part.write_bytes(b"".join(line for line in lines if line not in other))
    part.with_name("rows.csv.part.1").write_bytes(b"".join([lines[0], *other]))
    method = Counting()
    assert untimed(evaluate(method, records, tmp_path / "out", 1, num_pictures=0, resume=True)) == whole
    assert method.num_images == 3
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"detections.json", "rows.csv"}


def test_the_batches_of_a_resumed_run_are_those_of_one_that_nothing_stopped(
    records: list[ImageRecord], tmp_path: Path
) -> None:
    class Remembering(LeftHalf):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[list[int]] = []

        def segment(self, images, phrases):
            self.batches.append([int(image.sum()) for image in images])
            return super().segment(images, phrases)

    whole, resumed = Remembering(), Remembering()
    evaluate(whole, records, tmp_path / "whole", 3, num_pictures=0)
    stop(records, tmp_path / "out", 4, num_pictures=0)
    evaluate(resumed, records, tmp_path / "out", 3, num_pictures=0, resume=True)
    assert len(whole.batches) == 3
    assert resumed.batches == whole.batches[1:]


def test_rows_of_another_test_file_are_refused(records: list[ImageRecord], tmp_path: Path) -> None:
    part = stop(records, tmp_path / "out", 4, num_pictures=0)
    before = part.read_bytes()
    with pytest.raises(InputError, match=r"image 0 \(mixed0\.png\) is another one"):
        evaluate(ByColor(), records[::-1], tmp_path / "out", num_pictures=0, resume=True)
    with pytest.raises(InputError, match=r"image 3 \(mixed3\.png\) is another one"):
        evaluate(ByColor(), records[:3], tmp_path / "out", num_pictures=0, resume=True)
    assert part.read_bytes() == before


def test_a_damaged_line_in_the_middle_is_refused(records: list[ImageRecord], tmp_path: Path) -> None:
    part = stop(records, tmp_path / "out", 2, num_pictures=0)
    part.write_text(part.read_text(encoding="utf-8").replace("True", "maybe", 1), encoding="utf-8")
    with pytest.raises(InputError, match="target_present is 'maybe'"):
        evaluate(ByColor(), records, tmp_path / "out", num_pictures=0, resume=True)


def test_a_finished_run_is_read_and_not_run_again(records: list[ImageRecord], tmp_path: Path) -> None:
    rows = evaluate(LeftHalf(), records, tmp_path / "out", num_pictures=0)
    method = Counting()
    assert repr(evaluate(method, records, tmp_path / "out", num_pictures=0, resume=True)) == repr(rows)
    assert method.num_images == 0
    with pytest.raises(InputError, match=r"rows\.csv: 22 rows that are not the 21 of the test file"):
        evaluate(method, records[:6], tmp_path / "out", num_pictures=0, resume=True)
    with pytest.raises(InputError, match=r"not the 22 of the test file"):
        evaluate(method, records[::-1], tmp_path / "out", num_pictures=0, resume=True)


def test_an_image_is_done_when_the_last_of_its_rows_is_there(records: list[ImageRecord], tmp_path: Path) -> None:
    rows = evaluate(LeftHalf(), records, tmp_path / "whole", num_pictures=0)
    (tmp_path / "out").mkdir()
    with PartWriter(tmp_path / "out/rows.csv.part") as writer:
        writer.append(0, rows[:2])  # both phrases, but not the row of the paper's protocol
    method = Counting()
    evaluate(method, records, tmp_path / "out", num_pictures=0, resume=True)
    assert method.num_images == len(records)
