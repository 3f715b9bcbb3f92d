"""Answers: which products look like this photo? One service for the page, the batch run and the HTTP API."""
