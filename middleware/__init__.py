"""The two gates and the ticket between them: HTTP (ASGI) in front of the application, SQL in front of its database."""
