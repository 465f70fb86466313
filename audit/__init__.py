"""What happened: entries, staging, sequencer, RFC 6962 tree, checkpoints, verification and search."""
