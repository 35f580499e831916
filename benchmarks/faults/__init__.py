"""The ledger's fault suite: what was answered is compared with what the database holds."""
