"""Inside a replica: `python -m contracts.registry` with these arguments."""

from contracts.registry_command import main

if __name__ == "__main__":
    main()
