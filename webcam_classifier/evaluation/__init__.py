"""The accuracy of a model, and the uncertainty of that figure."""
