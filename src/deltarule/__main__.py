"""`python -m deltarule`: the same as the command `deltarule`."""

from deltarule.cli.main import main

if __name__ == "__main__":
    main()
