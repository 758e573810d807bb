CREATE TABLE rooms (id integer PRIMARY KEY, name text NOT NULL, seats integer NOT NULL, floor integer NOT NULL);
CREATE TABLE bookings (
  id integer PRIMARY KEY,
  room_id integer NOT NULL REFERENCES rooms (id),
  booked_by text NOT NULL,
  starts timestamp NOT NULL,
  hours numeric(4, 2) NOT NULL
);
INSERT INTO rooms VALUES (1, 'Danube', 12, 2), (2, 'Iller', 6, 2), (3, 'Blau', 4, 3);
INSERT INTO bookings VALUES
  (1, 1, 'Ada Berger', '2026-01-05 09:00', 1.5), (2, 1, 'Tom Weiss', '2026-01-05 13:00', 2),
  (3, 3, 'Mia Novak', '2026-01-06 10:00', 0.75);
