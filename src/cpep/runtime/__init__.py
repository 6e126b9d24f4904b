"""Processes and files: ranks of one run, jobs on the cores of a machine, Slurm, atomic files, the hub, registries."""
