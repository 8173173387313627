"""Pictures and accounts of the tape: `graph`, `explain`, `kept`, `notes`."""
