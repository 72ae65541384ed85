"""The name of the service, where no brand has another one."""

SERVICE = "MySetlist"
