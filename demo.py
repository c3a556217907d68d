"""The whole way in under a minute, without a camera; `python demo.py --help` says more."""

from webcam_classifier.cli.console import run_command, run_script

if __name__ == "__main__":
    run_script(lambda: run_command("demo"))
