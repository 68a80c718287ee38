"""The commands, one module each; `consent_stream.cli` loads a module when its command is called."""
