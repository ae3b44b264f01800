"""Scenarios as environments of other libraries, imported when wanted."""
