CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, author TEXT NOT NULL, year INTEGER);
CREATE TABLE loans (id INTEGER PRIMARY KEY, book_id INTEGER NOT NULL REFERENCES books (id), reader TEXT NOT NULL, due TEXT NOT NULL);
INSERT INTO books VALUES (1, 'The Wall', 'Marlen Haushofer', 1963), (2, 'Momo', 'Michael Ende', 1973), (3, 'Austerlitz', 'W. G. Sebald', 2001);
INSERT INTO loans VALUES (1, 2, 'Ada Berger', '2026-01-14'), (2, 3, 'Tom Weiss', '2025-12-28');
