"""Record, train, watch and export on a page in a browser; `python studio.py --help` says more."""

from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.studio import main

if __name__ == "__main__":
    run_script(main)
