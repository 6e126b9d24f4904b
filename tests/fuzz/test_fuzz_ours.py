from tests.fuzz.cases import of

verdicts, test_what_is_damaged_is_read_or_refused, test_what_was_found_before_is_mended = of(
    "stores", "models", "served"
)
