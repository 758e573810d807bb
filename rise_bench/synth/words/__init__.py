"""How values are said in plain words, and read back: dates, numbers, tables, spans of days, nicknames."""
