"""Train a model on labelled pictures; `python train.py --help` says more."""

from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.train import main

if __name__ == "__main__":
    run_script(main)
