"""Measuring: rows, methods, the few-shot engine, tables, pictures, reports."""
