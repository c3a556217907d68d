"""The commands: arguments in, functions called, sentences out."""
