"""Measure a model on pictures that it has not seen; `python evaluate.py --help` says more."""

from webcam_classifier.cli.console import run_command, run_script

if __name__ == "__main__":
    run_script(lambda: run_command("evaluate"))
