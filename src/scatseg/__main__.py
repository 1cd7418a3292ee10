"""`python -m scatseg` is `scatseg`."""

from scatseg.cli import main

if __name__ == "__main__":
    main()
