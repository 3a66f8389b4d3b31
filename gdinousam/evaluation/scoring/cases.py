"""Reading what is scored ahead of the method: images and the masks of their phrases."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from gdinousam.data.images import read_record_image, union_mask
from gdinousam.records import Image, ImageRecord, Mask, Query

BATCHES_AHEAD = 2  # read while the method works: enough to hide decoding, few enough to fit in memory


@dataclass(frozen=True, eq=False)
class Case:
    """A record with its number in the test file, its image, (H, W, 3) uint8 RGB, and for each phrase the union of its
    masks, (H, W) bool.
    """

    number: int
    record: ImageRecord
    image: Image
    truth: dict[str, Mask]


def read_ahead(
    records: Sequence[ImageRecord], batches: Sequence[Sequence[int]], num_workers: int
) -> Iterator[list[Case]]:
    """The cases of each batch, in its order; threads suffice because decoding releases Python's lock.

    batches: numbers of records. Raises InputError, on reaching it, for an image or mask that cannot be read, is of
    another size than its record, or has changed since it was checked.
    """
    waiting: deque[list[Future[Case]]] = deque()
    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        for batch in batches:
            waiting.append([pool.submit(_read, number, records[number]) for number in batch])
            if len(waiting) > BATCHES_AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]


def _read(number: int, record: ImageRecord) -> Case:
    image = read_record_image(record)
    size_hw = (record.height, record.width)
    truth = {phrase: union_mask(Query(record, phrase).instances, size_hw) for phrase in record.phrases}
    return Case(number, record, image, truth)
