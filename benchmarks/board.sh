#!/usr/bin/env bash
# Measure a Raspberry Pi, a Jetson or another small computer once, in about ten minutes.
#
#   $ bash benchmarks/board.sh              writes board.json, which you can send back
#   $ bash benchmarks/board.sh --short      two minutes, to see that it works
#
# It makes an environment in .board/ with what requirements-live.txt names, unless $PYTHON names an
# interpreter that has it (on a Jetson, one with NVIDIA's onnxruntime). Not yet run on a board.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-}
if [ -z "$python" ]; then
    python=.board/bin/python
    if [ ! -x "$python" ]; then
        echo "making an environment in .board, once (some minutes)"
        python3 -m venv .board
    fi
    "$python" -m pip install --quiet --requirement requirements-live.txt
fi
exec "$python" -m benchmarks.board "$@"
