"""`python -m podling`: the command line, where the script `podling` is not on the path."""

from podling.cli.main import program

if __name__ == "__main__":
    program()
