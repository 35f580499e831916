"""How times to answer are counted, by the service and by whoever reads the table `vitals`."""

# Upper bounds of the bins, seconds; one more bin holds what took longer.
SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
