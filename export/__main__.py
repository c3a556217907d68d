"""Write a model in another precision, checked; `python -m export --help` says more."""

from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.export import main

if __name__ == "__main__":
    run_script(main)
