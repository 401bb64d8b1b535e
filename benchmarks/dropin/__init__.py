"""scikit-learn's networks beside the faces that copy them: the same programs with another import."""
