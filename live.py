"""Label what a camera sees, live; `python live.py --help` says more."""

from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.live import main

if __name__ == "__main__":
    run_script(main)
