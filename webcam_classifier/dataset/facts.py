"""Statistics of a data set: counts, sizes and duplicates, for tables, plots and metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace

from webcam_classifier.dataset.duplicates import (
    Duplicates,
    Leak,
    describe_duplicates,
    describe_leaks,
    find_duplicates,
    find_leaks,
)
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.predefined_split import PARTS, TEST_PART, TRAINING_PART
from webcam_classifier.dataset.split import (
    SHARES,
    Shares,
    Split,
    split_as_predefined,
    split_pictures,
)

_MOST_SIZES = 200  # different ones; beyond, the rarest are left out


@dataclass(frozen=True)
class PictureSize:
    """The number of pictures of one size.

    Attributes:
        width: In pixels.
        height: In pixels.
        count: Pictures.
    """

    width: int
    height: int
    count: int


@dataclass(frozen=True)
class DataFacts:
    """Statistics of a data set.

    Attributes:
        names: Of its pictures.
        counts: Pictures by label, in the labels' order.
        sizes: The most frequent first.
        duplicates: Its duplicates.
        leaks: Duplicates across the parts of a predefined split; empty for other data sets.
    """

    names: tuple[str, ...]
    counts: dict[str, int]
    sizes: tuple[PictureSize, ...]
    duplicates: Duplicates
    leaks: tuple[Leak, ...]

    @property
    def leaked(self) -> int:
        """How many test pictures have a copy or near duplicate in training or validation."""
        return sum(
            leak.identical + leak.near
            for leak in self.leaks
            if (leak.part, leak.learnt) == (PARTS[TEST_PART], PARTS[TRAINING_PART])
        )

    def describe(self, pictures: LabelledPictures) -> list[str]:
        """Say what should be checked, in lines for the terminal.

        Args:
            pictures: The data set that this is about.
        """
        return describe_duplicates(self.duplicates, pictures) + describe_leaks(self.leaks)

    def to_dict(self) -> dict[str, object]:
        """Counts, sizes and leaks as JSON can hold them."""
        return {
            "counts": self.counts,
            "sizes": [asdict(size) for size in self.sizes],
            "leaks": [asdict(leak) for leak in self.leaks],
        }


def split_data_set(
    pictures: LabelledPictures, hold_test: bool = True, shares: Shares = SHARES
) -> tuple[Split, DataFacts]:
    """Split a data set, as predefined or by burst, and gather its statistics.

    Args:
        pictures: All of it.
        hold_test: False leaves the test part empty, for a test set from elsewhere.
        shares: Of each part, if the split is not predefined.
    """
    about = (pictures.names, pictures.label_indices, pictures.labels, pictures.fingerprints)
    if pictures.part_indices is None:
        split = split_pictures(*about, hold_test=hold_test, shares=shares)
    else:
        split = split_as_predefined(*about, pictures.part_indices, hold_test=hold_test)
    facts = gather_facts(pictures, split)
    return replace(split, leaked=facts.leaked), facts


def gather_facts(pictures: LabelledPictures, split: Split) -> DataFacts:
    """Gather the statistics of a data set.

    Args:
        pictures: All of it.
        split: Of them.
    """
    sizes = Counter((width, height) for width, height in pictures.sizes.tolist())
    return DataFacts(
        names=pictures.names,
        counts=pictures.counts(),
        sizes=tuple(
            PictureSize(width, height, count)
            for (width, height), count in sizes.most_common(_MOST_SIZES)
        ),
        duplicates=find_duplicates(pictures),
        leaks=find_leaks(pictures, split) if split.given else (),
    )
