"""`python -m heron_ray.cli`: the same as `heron`."""

from heron_ray.cli.main import main

if __name__ == "__main__":
    main()
