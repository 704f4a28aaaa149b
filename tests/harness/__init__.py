"""What the fault, end-to-end and bench scripts share: servers, workload, the truth of the source, the engine process."""
