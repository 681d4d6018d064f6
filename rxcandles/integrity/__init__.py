"""Check a database (``verify``), and mend what is wrong with it (``repair``)."""
