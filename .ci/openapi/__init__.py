"""The live services against their OpenAPI documents: `make schemathesis`."""
