"""How one page of a run is decided on, asked for, checked and taken for what it proves. Knows no Rx."""
