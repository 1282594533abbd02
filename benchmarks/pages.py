"""How pages of benchmarks write numbers."""


def rounded(value: float) -> str:
    """Return a count as it is, and any other number with three digits at least."""
    return f"{value:,.0f}" if value % 1 == 0 or value >= 100 else f"{value:#.3g}"
