"""``python -m hermes`` is ``hermes``."""

from hermes.cli import main

if __name__ == "__main__":
    main()
