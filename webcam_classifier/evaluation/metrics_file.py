"""metrics.json, beside a model: everything that report.html shows, for other programs.

Shares are 0 to 1, unknown values are null, and files are named below the data set's folder.

- `accuracy`, `interval` (95 %, with bursts as the unit), `count`, `bursts`, `labels`, `confusion`
  (rows: actual, columns: predicted), `per_label` (`count`, `recall`, `precision`), `rests_on`: the
  accuracy on pictures that were not trained on, and what it was measured on
- `shown_right`, `shown_wrong`, `shown_unknown`: what live shows of all pictures; their sum is 1
- `answers`: for each test picture `file`, `truth`, `label`, `confidence`, `unknown_score`
- `calibration`: `error` is the expected calibration error, with `bins`; chance alone makes it
  up to `chance` (95th percentile); `temperature`; `error_without` and `bins_without` are those
  without it
- `learning_curve`: `points` (`snapshots`, `accuracy`, and `low` to `high` over `orders`); `gain` is
  what `more` snapshots would add, between `gain_low` and `gain_high` four times in five
- `split`: each part's `count` and `pictures`; `per_label`; `cut_labels`; `test_dataset`;
  `random_split`: accuracy with pictures drawn at `random` and with bursts kept `apart`
- `unknown`: `threshold`, the share of test pictures `passing` it, how well `left_out_labels` and
  `strange` (out-of-distribution) pictures are separated from known ones (`auroc`), and the share
  of them that is `accepted` as known
- `background_dependence`: predictions for pictures with the moving object hidden. Of `count`
  pictures, `kept` keep their label, and `others` of as many pictures of other labels get it;
  `labels` has this for each label, with the `p_value` of such a difference if the background does
  not matter, and whether it does (`is_dependent`); null if nothing could be hidden
- `next_steps`: what to do next, in sentences, as at the beginning of the report
- `doubted` (likely label errors), `duplicates`, `skipped`: pictures to check
- `learnt_hashes`: hashes of the training pictures; `learnt_from_test`: whether the test pictures
  are among them
- `model_sha256`: of the model.onnx that these figures belong to; another hash means another
  training
- `dataset_folder`: the full path of the pictures, so that folders with the same name in two
  projects are not mixed up
- `milliseconds_per_picture` (median), `late_milliseconds_per_picture` (95th percentile),
  `runtime`, `model_bytes`, `seconds`
- `command`, `environment`, `seed`, `dataset`, `data_hash`, `weights`, `backbone`, `input_size`,
  `mode`, `created_at`, `details`: how to repeat it
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from webcam_classifier.model_card import METRICS_NAME

HASHES_KEY = "learnt_hashes"
MODEL_HASH_KEY = "model_sha256"
FOLDER_KEY = "dataset_folder"

_HASH_LENGTH = 16  # characters: enough to tell a user's pictures apart, short enough to list


def short_hashes(content_hashes: Iterable[str]) -> list[str]:
    """Shorten sha256 hashes of pictures to what metrics.json lists.

    Args:
        content_hashes: In hexadecimal.
    """
    return [content[:_HASH_LENGTH] for content in content_hashes]


def read_metrics(model: Path) -> dict[str, object] | None:
    """Read metrics.json beside a model; None if it is missing or damaged.

    Args:
        model: The model file.
    """
    try:
        metrics = json.loads(model.with_name(METRICS_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return metrics if isinstance(metrics, dict) else None
