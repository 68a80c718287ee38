"""`python -m consent_stream`: the command line."""

from consent_stream.cli import main

if __name__ == "__main__":
    main()
