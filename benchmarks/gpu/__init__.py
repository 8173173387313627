"""`tapegrad-bench gpu-report`: everything that a GPU can tell of tapegrad, in one command and one report."""
