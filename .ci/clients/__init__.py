"""Clients that generators make of the OpenAPI documents, and the example of docs/clients.md: `make clients-check`."""
