"""Run the workflows' own steps on this machine: `make ci-steps`."""
