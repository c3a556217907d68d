"""Record, train, watch and export on a page in a browser; `python studio.py --help` says more."""

from webcam_classifier.cli.console import run_command, run_script

if __name__ == "__main__":
    run_script(lambda: run_command("studio"))
