"""What helps an application that exists already to come under protection, step by step."""
