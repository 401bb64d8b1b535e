"""What tells whether something is right, fast or stable: gradients, rates, seeds, machine, build."""
