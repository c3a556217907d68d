"""From a data set to a model file: head or fine-tuning, evaluated and saved."""
