"""Decide which pages a run needs, fetch them, check them, and find out what they prove. Knows no Rx."""
