"""The `autotts` command: one file per command. Nothing else imports this package."""
