"""The concepts of neural networks, one place each: frozen, checked values with their formulas."""
